"""flagd's services of an edge over gRPC, and how far a change has got when nobody can say."""

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.events.types import Exposure
from ebbgate.core.flags import render_kill
from ebbgate.edge.grpc.messages import fill, message, plain

CLOCK = SystemClock()


class Flagd:
    """A client of flagd's services at an edge."""

    def __init__(self, edge: Any, kind: str | None = "server") -> None:
        port = (edge.directory / "edge.grpc.port").read_text()
        options = [("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_permit_without_calls", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        self.metadata = list(edge.bearer(kind).items())

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
def grpc_edge(make_edge: Any) -> Any:
    """Ready, with gRPC beside HTTP, and with flags of every type."""
    process = make_edge()
    process.metadata = {"flagSetId": "production"}
    process.publish_access()
    odd = {
        "odd": {**process.boolean, "targeting": {"if": [True, "b", "c"]}},
        "broken": {**process.boolean, "targeting": {"$ref": "nowhere"}},
    }
    process.publish(1, {"newWidgets": process.rollout, "plain": process.boolean, **TYPED, **odd})
    process.start("/readyz", grpc_port=0)
    return process


TYPED = {
    "text": {"state": "ENABLED", "variants": {"a": "x"}, "defaultVariant": "a", "metadata": {"owner": "web"}},
    "number": {"state": "ENABLED", "variants": {"a": 3.0, "b": 2.5}, "defaultVariant": "a"},
    "object": {"state": "ENABLED", "variants": {"a": {"n": 1, "l": [True, None]}}, "defaultVariant": "a"},
    "nodefault": {"state": "ENABLED", "variants": {"a": True}},
}


def test_a_kill_reaches_sync_streams_at_once_and_a_stream_that_is_not_read_delays_none(grpc_edge: Any) -> None:
    flagd = Flagd(grpc_edge)
    lazy = flagd.sync("SyncFlags", provider_id="lazy")
    stream = flagd.sync("SyncFlags", provider_id="eager")
    first = json.loads(next(stream).flag_configuration)
    grpc_edge.publish(2, {"newWidgets": render_kill(grpc_edge.rollout, "off")})
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


def test_selectors_choose_flags_and_the_metadata_goes_before_the_field(grpc_edge: Any) -> None:
    flagd = Flagd(grpc_edge)
    by_field = flagd.sync("FetchAllFlags", selector="flagSetId=nobody")
    by_metadata = flagd.sync("FetchAllFlags", ("flagd-selector", "flagSetId=production"), selector="flagSetId=nobody")
    stream = flagd.sync("SyncFlags", selector="source=nowhere")

    assert json.loads(by_field.flag_configuration)["flags"] == {}
    assert "plain" in json.loads(by_metadata.flag_configuration)["flags"]
    assert flagd.status(lambda: flagd.sync("FetchAllFlags", selector="a=b")) is grpc.StatusCode.INVALID_ARGUMENT
    assert flagd.status(lambda: next(stream)) is grpc.StatusCode.NOT_FOUND


def test_an_evaluation_stays_in_the_flag_set_that_the_metadata_names(grpc_edge: Any) -> None:
    flagd = Flagd(grpc_edge)
    for package in ("v1", "v2"):
        service = f"flagd.evaluation.{package}.Service"
        named, other, bad = (("flagd-selector", f"{text}") for text in ("flagSetId=production", "flagSetId=x", "a=b"))
        assert flagd.call(service, "ResolveBoolean", named, flag_key="plain").variant == "off"
        assert "plain" in flagd.call(service, "ResolveAll", named).flags
        assert not flagd.call(service, "ResolveAll", other).flags
        failures = [flagd.status(lambda: flagd.call(service, "ResolveBoolean", asked, flag_key="plain"))  # noqa: B023
                    for asked in (other, bad)]  # fmt: skip
        assert failures == [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT]


def test_without_the_right_token_there_is_nothing_over_grpc_unless_it_was_opened(grpc_edge: Any) -> None:
    nobody, client = Flagd(grpc_edge, None), Flagd(grpc_edge, "client")
    assert nobody.status(lambda: nobody.sync("FetchAllFlags")) is grpc.StatusCode.UNAUTHENTICATED
    assert client.status(lambda: client.sync("FetchAllFlags")) is grpc.StatusCode.PERMISSION_DENIED
    resolved = client.call("flagd.evaluation.v1.Service", "ResolveBoolean", flag_key="plain")
    assert resolved.variant == "off"
    grpc_edge.stop()
    grpc_edge.start("/readyz", grpc_port=0, grpc_without_token=True)
    opened = Flagd(grpc_edge, None)
    assert "plain" in opened.sync("FetchAllFlags").flag_configuration
    assert opened.call("flagd.evaluation.v1.Service", "ResolveBoolean", flag_key="plain").variant == "off"
    wrong = [("authorization", "Bearer wrong")]
    opened.metadata = wrong
    assert opened.status(lambda: opened.sync("FetchAllFlags")) is grpc.StatusCode.UNAUTHENTICATED


def test_revoking_a_token_ends_its_streams(grpc_edge: Any) -> None:
    flagd = Flagd(grpc_edge)
    stream = flagd.sync("SyncFlags")
    next(stream)
    grpc_edge.publish_access(())
    assert flagd.status(lambda: next(stream)) is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_flags_are_resolved_over_grpc_as_over_ofrep(grpc_edge: Any, version: str) -> None:
    service, flagd = f"flagd.evaluation.{version}.Service", Flagd(grpc_edge)

    def resolve(kind: str, key: str, **context: Any) -> Any:
        return flagd.call(service, f"Resolve{kind}", flag_key=key, context=context)

    over_ofrep = grpc_edge.ofrep("newWidgets", "u1").json()
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


def test_evaluations_over_grpc_are_exposures_and_a_change_is_told(grpc_edge: Any) -> None:
    """RULES C2."""
    service, flagd = "flagd.evaluation.v1.Service", Flagd(grpc_edge, "client")
    events = flagd.call(service, "EventStream", is_stream=True)
    ready = next(events)
    for unit in ("u1", "u2", "u1"):
        flagd.call(service, "ResolveBoolean", flag_key="newWidgets", context={"targetingKey": unit})
    grpc_edge.publish(2, {"newWidgets": grpc_edge.rollout})
    changed = next(events)
    grpc_edge.stop()

    assert (ready.type, changed.type) == ("provider_ready", "configuration_change")
    assert {"newWidgets", "plain"} <= plain(changed.data)["flags"].keys()
    assert [(e.unit, e.snapshot_version) for e in grpc_edge.entries(Exposure)] == [("u1", 1), ("u2", 1)]


def test_metrics_tell_how_far_a_change_has_got(grpc_edge: Any, wait_until: Any, follow: Any) -> None:
    """RULES H2."""
    sdk = follow(f"{grpc_edge.url}/v1/stream?evaluator=e1", grpc_edge.bearer("server"))
    silent = follow(f"{grpc_edge.url}/v1/stream?evaluator=e2", grpc_edge.bearer("server"))
    synced = Flagd(grpc_edge).sync("SyncFlags")
    next(synced)
    wait_until(lambda: sdk.ids == silent.ids == ["1"])
    grpc_edge.publish(2, {"plain": grpc_edge.boolean})
    wait_until(lambda: sdk.ids[-1] == silent.ids[-1] == "2")
    report = {
        "type": "evaluator", "evaluator": "e1", "name": "host:1", "kind": "sdk", "state": "confirmed",
        "reported_at": CLOCK.machine_now().isoformat(), "snapshot_version": 2,
    }  # fmt: skip
    assert grpc_edge.post("/v1/events", [report], "server").json() == {"accepted": 1, "rejected": []}
    text = grpc_edge.get("/metrics", "operator").text
    grpc_edge.stop()

    for proof in ("confirmed", "straggler", "unproven"):
        assert f'ebbgate_change_evaluators{{environment="production",proof="{proof}"}} 1.0' in text
    assert 'ebbgate_change_confirmed_seconds{environment="production",quantile="0.99"} 0.' in text
    assert 'ebbgate_snapshot_stale{environment="production"} 0.0' in text
