"""The edge as a process of its own, over real files and sockets; control is never running here (RULES I3)."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from ebbgate.adapters.events import SegmentedLogReader
from ebbgate.adapters.snapshots import FileAccessPublisher, FileSnapshotPublisher, NoticeSender
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.access import AccessList, StoredToken, TokenKind, make_token, token_sha256
from ebbgate.core.clock import ClockMapping
from ebbgate.core.events.types import Record
from ebbgate.core.flags import LeaseTerms, RolloutRule, Snapshot, raw_document, render_rollout

PROGRAM = """
import json, sys
from pathlib import Path
from ebbgate.bootstrap.edge import run_edge
from ebbgate.edge.settings import EdgeSettings
run_edge(EdgeSettings(data_dir=Path(sys.argv[1]), cors_origins=("https://shop.example",), **json.loads(sys.argv[2])))
"""
CLOCK = SystemClock()
ORIGIN_AT = datetime(2026, 1, 1, tzinfo=UTC)
KINDS: tuple[TokenKind, ...] = ("client", "server", "operator", "admin")
BOOLEAN: dict[str, Any] = {
    "state": "ENABLED",
    "variants": {"on": True, "on_audience": True, "off": False, "off_holdout": False},
    "defaultVariant": "off",
}


class EdgeProcess:
    """A data directory, and the edge that runs on it.

    tokens: by kind. boolean, rollout: a flag outside of any rollout, and the same under one. metadata: of the documents
    that are published.
    """

    tokens: ClassVar[dict[str, str]] = {kind: make_token(kind, bytes([n]) * 32) for n, kind in enumerate(KINDS)}
    boolean: ClassVar[dict[str, Any]] = BOOLEAN
    rollout: ClassVar[dict[str, Any]] = render_rollout(BOOLEAN, RolloutRule(salt="r1", hash_ppm=500_000))

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.notices = NoticeSender(directory / "edge.sock")
        self.process: subprocess.Popen[bytes] | None = None
        self.stderr = b""
        self.metadata: dict[str, str] = {}

    def command(self, **settings: Any) -> list[str]:
        return [sys.executable, "-c", PROGRAM, str(self.directory), json.dumps({"port": 0} | settings)]

    def start(self, path: str = "/healthz", **settings: Any) -> None:
        """Until it answers at `path`; `/readyz` if it is to be ready."""
        process = self.process = subprocess.Popen(self.command(**settings), stderr=subprocess.PIPE)
        wait_for(lambda: process.poll() is not None or self.get(path).status_code == 200)
        assert process.poll() is None, self.stop(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, and wait; returns its exit status. What it said is in `stderr`."""
        assert self.process is not None
        self.process.send_signal(number)
        self.stderr += self.process.communicate(timeout=30)[1]
        (self.directory / "edge.port").unlink(missing_ok=True)
        process, self.process = self.process, None
        return process.returncode

    @property
    def port(self) -> int:
        return int((self.directory / "edge.port").read_text())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bearer(self, kind: str | None) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[kind]}"} if kind else {}

    def get(self, path: str, kind: str | None = None, **headers: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=headers | self.bearer(kind))

    def post(self, path: str, content: object, kind: str | None = "client", **headers: str) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return httpx.post(self.url + path, content=body, headers=headers | self.bearer(kind))

    def ofrep(self, flag: str, unit: str) -> httpx.Response:
        return self.post(f"/ofrep/v1/evaluate/flags/{flag}", {"context": {"targetingKey": unit}})

    def bulk(self, unit: str, **headers: str) -> httpx.Response:
        return self.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": unit}}, **headers)

    def publish_access(self, kinds: tuple[TokenKind, ...] = KINDS) -> None:
        """As control does: tokens of these kinds."""
        tokens = tuple(StoredToken(id=kind, kind=kind, sha256=token_sha256(self.tokens[kind])) for kind in kinds)
        FileAccessPublisher(self.directory / "access.json", self.notices).publish(AccessList(tokens=tokens))

    def publish(self, version: int, flags: dict[str, object]) -> None:
        """As control does."""
        metadata = self.metadata | {"version": str(version)} if self.metadata else {}
        snapshot = Snapshot(
            version=version,
            environment="production",
            flag_set="shop",
            published_at=CLOCK.machine_now(),
            clock=ClockMapping(origin_at=ORIGIN_AT, plan_origin_at=ORIGIN_AT),
            document=raw_document({"flags": flags, "metadata": metadata}),
            leases={"newWidgets": LeaseTerms(control_variant="off")},
        )
        FileSnapshotPublisher(self.directory / "snapshots", self.notices).publish(snapshot)

    def records(self) -> list[Record]:
        """All that is in the log."""
        reader = SegmentedLogReader(self.directory / "log")
        records: list[Record] = []
        offset = 0
        while (result := reader.read(offset)).records:
            records += [record for _, record in result.records]
            offset = result.next_offset
        reader.close()
        return records

    def entries(self, kind: type) -> list[Any]:
        return [entry for record in self.records() for entry in record.entries if isinstance(entry, kind)]


class EventSource:
    """As a browser's: it comes back by itself with the last id, as long as it is answered with 200."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url = url
        self.headers = headers or {"origin": "https://shop.example"}
        self.ids: list[str] = []
        self.data: list[Any] = []
        self.is_over = threading.Event()
        self.refused: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.is_over.is_set():
            headers = {"last-event-id": self.ids[-1]} if self.ids else {}
            try:
                with httpx.stream("GET", self.url, headers=headers | self.headers) as answer:
                    if answer.status_code != 200:
                        self.refused = answer.status_code
                        return
                    for line in answer.iter_lines():
                        self._take(line)
            except httpx.TransportError:
                pass
            self.is_over.wait(0.05)

    def _take(self, line: str) -> None:
        if line.startswith("id: "):
            self.ids.append(line[4:])
        elif line.startswith("data: "):
            self.data.append(json.loads(line[6:]))

    def join(self) -> None:
        self.is_over.set()
        self._thread.join(5)


def wait_for(is_so: Callable[[], bool], *, seconds: float = 60) -> None:
    """Until it is so; a server that does not answer yet is one more reason to wait."""
    deadline = CLOCK.monotonic() + seconds
    while True:
        try:
            if is_so():
                return
        except (httpx.TransportError, FileNotFoundError, ValueError):  # the port's file may be empty
            pass
        assert CLOCK.monotonic() < deadline, "it has not come true in time"
        CLOCK.sleep(timedelta(milliseconds=10))


@pytest.fixture
def wait_until() -> Callable[..., None]:
    return wait_for


@pytest.fixture
def follow() -> Iterator[Callable[..., EventSource]]:
    """Opens event streams, and ends them with the test."""
    opened: list[EventSource] = []

    def open_one(url: str, headers: dict[str, str] | None = None) -> EventSource:
        opened.append(EventSource(url, headers))
        return opened[-1]

    yield open_one
    for source in opened:
        source.join()


@pytest.fixture
def make_edge(tmp_path: Path) -> Iterator[Callable[..., EdgeProcess]]:
    """Makes edges that have not been started, on the test's directory or one below it; none outlives the test."""
    made: list[EdgeProcess] = []

    def make(below: str = "") -> EdgeProcess:
        directory = tmp_path / below
        directory.mkdir(exist_ok=True)
        made.append(EdgeProcess(directory))
        return made[-1]

    yield make
    for edge in made:
        if edge.process is not None:
            edge.stop(signal.SIGKILL)


@pytest.fixture
def edge(make_edge: Callable[..., EdgeProcess]) -> EdgeProcess:
    """Started on tokens and one snapshot, and ready."""
    process = make_edge()
    process.publish_access()
    process.publish(1, {"newWidgets": process.rollout, "a/b c": process.boolean})
    process.start("/readyz")
    return process
