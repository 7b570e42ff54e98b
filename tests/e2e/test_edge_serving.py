"""What clients of other makers see of an edge: event streams, browsers, OpenTelemetry. A process, over real sockets."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from ebbgate.adapters.events import SegmentedLogReader
from ebbgate.adapters.snapshots import FileAccessPublisher, FileSnapshotPublisher, NoticeSender
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.access import AccessList, StoredToken, TokenKind, make_token, token_sha256
from ebbgate.core.clock import ClockMapping
from ebbgate.core.events.types import Exposure
from ebbgate.core.flags import LeaseTerms, RolloutRule, Snapshot, raw_document, render_kill, render_rollout

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
TOKENS = {kind: make_token(kind, bytes([place]) * 32) for place, kind in enumerate(KINDS)}
BOOLEAN = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
ROLLOUT = render_rollout(
    {**BOOLEAN, "variants": {"on": True, "on_audience": True, "off": False, "off_holdout": False}},
    RolloutRule(salt="r1", hash_ppm=500_000),
)
BULK = "/ofrep/v1/evaluate/flags"


class EdgeProcess:
    """A data directory, and the edge that runs on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.notices = NoticeSender(directory / "edge.sock")
        self.process: subprocess.Popen[bytes] | None = None
        self.stderr = b""

    def start(self, **settings: Any) -> None:
        arguments = [sys.executable, "-c", PROGRAM, str(self.directory), json.dumps({"port": 0} | settings)]
        self.process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
        wait_until(lambda: httpx.get(self.url + "/readyz").status_code == 200)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, and wait; returns its exit status. What it said is in `stderr`."""
        assert self.process is not None
        self.process.send_signal(number)
        self.stderr += self.process.communicate(timeout=10)[1]
        process, self.process = self.process, None
        return process.returncode

    @property
    def port(self) -> int:
        return int((self.directory / "edge.port").read_text())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, content: object, kind: str = "client", **headers: str) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return httpx.post(self.url + path, content=body, headers=headers | bearer(kind))

    def bulk(self, unit: str, **headers: str) -> httpx.Response:
        return self.post(BULK, {"context": {"targetingKey": unit}}, **headers)

    def publish_access(self) -> None:
        tokens = tuple(StoredToken(id=kind, kind=kind, sha256=token_sha256(text)) for kind, text in TOKENS.items())
        FileAccessPublisher(self.directory / "access.json", self.notices).publish(AccessList(tokens=tokens))

    def publish(self, version: int, flags: dict[str, object]) -> None:
        snapshot = Snapshot(
            version=version,
            environment="production",
            flag_set="shop",
            published_at=CLOCK.machine_now(),
            clock=ClockMapping(origin_at=ORIGIN_AT, plan_origin_at=ORIGIN_AT),
            document=raw_document({"flags": flags, "metadata": {"flagSetId": "production", "version": str(version)}}),
            leases={"newWidgets": LeaseTerms(control_variant="off")},
        )
        FileSnapshotPublisher(self.directory / "snapshots", self.notices).publish(snapshot)

    def entries(self, kind: type) -> list[Any]:
        """Entries of that kind in the log."""
        reader = SegmentedLogReader(self.directory / "log")
        entries: list[Any] = []
        offset = 0
        while (result := reader.read(offset)).records:
            entries += [entry for _, record in result.records for entry in record.entries if isinstance(entry, kind)]
            offset = result.next_offset
        reader.close()
        return entries


class EventSource:
    """As a browser's: it comes back by itself with the last id, as long as it is answered with 200."""

    def __init__(self, url: str) -> None:
        self.url = url
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
                with httpx.stream("GET", self.url, headers=headers | {"origin": "https://shop.example"}) as answer:
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


def bearer(kind: str) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS[kind]}"}


def wait_until(is_so: Callable[[], bool], *, seconds: float = 10) -> None:
    deadline = CLOCK.monotonic() + seconds
    while True:
        try:
            if is_so():
                return
        except (httpx.TransportError, FileNotFoundError):
            pass
        assert CLOCK.monotonic() < deadline, "it has not come true in time"
        CLOCK.sleep(timedelta(milliseconds=10))


@pytest.fixture
def edge(tmp_path: Path) -> Iterator[EdgeProcess]:
    """Started on tokens and one snapshot, and ready."""
    process = EdgeProcess(tmp_path)
    process.publish_access()
    process.publish(1, {"newWidgets": ROLLOUT, "plain": BOOLEAN})
    process.start()
    yield process
    if process.process is not None:
        process.stop(signal.SIGKILL)


def test_a_page_hears_of_a_kill_without_polling_and_survives_a_restart(edge: EdgeProcess) -> None:
    first = edge.bulk("u1", origin="https://shop.example")
    [offer] = first.json()["eventStreams"]
    page = EventSource(edge.url + offer["endpoint"]["requestUri"])
    wait_until(lambda: page.ids == ["1"])

    edge.publish(2, {"newWidgets": render_kill(ROLLOUT, "off"), "plain": BOOLEAN})
    wait_until(lambda: page.ids == ["1", "2"])
    killed = edge.bulk("u1", origin="https://shop.example", **{"if-none-match": first.headers["etag"]})
    port = edge.port
    status = edge.stop()
    edge.start(port=port)
    edge.publish(3, {"newWidgets": ROLLOUT, "plain": BOOLEAN})
    wait_until(lambda: page.ids == ["1", "2", "3"])  # not told of 2 again: the version is the id
    edge.stop()
    page.join()

    assert status == 0
    assert page.refused is None
    assert {data["type"] for data in page.data} == {"refetchEvaluation"}
    assert first.headers["access-control-allow-origin"] == "https://shop.example"
    assert killed.status_code == 200
    assert {flag["key"]: flag["value"] for flag in killed.json()["flags"]}["newWidgets"] is False
    ticket = offer["endpoint"]["requestUri"].partition("=")[2]
    assert ticket.encode() not in edge.stderr
    assert not any(token.encode() in edge.stderr for token in TOKENS.values())


def test_evaluations_told_over_otlp_are_in_the_log_in_both_encodings(edge: EdgeProcess) -> None:
    """RULES C2: acknowledged means on disk, also when the edge is killed at once."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add().scope_logs.add().log_records
    for unit in ("u1", ""):
        record = logs.add(event_name="feature_flag.evaluation", time_unix_nano=_now_ns())
        for key, value in evaluated(unit).items():
            record.attributes.add(key=key).value.string_value = value
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in evaluated("u2").items()]
    record = {"timeUnixNano": str(_now_ns()), "eventName": "feature_flag.evaluation", "attributes": pairs}
    plain = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}

    packed = edge.post("/v1/logs", request.SerializeToString(), **{"content-type": "application/x-protobuf"})
    text = edge.post("/v1/logs", plain, **{"content-type": "application/json"})
    edge.stop(signal.SIGKILL)

    partial = ExportLogsServiceResponse.FromString(packed.content).partial_success
    assert partial.rejected_log_records == 1
    assert (text.status_code, text.json()) == (200, {})
    exposures = [(e.unit, e.flag, e.variant, e.snapshot_version, e.source) for e in edge.entries(Exposure)]
    assert exposures == [("u1", "newWidgets", "on", 1, "otel"), ("u2", "newWidgets", "on", 1, "otel")]


def evaluated(unit: str) -> dict[str, str]:
    """What OpenFeature's hook says of an evaluation."""
    said = {"key": "newWidgets", "result.variant": "on", "set.id": "production", "version": "1"}
    named = said | {"context.id": unit} if unit else said
    return {f"feature_flag.{name}": value for name, value in named.items()}


def _now_ns() -> int:
    return int(CLOCK.machine_now().timestamp() * 1e9)
