"""Two edges on loopback: a small one that can be told to misbehave, and the real one in its own process."""

import contextlib
import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ebbgate.adapters.events import SegmentedLogReader
from ebbgate.core.access import AccessList, StoredToken, encode_access, make_token, token_sha256
from ebbgate.core.clock import ClockMapping
from ebbgate.core.flags import LeaseTerms, RolloutRule, Snapshot, encode_snapshot, raw_document, render_rollout
from ebbgate.sdk.client import Client
from ebbgate.sdk.timing import Timing

TOKEN = "ebb_server_test"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FLAG = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
RULE = RolloutRule(salt="r1", hash_ppm=500_000)

# As in production, but for waiting: a test must not last for an outage's usual length.
TIMING = Timing(
    backoff_base_s=0.02,
    backoff_cap_s=0.1,
    flush_interval_s=0.02,
    heartbeat_s=0.2,
    kill_check_s=0.05,
    read_timeout_s=2.0,
)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of every test here."""


class FakeEdge:
    """The edge's routes of the SDK. Attributes are switches: a test sets them while the server runs."""

    def __init__(self) -> None:
        self.snapshot: bytes | None = None
        self.entries: list[dict[str, Any]] = []  # in order of arrival, repeated ones included
        self.posts: list[list[dict[str, Any]]] = []
        self.polls: list[str | None] = []  # If-None-Match of each
        self.event_answers: list[tuple[int, dict[str, str]]] = []  # used up, one a post; then 200
        self.loses_answers = False  # takes the entries, then closes the connection without an answer
        self.stream_status = 200
        self.content_type = "application/json"
        self.refuses_units: set[str] = set()  # 400 for a batch that holds one
        self.keepalive_s = 0.2
        self.gate = threading.Event()  # closed: every answer to POST waits
        self.gate.set()
        self.port = 0
        self._subscribers: set[queue.Queue[bytes | None]] = set()
        self._lock = threading.Lock()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def streams(self) -> int:
        return len(self._subscribers)

    def start(self) -> None:
        """Listen, on the same port as before if it has been stopped."""
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Go away, with every stream."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self.drop_streams()

    def publish(self, data: bytes) -> None:
        self.snapshot = data
        self.push(data)

    def push(self, data: bytes) -> None:
        """Send this on the streams, whatever the current snapshot is."""
        for subscriber in list(self._subscribers):
            subscriber.put(data)

    def drop_streams(self) -> None:
        for subscriber in list(self._subscribers):
            subscriber.put(None)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in list(self.entries) if entry["type"] == kind]

    def reports(self, state: str) -> list[dict[str, Any]]:
        return [entry for entry in self.of_type("evaluator") if entry["state"] == state]

    def take(self, entries: list[dict[str, Any]]) -> None:
        with self._lock:
            self.posts.append(entries)
            self.entries.extend(entries)


def _handler(edge: FakeEdge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                return self.answer(401, b'{"code":"unauthenticated"}')
            if self.path.startswith("/v1/stream?"):
                return self.stream()
            edge.polls.append(self.headers["If-None-Match"])
            if edge.snapshot is None:
                return self.answer(503, b"")
            etag = f'"{hash(edge.snapshot)}"'
            if self.headers["If-None-Match"] == etag:
                return self.answer(304, b"")
            return self.answer(200, edge.snapshot, {"ETag": etag})

        def do_POST(self) -> None:
            entries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            edge.gate.wait(10)
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                return self.answer(401, b'{"code":"unauthenticated"}')
            if edge.event_answers:
                status, headers = edge.event_answers.pop(0)
                return self.answer(status, b"", headers)
            if any(entry.get("unit") in edge.refuses_units for entry in entries):
                return self.answer(400, b"unreadable")
            edge.take(entries)
            if edge.loses_answers:
                self.close_connection = True
                return None
            return self.answer(200, json.dumps({"accepted": len(entries), "rejected": []}).encode())

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", edge.content_type)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def stream(self) -> None:
            if edge.stream_status != 200:
                return self.answer(edge.stream_status, b"no streams here")
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            inbox: queue.Queue[bytes | None] = queue.Queue()
            edge._subscribers.add(inbox)
            try:
                if edge.snapshot is not None:
                    inbox.put(edge.snapshot)
                while True:
                    try:
                        data = inbox.get(timeout=edge.keepalive_s)
                    except queue.Empty:
                        self.chunk(b": keepalive\n\n")
                        continue
                    if data is None:
                        return None
                    self.chunk(b"id: 1\nevent: snapshot\ndata: " + data + b"\n\n")
            finally:
                edge._subscribers.discard(inbox)

        def chunk(self, data: bytes) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    return Handler


@pytest.fixture
def edge() -> Iterator[FakeEdge]:
    fake = FakeEdge()
    fake.start()
    yield fake
    fake.gate.set()
    fake.stop()


@pytest.fixture
def connect(edge: FakeEdge) -> Iterator[Callable[..., Client]]:
    """Makes clients of the fake edge, and closes them."""
    clients: list[Client] = []

    def make(**settings: Any) -> Client:
        client = Client(**{"url": edge.url, "token": TOKEN, "timing": TIMING, "name": "test", **settings})
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close(timeout=0.5)


@pytest.fixture
def a_snapshot() -> Callable[..., bytes]:
    """A snapshot with a flag `old` outside any rollout, and `new` under one that exposes half of all units."""

    def make(version: int = 1, *, old: str = "off", server_lost_s: float = 900.0, **changes: Any) -> bytes:
        flags = {"old": {**FLAG, "defaultVariant": old}, "new": render_rollout(FLAG, RULE)}
        settings: dict[str, Any] = {
            "version": version,
            "environment": "production",
            "flag_set": "app",
            "published_at": NOON,
            "clock": ClockMapping(origin_at=NOON, plan_origin_at=NOON),
            "document": raw_document({"flags": flags}),
            "leases": {"new": LeaseTerms(control_variant="off", server_lost_s=server_lost_s)},
        }
        return encode_snapshot(Snapshot(**{**settings, **changes}))

    return make


@pytest.fixture
def kill_file(tmp_path: Path) -> Path:
    return tmp_path / "kill.txt"


EDGE_PROGRAM = """
import sys
from pathlib import Path
from ebbgate.bootstrap.edge import run_edge
from ebbgate.edge.settings import EdgeSettings
run_edge(EdgeSettings(data_dir=Path(sys.argv[1]), port=int(sys.argv[2])))
"""


class LiveEdge:
    """The real edge in a process of its own, over files that a test writes in control's place."""

    def __init__(self, directory: Path, wait: Callable[..., None]) -> None:
        self.directory = directory
        self.token = make_token("server", bytes(32))
        self._wait = wait
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        (directory / "snapshots").mkdir(parents=True)
        access = AccessList(
            tokens=(StoredToken(id="t1", kind="server", environment="production", sha256=token_sha256(self.token)),)
        )
        (directory / "access.json").write_bytes(encode_access(access))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def publish(self, snapshot: bytes) -> None:
        """As control does: replace the file, then send a notice, which may be lost."""
        target = self.directory / "snapshots" / "production.json"
        draft = target.with_suffix(".tmp")
        draft.write_bytes(snapshot)
        draft.replace(target)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice, contextlib.suppress(OSError):
            notice.sendto(b"snapshot", str(self.directory / "edge.sock"))

    def start(self) -> None:
        """Start, on the same port as before if it has run, and wait until it is ready."""
        (self.directory / "edge.port").unlink(missing_ok=True)
        with (self.directory / "edge.out").open("ab") as output:
            command = [sys.executable, "-c", EDGE_PROGRAM, str(self.directory), str(self._port)]
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        self._wait(self._is_ready, "the edge to be ready")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def entries(self) -> list[Any]:
        """Everything acknowledged so far, from the log."""
        with contextlib.closing(SegmentedLogReader(self.directory / "log")) as reader:
            read = reader.read(0, limit_bytes=100_000_000)
        return [entry for _, record in read.records for entry in record.entries]

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "edge.out").read_text()
        try:
            self._port = int((self.directory / "edge.port").read_text())
            connection = HTTPConnection("127.0.0.1", self._port, timeout=2)
            with contextlib.closing(connection):
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False


@pytest.fixture
def live_edge(tmp_path: Path, eventually: Callable[..., None]) -> Iterator[LiveEdge]:
    live = LiveEdge(tmp_path / "edge", eventually)
    yield live
    live.kill()
