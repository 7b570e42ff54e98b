"""What clients of other makers see of an edge: event streams, browsers, OpenTelemetry, flagd over HTTP."""

import signal
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.events.types import Exposure
from ebbgate.core.flags import render_kill

CLOCK = SystemClock()


@pytest.fixture
def shop(make_edge: Any) -> Any:
    """Ready, with a flag under rollout and a plain one, in a document that has a name."""
    process = make_edge()
    process.metadata = {"flagSetId": "production"}
    process.publish_access()
    process.publish(1, {"newWidgets": process.rollout, "plain": process.boolean})
    process.start("/readyz")
    return process


def test_a_page_hears_of_a_kill_without_polling_and_survives_a_restart(shop: Any, wait_until: Any, follow: Any) -> None:
    first = shop.bulk("u1", origin="https://shop.example")
    [offer] = first.json()["eventStreams"]
    page = follow(shop.url + offer["endpoint"]["requestUri"])
    wait_until(lambda: page.ids == ["1"])

    shop.publish(2, {"newWidgets": render_kill(shop.rollout, "off"), "plain": shop.boolean})
    wait_until(lambda: page.ids == ["1", "2"])
    killed = shop.bulk("u1", origin="https://shop.example", **{"if-none-match": first.headers["etag"]})
    port = shop.port
    status = shop.stop()
    shop.start("/readyz", port=port)
    shop.publish(3, {"newWidgets": shop.rollout, "plain": shop.boolean})
    wait_until(lambda: page.ids == ["1", "2", "3"])  # not told of 2 again: the version is the id
    shop.stop()

    assert status == 0
    assert page.refused is None
    assert {data["type"] for data in page.data} == {"refetchEvaluation"}
    assert first.headers["access-control-allow-origin"] == "https://shop.example"
    assert killed.status_code == 200
    assert {flag["key"]: flag["value"] for flag in killed.json()["flags"]}["newWidgets"] is False
    ticket = offer["endpoint"]["requestUri"].partition("=")[2]
    assert ticket.encode() not in shop.stderr
    assert not any(token.encode() in shop.stderr for token in shop.tokens.values())


def test_evaluations_told_over_otlp_are_in_the_log_in_both_encodings(shop: Any) -> None:
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

    packed = shop.post("/v1/logs", request.SerializeToString(), **{"content-type": "application/x-protobuf"})
    text = shop.post("/v1/logs", plain, **{"content-type": "application/json"})
    shop.stop(signal.SIGKILL)

    partial = ExportLogsServiceResponse.FromString(packed.content).partial_success
    assert partial.rejected_log_records == 1
    assert (text.status_code, text.json()) == (200, {})
    exposures = [(e.unit, e.flag, e.variant, e.snapshot_version, e.source) for e in shop.entries(Exposure)]
    assert exposures == [("u1", "newWidgets", "on", 1, "otel"), ("u2", "newWidgets", "on", 1, "otel")]


def test_flagd_fetches_the_document_over_http_with_a_tag(shop: Any, wait_until: Any) -> None:
    first = httpx.get(shop.url + "/flagd/v1/flags", headers=shop.bearer("server"))
    tagged = shop.bearer("server") | {"if-none-match": first.headers["etag"]}
    same = httpx.get(shop.url + "/flagd/v1/flags", headers=tagged)
    shop.publish(2, {"plain": shop.boolean})
    wait_until(lambda: httpx.get(shop.url + "/flagd/v1/flags", headers=tagged).status_code == 200)
    refused = httpx.get(shop.url + "/flagd/v1/flags", headers=shop.bearer("client"))

    assert first.json()["flags"].keys() == {"newWidgets", "plain"}
    assert first.json()["metadata"]["version"] == "1"
    assert (same.status_code, refused.status_code) == (304, 403)


def evaluated(unit: str) -> dict[str, str]:
    """What OpenFeature's hook says of an evaluation."""
    said = {"key": "newWidgets", "result.variant": "on", "set.id": "production", "version": "1"}
    named = said | {"context.id": unit} if unit else said
    return {f"feature_flag.{name}": value for name, value in named.items()}


def _now_ns() -> int:
    return int(CLOCK.machine_now().timestamp() * 1e9)
