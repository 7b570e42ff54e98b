"""An edge that listens, over memory: its real application and its real gRPC server, with each way of asking it."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from ebbgate.core.access import AccessList, StoredToken, make_token, token_sha256
from ebbgate.core.clock import ClockMapping
from ebbgate.core.flags import Bucketing, Snapshot, encode_snapshot, raw_document
from ebbgate.edge.assembly import Edge
from ebbgate.edge.grpc.messages import VALUE_TYPES, fill, message
from ebbgate.edge.grpc.server import GrpcServer
from ebbgate.edge.settings import EdgeSettings
from ebbgate.ports.snapshots import PublishedSnapshot

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EVALUATION = "flagd.evaluation.v2"


class Standing:
    """A clock that stands still."""

    mapping = ClockMapping(origin_at=NOON, plan_origin_at=NOON)

    def machine_now(self) -> datetime:
        return NOON

    def plan_now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, duration: timedelta) -> None:
        raise AssertionError("nothing waits")

    async def sleep_async(self, duration: timedelta) -> None:
        raise AssertionError("nothing waits")


class Published:
    """Where the edge finds its snapshots and its tokens: in memory."""

    def __init__(self, token: str) -> None:
        self.snapshots: list[PublishedSnapshot] = []
        self._access: AccessList | None = AccessList(
            tokens=(StoredToken(id="server", kind="server", sha256=token_sha256(token)),)
        )
        self.tokens = self._Tokens(self)

    class _Tokens:
        def __init__(self, published: "Published") -> None:
            self._published = published

        def read_changed(self) -> AccessList | None:
            access, self._published._access = self._published._access, None
            return access

    def read_changed(self) -> list[PublishedSnapshot]:
        changed, self.snapshots = self.snapshots, []
        return changed

    def failures(self) -> dict[str, str]:
        return {}


class Unused:
    """A port that nothing here reaches: no flag is under rollout, so that nothing is recorded."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not for this test")


class Everywhere:
    """One edge with its gRPC server, and each way of asking it. run: in its loop. now: its plan time in unix seconds.

    No request limit, so that a test asks as much as it likes.
    """

    now = int(NOON.timestamp())
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def __init__(self, token: str) -> None:
        self._published = Published(token)
        self._bearer = b"Bearer " + token.encode()
        self._version = 0
        edge_settings = EdgeSettings(
            data_dir=Path("/nowhere"), grpc_port=0, grpc_without_token=True, rate_per_s=1e9, rate_burst=1e9
        )
        self._edge = Edge(
            edge_settings,
            access=self._published.tokens,
            source=self._published,
            notices=Unused(),
            open_writer=Unused,
            clock=Standing(),
            run_id="run",
        )
        self._ports: list[int] = []
        self._grpc = GrpcServer(edge_settings, self._edge, tell_port=self._ports.append)

    async def start(self) -> None:
        await self._grpc.start()
        channel = self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{self._ports[0]}")
        self._methods = {
            name: channel.unary_unary(
                f"/{EVALUATION}.Service/{name}",
                request_serializer=message(f"{EVALUATION}.{name}Request").SerializeToString,
                response_deserializer=message(f"{EVALUATION}.{name}Response").FromString,
            )
            for name in ("ResolveAll", *(f"Resolve{kind}" for kind in VALUE_TYPES))
        }

    async def stop(self) -> None:
        await self._channel.close()
        await self._grpc.stop()

    def serve(self, document: dict[str, Any], bucketing: Bucketing) -> None:
        self._version += 1
        snapshot = Snapshot(
            version=self._version,
            environment="production",
            flag_set="",
            published_at=NOON,
            clock=Standing.mapping,
            bucketing=bucketing,
            document=raw_document(document),
        )
        self._published.snapshots.append(PublishedSnapshot(snapshot=snapshot, data=encode_snapshot(snapshot)))
        self._edge.background.watch.look()

    async def ofrep(self, path: str, body: bytes) -> dict[str, Any]:
        headers = [(b"authorization", self._bearer)]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(part: Any) -> None:
            sent.append(part)

        await self._edge.app(scope, receive, send)
        return json.loads(b"".join(part.get("body", b"") for part in sent))  # type: ignore[no-any-return]

    async def grpc(self, kind: str, key: str, context: dict[str, Any]) -> Any:
        """The answer, or the status that it was refused with."""
        request = message(f"{EVALUATION}.Resolve{kind}Request")(flag_key=key)
        fill(request.context, context)
        try:
            return await self._methods[f"Resolve{kind}"](request)
        except grpc.aio.AioRpcError as error:
            return error.code()

    async def grpc_all(self, context: dict[str, Any]) -> Any:
        request = message(f"{EVALUATION}.ResolveAllRequest")()
        fill(request.context, context)
        return await self._methods["ResolveAll"](request)


@pytest.fixture(scope="module")
def everywhere() -> Iterator[Everywhere]:
    asked = Everywhere(make_token("server", b"\1" * 32))
    with asyncio.Runner() as runner:
        asked.run = runner.run
        runner.run(asked.start())
        yield asked
        runner.run(asked.stop())
