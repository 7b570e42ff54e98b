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

import grpc
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
from ebbgate.edge.grpc.messages import fill, message, plain

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


def test_flagd_fetches_the_document_over_http_with_a_tag(edge: EdgeProcess) -> None:
    first = httpx.get(edge.url + "/flagd/v1/flags", headers=bearer("server"))
    tagged = bearer("server") | {"if-none-match": first.headers["etag"]}
    same = httpx.get(edge.url + "/flagd/v1/flags", headers=tagged)
    edge.publish(2, {"plain": BOOLEAN})
    wait_until(lambda: httpx.get(edge.url + "/flagd/v1/flags", headers=tagged).status_code == 200)
    refused = httpx.get(edge.url + "/flagd/v1/flags", headers=bearer("client"))

    assert first.json()["flags"].keys() == {"newWidgets", "plain"}
    assert first.json()["metadata"]["version"] == "1"
    assert (same.status_code, refused.status_code) == (304, 403)


class Flagd:
    """A client of flagd's services at an edge."""

    def __init__(self, edge: EdgeProcess, kind: str | None = "server") -> None:
        port = (edge.directory / "edge.grpc.port").read_text()
        options = [("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_permit_without_calls", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self.metadata = [("authorization", f"Bearer {TOKENS[kind]}")] if kind else []

    def call(
        self, service: str, method: str, *metadata: tuple[str, str], is_stream: bool = False, **fields: Any
    ) -> Any:
        package = service.rpartition(".")[0]
        request = message(f"{package}.{method}Request")()
        for name, value in fields.items():
            if isinstance(value, dict):
                fill(getattr(request, name), value)
            else:
                setattr(request, name, value)
        make = self.channel.unary_stream if is_stream else self.channel.unary_unary
        invoke = make(
            f"/{service}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=message(f"{package}.{method}Response").FromString,
        )
        return invoke(request, metadata=[*self.metadata, *metadata], timeout=20)

    def sync(self, method: str, *metadata: tuple[str, str], **fields: Any) -> Any:
        return self.call("flagd.sync.v1.FlagSyncService", method, *metadata, is_stream=method == "SyncFlags", **fields)

    def status(self, act: Callable[[], Any]) -> grpc.StatusCode:
        """How a call that must fail does."""
        with pytest.raises(grpc.RpcError) as caught:
            act()
        return caught.value.code()


@pytest.fixture
def grpc_edge(tmp_path: Path) -> Iterator[EdgeProcess]:
    process = EdgeProcess(tmp_path)
    process.publish_access()
    process.publish(1, {"newWidgets": ROLLOUT, "plain": BOOLEAN, **TYPED})
    process.start(grpc_port=0)
    yield process
    if process.process is not None:
        process.stop(signal.SIGKILL)


TYPED = {
    "text": {"state": "ENABLED", "variants": {"a": "x"}, "defaultVariant": "a", "metadata": {"owner": "web"}},
    "number": {"state": "ENABLED", "variants": {"a": 3.0, "b": 2.5}, "defaultVariant": "a"},
    "object": {"state": "ENABLED", "variants": {"a": {"n": 1, "l": [True, None]}}, "defaultVariant": "a"},
    "nodefault": {"state": "ENABLED", "variants": {"a": True}},
    "odd": {**BOOLEAN, "targeting": {"if": [True, "b", "c"]}},
    "broken": {**BOOLEAN, "targeting": {"$ref": "nowhere"}},
}


def test_a_kill_reaches_sync_streams_at_once_and_a_stream_that_is_not_read_delays_none(grpc_edge: EdgeProcess) -> None:
    flagd = Flagd(grpc_edge)
    lazy = flagd.sync("SyncFlags", provider_id="lazy")
    stream = flagd.sync("SyncFlags", provider_id="eager")
    first = json.loads(next(stream).flag_configuration)
    grpc_edge.publish(2, {"newWidgets": render_kill(ROLLOUT, "off")})
    began = CLOCK.monotonic()
    second = json.loads(next(stream).flag_configuration)
    took = CLOCK.monotonic() - began
    fetched = json.loads(flagd.sync("FetchAllFlags").flag_configuration)
    metadata = flagd.sync("GetMetadata")
    began = CLOCK.monotonic()
    status = grpc_edge.stop()
    stop_took = CLOCK.monotonic() - began
    lazy.cancel()

    assert first["metadata"]["version"] == "1"
    assert "targeting" not in second["flags"]["newWidgets"]
    assert fetched == second
    assert metadata.HasField("metadata")
    assert took < 1
    assert (status, stop_took < 2) == (0, True)


def test_selectors_choose_flags_and_the_metadata_goes_before_the_field(grpc_edge: EdgeProcess) -> None:
    flagd = Flagd(grpc_edge)
    by_field = flagd.sync("FetchAllFlags", selector="flagSetId=nobody")
    by_metadata = flagd.sync("FetchAllFlags", ("flagd-selector", "flagSetId=production"), selector="flagSetId=nobody")
    stream = flagd.sync("SyncFlags", selector="source=nowhere")

    assert json.loads(by_field.flag_configuration)["flags"] == {}
    assert "plain" in json.loads(by_metadata.flag_configuration)["flags"]
    assert flagd.status(lambda: flagd.sync("FetchAllFlags", selector="a=b")) is grpc.StatusCode.INVALID_ARGUMENT
    assert flagd.status(lambda: next(stream)) is grpc.StatusCode.NOT_FOUND


def test_without_the_right_token_there_is_nothing_over_grpc_unless_it_was_opened(grpc_edge: EdgeProcess) -> None:
    nobody, client = Flagd(grpc_edge, None), Flagd(grpc_edge, "client")
    assert nobody.status(lambda: nobody.sync("FetchAllFlags")) is grpc.StatusCode.UNAUTHENTICATED
    assert client.status(lambda: client.sync("FetchAllFlags")) is grpc.StatusCode.PERMISSION_DENIED
    resolved = client.call("flagd.evaluation.v1.Service", "ResolveBoolean", flag_key="plain")
    assert resolved.variant == "off"
    grpc_edge.stop()
    grpc_edge.start(grpc_port=0, grpc_without_token=True)
    opened = Flagd(grpc_edge, None)
    assert "plain" in opened.sync("FetchAllFlags").flag_configuration
    assert opened.call("flagd.evaluation.v1.Service", "ResolveBoolean", flag_key="plain").variant == "off"
    wrong = [("authorization", "Bearer wrong")]
    opened.metadata = wrong
    assert opened.status(lambda: opened.sync("FetchAllFlags")) is grpc.StatusCode.UNAUTHENTICATED


def test_revoking_a_token_ends_its_streams(grpc_edge: EdgeProcess) -> None:
    flagd = Flagd(grpc_edge)
    stream = flagd.sync("SyncFlags")
    next(stream)
    FileAccessPublisher(grpc_edge.directory / "access.json", grpc_edge.notices).publish(AccessList(tokens=()))
    assert flagd.status(lambda: next(stream)) is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_flags_are_resolved_over_grpc_as_over_ofrep(grpc_edge: EdgeProcess, version: str) -> None:
    service, flagd = f"flagd.evaluation.{version}.Service", Flagd(grpc_edge)

    def resolve(kind: str, key: str, **context: Any) -> Any:
        return flagd.call(service, f"Resolve{kind}", flag_key=key, context=context)

    over_ofrep = grpc_edge.post(BULK + "/newWidgets", {"context": {"targetingKey": "u1"}}).json()
    rollout = resolve("Boolean", "newWidgets", targetingKey="u1")
    text, default = resolve("String", "text"), resolve("Boolean", "nodefault")
    everything = flagd.call(service, "ResolveAll", context={"targetingKey": "u1"})

    assert (rollout.value, rollout.variant, rollout.reason) == tuple(
        over_ofrep[field] for field in ("value", "variant", "reason")
    )
    assert (text.value, plain(text.metadata)["owner"]) == ("x", "web")
    assert (resolve("Int", "number").value, resolve("Float", "number").value) == (3, 3.0)
    assert plain(resolve("Object", "object").value) == {"n": 1, "l": [True, None]}
    assert (default.value, default.variant, default.reason) == (False, "", "DEFAULT")
    if version == "v2":
        assert not default.HasField("value")
        assert not default.HasField("variant")
        assert resolve("Boolean", "plain").HasField("value")
    assert everything.flags.keys() == {"newWidgets", "plain", "text", "number", "object", "nodefault"}
    assert (everything.flags["number"].double_value, everything.flags["text"].string_value) == (3.0, "x")
    assert plain(everything.flags["object"].object_value) == {"n": 1, "l": [True, None]}
    codes = grpc.StatusCode
    for kind, key, code in (
        ("Boolean", "nope", codes.NOT_FOUND),
        ("Boolean", "text", codes.INVALID_ARGUMENT),
        ("Boolean", "broken", codes.DATA_LOSS),
        ("Boolean", "odd", codes.UNKNOWN),
    ):
        assert flagd.status(lambda kind=kind, key=key: resolve(kind, key)) is code


def test_evaluations_over_grpc_are_exposures_and_a_change_is_told(grpc_edge: EdgeProcess) -> None:
    """RULES C2."""
    service, flagd = "flagd.evaluation.v1.Service", Flagd(grpc_edge, "client")
    events = flagd.call(service, "EventStream", is_stream=True)
    ready = next(events)
    for unit in ("u1", "u2", "u1"):
        flagd.call(service, "ResolveBoolean", flag_key="newWidgets", context={"targetingKey": unit})
    grpc_edge.publish(2, {"newWidgets": ROLLOUT})
    changed = next(events)
    grpc_edge.stop()

    assert (ready.type, changed.type) == ("provider_ready", "configuration_change")
    assert {"newWidgets", "plain"} <= plain(changed.data)["flags"].keys()
    assert [(e.unit, e.snapshot_version) for e in grpc_edge.entries(Exposure)] == [("u1", 1), ("u2", 1)]


def test_metrics_tell_how_far_a_change_has_got(grpc_edge: EdgeProcess) -> None:
    """RULES H2."""
    sdk = EventSource(f"{grpc_edge.url}/v1/stream?evaluator=e1", bearer("server"))
    silent = EventSource(f"{grpc_edge.url}/v1/stream?evaluator=e2", bearer("server"))
    synced = Flagd(grpc_edge).sync("SyncFlags")
    next(synced)
    wait_until(lambda: sdk.ids == silent.ids == ["1"])
    grpc_edge.publish(2, {"plain": BOOLEAN})
    wait_until(lambda: sdk.ids[-1] == silent.ids[-1] == "2")
    report = {
        "type": "evaluator", "evaluator": "e1", "name": "host:1", "kind": "sdk", "state": "confirmed",
        "reported_at": CLOCK.machine_now().isoformat(), "snapshot_version": 2,
    }  # fmt: skip
    assert grpc_edge.post("/v1/events", [report], "server").json() == {"accepted": 1, "rejected": []}
    text = httpx.get(grpc_edge.url + "/metrics", headers=bearer("operator")).text
    grpc_edge.stop()
    for source in (sdk, silent):
        source.join()

    for proof in ("confirmed", "straggler", "unproven"):
        assert f'ebbgate_change_evaluators{{environment="production",proof="{proof}"}} 1.0' in text
    assert 'ebbgate_change_confirmed_seconds{environment="production",quantile="0.99"} 0.' in text
    assert 'ebbgate_snapshot_stale{environment="production"} 0.0' in text


def evaluated(unit: str) -> dict[str, str]:
    """What OpenFeature's hook says of an evaluation."""
    said = {"key": "newWidgets", "result.variant": "on", "set.id": "production", "version": "1"}
    named = said | {"context.id": unit} if unit else said
    return {f"feature_flag.{name}": value for name, value in named.items()}


def _now_ns() -> int:
    return int(CLOCK.machine_now().timestamp() * 1e9)
