"""OTLP logs: which records become exposures, with what in them, and what the answer says (RULES C1, C2)."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from ebbgate.core.events.types import Exposure

TODAY = {
    "feature_flag.key": "newWidgets",
    "feature_flag.result.variant": "on",
    "feature_flag.context.id": "u1",
    "feature_flag.provider.name": "ebbgate",
    "feature_flag.result.reason": "targeting_match",
    "feature_flag.set.id": "production",
    "feature_flag.version": "1",
}
NOON_NS = 1_767_268_800_000_000_000


def a_record(attributes: dict[str, Any], *, name: str = "feature_flag.evaluation", at_ns: int = NOON_NS) -> Any:
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    return {"timeUnixNano": str(at_ns), "eventName": name, "body": {"stringValue": "x"}, "attributes": pairs}


def as_json(*records: Any) -> bytes:
    return json.dumps(
        {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": records}]}]}
    ).encode()


def as_protobuf(attributes: dict[str, Any]) -> bytes:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.event_name, record.time_unix_nano = "feature_flag.evaluation", NOON_NS
    for key, value in attributes.items():
        pair = record.attributes.add(key=key)
        if isinstance(value, int):
            pair.value.int_value = value
        else:
            pair.value.string_value = value
    return request.SerializeToString()


async def send(edge: Any, body: bytes, **more: Any) -> Any:
    return await edge.call("POST", "/v1/logs", body, **{"content_type": "application/json", **more})


def exposures(edge: Any) -> list[Exposure]:
    return [entry for entry in edge.entries if isinstance(entry, Exposure)]


async def test_an_evaluation_becomes_an_exposure_with_every_field(edge: Any) -> None:
    edge.clock.seconds = 10.0
    answer = await send(edge, as_json(a_record(TODAY, at_ns=NOON_NS + 7_000_000_000)))
    [exposure] = exposures(edge)
    assert (answer.status, answer.json()) == (200, {})
    assert (exposure.unit, exposure.flag, exposure.variant) == ("u1", "newWidgets", "on")
    assert (exposure.environment, exposure.flag_set, exposure.snapshot_version) == ("production", "shop", 1)
    assert exposure.source == "otel"
    assert exposure.sent_at - exposure.occurred_at == timedelta(seconds=3)
    assert [record.received_at for record in edge.writer.records if exposure in record.entries] == [exposure.sent_at]


async def test_protobuf_says_the_same_as_json(edge: Any) -> None:
    answer = await send(edge, as_protobuf({**TODAY, "feature_flag.version": 1}), content_type="application/x-protobuf")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert not ExportLogsServiceResponse.FromString(answer.body).HasField("partial_success")
    await send(edge, as_json(a_record(TODAY)))
    assert [exposure.unit for exposure in exposures(edge)] == ["u1"]  # the second time it is known


async def test_the_names_before_todays_are_understood(edge: Any) -> None:
    before = {
        "event.name": "feature_flag", "feature_flag.key": "newWidgets", "feature_flag.variant": "off",
        "feature_flag.provider_name": "x", "feature_flag.evaluation.reason": "split", "feature_flag.context.id": "u2",
    }  # fmt: skip
    await send(edge, as_json(a_record(before, name="")))
    [exposure] = exposures(edge)
    assert (exposure.unit, exposure.variant, exposure.snapshot_version) == ("u2", "off", 1)


async def test_without_a_version_the_one_that_was_in_force_then_is_taken(edge: Any) -> None:
    edge.clock.seconds = 60.0
    edge.serve(2)
    edge.clock.seconds = 120.0
    silent = {key: value for key, value in TODAY.items() if key != "feature_flag.version"}
    old = a_record(silent, at_ns=NOON_NS + 30_000_000_000)
    new = a_record({**silent, "feature_flag.context.id": "u2"}, at_ns=NOON_NS + 90_000_000_000)
    await send(edge, as_json(old, new))
    assert {exposure.unit: exposure.snapshot_version for exposure in exposures(edge)} == {"u1": 1, "u2": 2}


async def test_what_was_under_rollout_when_it_was_evaluated_counts_after_the_end(edge: Any) -> None:
    edge.clock.seconds = 60.0
    edge.serve(2, other={"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a"})
    await send(edge, as_json(a_record(TODAY)))
    assert [exposure.snapshot_version for exposure in exposures(edge)] == [1]


async def test_all_else_that_an_exporter_sends_is_taken_and_forgotten(edge: Any) -> None:
    records = [
        a_record({}, name=""),
        a_record(TODAY, name="user.login"),
        a_record({**TODAY, "error.type": "type_mismatch"}),
        a_record({**TODAY, "feature_flag.result.reason": "error"}),
        a_record({key: value for key, value in TODAY.items() if not key.endswith("variant")}),
        a_record({**TODAY, "feature_flag.key": "plain"}),  # ours, and under no rollout
    ]
    answer = await send(edge, as_json(*records))
    metrics = (await edge.call("GET", "/metrics", kind="operator")).body.decode()
    assert (answer.json(), exposures(edge)) == ({}, [])
    for outcome, n in (("other", 2), ("failed", 3), ("not_in_rollout", 1)):
        assert f'ebbgate_otel_records_total{{outcome="{outcome}"}} {n}.0' in metrics


async def test_flags_of_other_systems_are_observed(edge: Any) -> None:
    await send(edge, as_json(a_record({**TODAY, "feature_flag.key": "theirs", "feature_flag.set.id": "ld"})))
    assert [exposure.flag for exposure in exposures(edge)] == ["theirs"]


async def test_records_that_cannot_be_exposures_are_refused_by_name_and_the_others_kept(edge: Any) -> None:
    no_unit = a_record({key: value for key, value in TODAY.items() if not key.endswith("context.id")})
    long = a_record({**TODAY, "feature_flag.context.id": "u" * 257})
    ahead = a_record({**TODAY, "feature_flag.context.id": "u3"}, at_ns=NOON_NS + 600_000_000_000)
    never = a_record({**TODAY, "feature_flag.context.id": "u4"}, at_ns=2**64 - 1)
    answer = await send(edge, as_json(no_unit, long, ahead, never, a_record(TODAY)))
    partial = answer.json()["partialSuccess"]
    assert (answer.status, partial["rejectedLogRecords"]) == (200, "4")
    assert "feature_flag.context.id" in partial["errorMessage"]
    assert [exposure.unit for exposure in exposures(edge)] == ["u1"]
    protobuf = as_protobuf({key: value for key, value in TODAY.items() if not key.endswith("context.id")})
    told = ExportLogsServiceResponse.FromString(
        (await send(edge, protobuf, content_type="application/x-protobuf")).body
    )
    assert told.partial_success.rejected_log_records == 1


async def test_the_set_names_the_environment_where_the_token_leaves_it_open(edge: Any) -> None:
    edge.serve(5, environment="staging")
    await send(edge, as_json(a_record({**TODAY, "feature_flag.set.id": "staging", "feature_flag.version": "5"})))
    [exposure] = exposures(edge)
    assert (exposure.environment, exposure.snapshot_version) == ("staging", 5)


async def test_over_ofrep_and_opentelemetry_the_same_fact_has_one_id(edge: Any) -> None:
    """RULES C4: a Node service with both counts once."""
    variant = (await edge.ofrep("newWidgets", {"targetingKey": "u1"})).json()["variant"]
    await edge.flush()
    await send(edge, as_json(a_record({**TODAY, "feature_flag.result.variant": variant})))
    first, second = exposures(edge)
    assert first.id == second.id


async def test_gzip_is_unpacked_within_the_limit(make_edge: Any) -> None:
    edge = make_edge(event_bytes_max=2_000)
    edge.grant()
    edge.serve()
    body = as_json(a_record(TODAY))
    good = await send(edge, gzip.compress(body), content_encoding="gzip")
    bomb = await send(edge, gzip.compress(b"[" * 1_000_000), content_encoding="gzip")
    bad = await send(edge, body, content_encoding="gzip")
    strange = await send(edge, body, content_encoding="br")
    assert [answer.status for answer in (good, bomb, bad, strange)] == [200, 413, 400, 400]
    assert len(exposures(edge)) == 1


@pytest.mark.parametrize("content_type", ["application/json", "application/x-protobuf"])
@pytest.mark.parametrize("body", [b"nonsense", b"\xff\xff", b"[1]", b'{"resourceLogs": 7}', b"[" * 50_000])
async def test_what_is_no_request_is_400(edge: Any, body: bytes, content_type: str) -> None:
    assert (await send(edge, body, content_type=content_type)).status == 400


async def test_nothing_is_acknowledged_that_is_not_on_disk(edge: Any) -> None:
    edge.writer.is_failing = True
    failed = await send(edge, as_json(a_record(TODAY)))
    edge.writer.is_failing = False
    again = await send(edge, as_json(a_record(TODAY)))
    assert (failed.status, again.status) == (503, 200)
    assert len(exposures(edge)) == 1


async def test_a_token_that_may_not_send_events_is_refused(edge: Any) -> None:
    assert (await send(edge, as_json(a_record(TODAY)), kind="operator")).status == 403


def spans_as_json(*events: Any) -> bytes:
    told = [{"timeUnixNano": event["timeUnixNano"], "name": event["eventName"], "attributes": event["attributes"]}
            for event in events]  # fmt: skip
    spans = [{"name": "no flags"}, {"name": "GET /", "events": told}]
    return json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": spans}]}]}).encode()


def spans_as_protobuf(attributes: dict[str, str], name: str) -> bytes:
    request = ExportTraceServiceRequest()
    event = request.resource_spans.add().scope_spans.add().spans.add().events.add(name=name, time_unix_nano=NOON_NS)
    for key, value in attributes.items():
        event.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


async def send_spans(edge: Any, body: bytes, **more: Any) -> Any:
    return await edge.call("POST", "/v1/traces", body, **{"content_type": "application/json", **more})


async def test_an_event_of_a_span_is_an_exposure_in_both_encodings_and_under_both_names(edge: Any) -> None:
    before = {"feature_flag.key": "newWidgets", "feature_flag.variant": "off", "feature_flag.context.id": "u2"}
    json_answer = await send_spans(edge, spans_as_json(a_record(TODAY), a_record({}, name="exception")))
    answer = await send_spans(edge, spans_as_protobuf(before, "feature_flag"), content_type="application/x-protobuf")
    assert (json_answer.status, json_answer.json()) == (200, {})
    assert not ExportTraceServiceResponse.FromString(answer.body).HasField("partial_success")
    told = [(exposure.unit, exposure.variant, exposure.source) for exposure in exposures(edge)]
    assert told == [("u1", "on", "otel"), ("u2", "off", "otel")]


async def test_a_log_record_and_a_span_event_of_the_same_fact_count_once(edge: Any) -> None:
    await send(edge, as_json(a_record(TODAY)))
    await send_spans(edge, spans_as_json(a_record(TODAY)))
    assert len(exposures(edge)) == 1


async def test_refused_events_of_spans_are_told_as_spans(edge: Any) -> None:
    no_unit = {key: value for key, value in TODAY.items() if not key.endswith("context.id")}
    answer = await send_spans(edge, spans_as_json(a_record(no_unit)))
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "1"
    body = spans_as_protobuf(no_unit, "feature_flag.evaluation")
    told = ExportTraceServiceResponse.FromString(
        (await send_spans(edge, body, content_type="application/x-protobuf")).body
    )
    assert (told.partial_success.rejected_spans, "context.id" in told.partial_success.error_message) == (1, True)
    assert (await send_spans(edge, b"nonsense")).status == 400


@pytest.mark.parametrize("at_ns", [NOON_NS, NOON_NS + 3_600 * 10**9])
async def test_a_span_is_refused_once_whatever_the_number_of_its_events(edge: Any, at_ns: int) -> None:
    """OTLP's field counts spans. Refused before intake's rules, and by them: too far ahead."""
    mine = TODAY if at_ns > NOON_NS else {key: value for key, value in TODAY.items() if not key.endswith("context.id")}
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number, events in enumerate((3, 0, 2)):
        span = scope.spans.add()
        for place in range(events):
            event = span.events.add(name="feature_flag.evaluation", time_unix_nano=at_ns)
            for key, value in mine.items():
                is_unit = key.endswith("context.id")
                event.attributes.add(key=key).value.string_value = f"u{number}{place}" if is_unit else value
    answer = await send_spans(edge, request.SerializeToString(), content_type="application/x-protobuf")
    assert ExportTraceServiceResponse.FromString(answer.body).partial_success.rejected_spans == 2
    counted = (await edge.call("GET", "/metrics", kind="operator")).body.decode()
    assert 'ebbgate_otel_records_total{outcome="refused"} 5.0' in counted
