"""Event streams: newest only, nobody waits for anybody, and every end is reported."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ebbgate.core.access import StoredToken
from ebbgate.core.events.types import EvaluatorReport


class FakeTransport:
    """The connection under a stream. `size`: bytes that the kernel has not taken yet."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.size = 0
        self.limit: int | None = None
        self.is_aborted = False

    def set_write_buffer_limits(self, high: int) -> None:
        self.limit = high

    def get_write_buffer_size(self) -> int:
        return self.size

    def is_closing(self) -> bool:
        return self.is_aborted

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abort(self) -> None:
        self.is_aborted = True


class Reader:
    """A client at the far end of a stream. `gate` is open while it reads."""

    def __init__(self, edge: Any, query: str, transport: FakeTransport | None) -> None:
        self.edge = edge
        self.sent: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.gone = asyncio.Event()
        scope = {
            "type": "http", "method": "GET", "path": "/v1/stream", "query_string": query.encode(),
            "headers": [(b"x-api-key", edge.tokens["server"].encode())],
            "state": {"transport": transport} if transport else {},
        }  # fmt: skip
        self.task = asyncio.create_task(edge.edge.app(scope, self.receive, self.send))

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.gate.wait()
        self.sent.append(message)

    @property
    def ids(self) -> list[int]:
        """Versions that arrived."""
        bodies = [message.get("body", b"") for message in self.sent]
        return [int(body.split(b"\n")[0].removeprefix(b"id: ")) for body in bodies if body.startswith(b"id: ")]


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.wait([asyncio.ensure_future(_nothing())])


async def _nothing() -> None:
    return


@pytest.fixture
async def open_stream(edge: Any) -> Any:
    readers: list[Reader] = []

    async def open_one(evaluator: str = "e1", transport: FakeTransport | None = None) -> Reader:
        readers.append(Reader(edge, f"evaluator={evaluator}&name=host", transport))
        await settle()
        return readers[-1]

    yield open_one
    for reader in readers:
        reader.gate.set()
        reader.gone.set()
    await asyncio.gather(*[reader.task for reader in readers])


async def states(edge: Any) -> list[tuple[str, str]]:
    await edge.flush()
    return [(entry.evaluator, entry.state) for entry in edge.entries if isinstance(entry, EvaluatorReport)]


async def test_a_stream_gets_the_snapshot_at_once_and_every_change(edge: Any, open_stream: Callable[..., Any]) -> None:
    reader = await open_stream()
    edge.serve(2)
    await settle()
    assert reader.ids == [1, 2]
    first = reader.sent[1]["body"]
    assert first.startswith(b"id: 1\nevent: snapshot\ndata: {")
    assert first.endswith(b"}\n\n")
    assert first.count(b"\n") == 4
    assert dict(reader.sent[0]["headers"])[b"content-type"] == b"text/event-stream"


async def test_a_change_elsewhere_is_not_pushed(edge: Any, open_stream: Callable[..., Any]) -> None:
    reader = await open_stream()
    edge.serve(2, environment="staging")
    await settle()
    assert reader.ids == [1]


async def test_a_slow_reader_misses_versions_and_delays_nobody(edge: Any, open_stream: Callable[..., Any]) -> None:
    slow, fast = await open_stream("slow"), await open_stream("fast")
    slow.gate.clear()
    for version in (2, 3, 4):
        edge.serve(version)
        await settle()
    assert (slow.ids, fast.ids) == ([1], [1, 2, 3, 4])
    slow.gate.set()
    await settle()
    assert slow.ids == [1, 2, 4]


async def test_an_idle_connection_is_written_at_once_and_a_busy_one_in_its_turn(
    edge: Any, open_stream: Callable[..., Any]
) -> None:
    transport = FakeTransport()
    reader = await open_stream("e1", transport)
    edge.serve(2)
    transport.size = 7
    edge.serve(3)
    await settle()
    [chunk] = transport.written
    size, _, rest = chunk.partition(b"\r\n")
    assert rest.startswith(b"id: 2\n")
    assert len(rest) == int(size, 16) + 2
    assert reader.ids == [1, 3]


async def test_a_reader_without_progress_is_dropped_and_reported(edge: Any, open_stream: Callable[..., Any]) -> None:
    transport = FakeTransport()
    stuck, fine = await open_stream("stuck", transport), await open_stream("fine")
    assert transport.limit == 0
    stuck.gate.clear()
    transport.size = 1
    edge.serve(2)
    await settle()
    edge.clock.seconds = 29.0
    edge.edge.hub.sweep()
    await settle()
    assert not transport.is_aborted
    edge.clock.seconds = 30.0
    edge.edge.hub.sweep()
    await settle()
    assert transport.is_aborted
    assert stuck.task.done()
    assert not fine.task.done()
    assert ("stuck", "disconnected") in await states(edge)
    assert b"ebbgate_streams_dropped_total 1.0" in (await edge.call("GET", "/metrics", kind="operator")).body


async def test_a_silent_stream_is_kept_alive(edge: Any, open_stream: Callable[..., Any]) -> None:
    reader = await open_stream()
    edge.clock.seconds = 9.0
    edge.edge.hub.sweep()
    await settle()
    before = len(reader.sent)
    edge.clock.seconds = 10.0
    edge.edge.hub.sweep()
    edge.edge.hub.sweep()
    await settle()
    assert [message["body"] for message in reader.sent[before:]] == [b": keepalive\n\n"]


async def test_a_reader_that_goes_is_reported_gone(edge: Any, open_stream: Callable[..., Any]) -> None:
    reader = await open_stream()
    reader.gone.set()
    await settle()
    assert reader.task.done()
    assert await states(edge) == [("e1", "connected"), ("e1", "disconnected")]


async def test_an_evaluator_that_is_back_already_is_not_reported_gone(
    edge: Any, open_stream: Callable[..., Any]
) -> None:
    old = await open_stream()
    await open_stream()
    old.gone.set()
    await settle()
    assert await states(edge) == [("e1", "connected"), ("e1", "connected")]


async def test_a_stream_ends_when_its_token_is_revoked(edge: Any, open_stream: Callable[..., Any]) -> None:
    reader = await open_stream()
    edge.grant()
    await settle()
    assert not reader.task.done()
    edge.grant(StoredToken(id="other", kind="server", sha256="0" * 64))
    await settle()
    assert reader.task.done()


async def test_closing_ends_every_stream_even_a_stuck_one(edge: Any, open_stream: Callable[..., Any]) -> None:
    stuck, fine = await open_stream("stuck"), await open_stream("fine")
    stuck.gate.clear()
    edge.serve(2)
    await settle()
    edge.edge.hub.close()
    await settle()
    assert stuck.task.done()
    assert fine.task.done()
    assert fine.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert edge.edge.hub.counts() == {}


async def test_a_push_is_measured_once_the_last_stream_has_it(edge: Any, open_stream: Callable[..., Any]) -> None:
    slow, _ = await open_stream("slow"), await open_stream("fast")
    slow.gate.clear()
    edge.serve(2)
    await settle()
    assert b"ebbgate_push_seconds_count 0.0" in (await edge.call("GET", "/metrics", kind="operator")).body
    edge.clock.seconds = 2.0
    slow.gate.set()
    await settle()
    text = (await edge.call("GET", "/metrics", kind="operator")).body
    assert b"ebbgate_push_seconds_count 1.0" in text
    assert b"ebbgate_push_seconds_sum 2.0" in text


@pytest.mark.parametrize("query", ["", "evaluator=", "evaluator=" + "x" * 129])
async def test_a_stream_must_name_its_evaluator(edge: Any, query: str) -> None:
    assert (await edge.call("GET", "/v1/stream", kind="server", query=query)).status == 400
    assert edge.edge.hub.counts() == {}
