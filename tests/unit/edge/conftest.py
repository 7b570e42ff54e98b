"""An edge over memory: the real application and its services, called as a server would call them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ebbgate.core.access import AccessList, StoredToken, TokenKind, make_token, token_sha256
from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.events.types import Record
from ebbgate.core.flags import (
    Bucketing,
    LeaseTerms,
    RolloutRule,
    Snapshot,
    encode_snapshot,
    raw_document,
    render_rollout,
)
from ebbgate.edge.assembly import Edge
from ebbgate.edge.settings import EdgeSettings
from ebbgate.ports.snapshots import PublishedSnapshot

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KINDS: tuple[TokenKind, ...] = ("client", "server", "operator", "admin")
BOOLEAN = {
    "state": "ENABLED",
    "variants": {"on": True, "on_audience": True, "off": False, "off_holdout": False},
    "defaultVariant": "off",
}


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.mapping = ClockMapping(origin_at=NOON, plan_origin_at=NOON)

    def machine_now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def plan_now(self) -> datetime:
        return self.mapping.plan_time(self.machine_now())

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, duration: timedelta) -> None:
        self.seconds += duration.total_seconds()

    async def sleep_async(self, duration: timedelta) -> None:
        self.seconds += duration.total_seconds()


class FakeWriter:
    """A log that can be told to fail."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_failing = False

    async def append(self, record: Record) -> int:
        if self.is_failing:
            raise StoreUnavailableError("the disk is full", hint="Make room.")
        self.records.append(record)
        return len(self.records)

    def end_offset(self) -> int:
        return len(self.records)

    def close(self) -> None:
        return


class FakeControl:
    """What control has written; the edge's source of tokens and of snapshots."""

    def __init__(self) -> None:
        self.access: AccessList | None = None
        self.changed: list[PublishedSnapshot] = []
        self.broken: dict[str, str] = {}

    def publish(self, snapshot: Snapshot) -> None:
        self.changed.append(PublishedSnapshot(snapshot=snapshot, data=encode_snapshot(snapshot)))

    def read_changed(self) -> list[PublishedSnapshot]:
        changed, self.changed = self.changed, []
        return changed

    def failures(self) -> dict[str, str]:
        return dict(self.broken)


class FakeAccess:
    def __init__(self, control: FakeControl) -> None:
        self._control = control

    def read_changed(self) -> AccessList | None:
        access, self._control.access = self._control.access, None
        return access


class FakeNotices:
    async def wait(self) -> None:
        raise AssertionError("nobody waits: tests call each step themselves")

    def close(self) -> None:
        return


class Response(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class MemoryEdge:
    """The edge and everything around it. Nothing runs in the background: a test takes each step itself."""

    def __init__(self, **changes: Any) -> None:
        self.clock = FakeClock()
        self.writer = FakeWriter()
        self.control = FakeControl()
        self.tokens = {kind: make_token(kind, bytes([place]) * 32) for place, kind in enumerate(KINDS)}
        self.edge = Edge(
            EdgeSettings(data_dir=Path("/nowhere"), **changes),
            access=FakeAccess(self.control),
            source=self.control,
            notices=FakeNotices(),
            open_writer=lambda: self.writer,
            clock=self.clock,
            run_id="run1",
        )

    @property
    def entries(self) -> list[Any]:
        return [entry for record in self.writer.records for entry in record.entries]

    def grant(self, *tokens: StoredToken) -> None:
        """Publish these tokens, or else one of each kind for every environment."""
        usual = [StoredToken(id=kind, kind=kind, sha256=token_sha256(text)) for kind, text in self.tokens.items()]
        self.control.access = AccessList(tokens=tokens or tuple(usual))
        self.look()

    def serve(
        self,
        version: int = 1,
        *,
        environment: str = "production",
        published_at: datetime = NOON,
        bucketing: Bucketing = "v2",
        **flags: Any,
    ) -> None:
        """Publish a snapshot: by default one plain flag and one under rollout."""
        rollout = render_rollout(BOOLEAN, RolloutRule(salt="r1", hash_ppm=500_000))
        snapshot = Snapshot(
            version=version,
            environment=environment,
            flag_set="shop",
            published_at=published_at,
            clock=self.clock.mapping,
            bucketing=bucketing,
            document=raw_document({"flags": flags or {"plain": BOOLEAN, "newWidgets": rollout}}),
            leases={"newWidgets": LeaseTerms(control_variant="off")},
        )
        self.control.publish(snapshot)
        self.look()

    def look(self) -> None:
        self.edge.background.watch.look()

    async def call(
        self, method: str, path: str, body: bytes = b"", *, kind: str | None = "client", query: str = "", **headers: str
    ) -> Response:
        fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        if kind is not None:
            fields.append((b"authorization", b"Bearer " + self.tokens[kind].encode()))
        scope = {
            "type": "http", "method": method, "path": path, "headers": fields, "query_string": query.encode(),
        }  # fmt: skip
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return messages.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.edge.app(scope, receive, send)
        start, *parts = sent
        return Response(
            status=start["status"],
            headers={name.decode(): value.decode() for name, value in start["headers"]},
            body=b"".join(part.get("body", b"") for part in parts),
        )

    async def ofrep(self, flag: str, context: Any, **more: Any) -> Response:
        path = f"/ofrep/v1/evaluate/flags/{flag}"
        return await self.call("POST", path, json.dumps({"context": context}).encode(), **more)

    async def bulk(self, context: Any, **more: Any) -> Response:
        body = json.dumps({"context": context}).encode()
        return await self.call("POST", "/ofrep/v1/evaluate/flags", body, **more)

    async def events(self, *entries: Any, **more: Any) -> Response:
        return await self.call("POST", "/v1/events", json.dumps(entries).encode(), **more)

    def an_event(self, event_id: str = "1", name: str = "click") -> dict[str, Any]:
        at = self.clock.machine_now().isoformat()
        return {"type": "event", "id": event_id, "unit": "u1", "name": name, "occurred_at": at, "sent_at": at}

    async def flush(self) -> None:
        await self.edge.background.journal.flush()


@pytest.fixture
def make_edge() -> Callable[..., MemoryEdge]:
    """Builds an edge that knows nothing yet; takes settings."""
    return MemoryEdge


@pytest.fixture
def edge() -> MemoryEdge:
    """An edge with tokens of every kind and a snapshot."""
    made = MemoryEdge()
    made.grant()
    made.serve()
    return made
