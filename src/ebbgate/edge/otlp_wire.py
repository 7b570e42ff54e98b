"""OTLP/HTTP requests and answers for logs and traces, in both encodings. Only what tells of flags is kept of them.

Sources: opentelemetry-proto, `collector/{logs,trace}/v1`, `logs/v1`, `trace/v1`; the JSON form has numbers of 64 bits
as text.
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from ebbgate.core.errors import BadRequestError
from ebbgate.edge.http import JSON

PROTOBUF = b"application/x-protobuf"
_MARK = "feature_flag."

Signal = Literal["logs", "traces"]


class OtlpEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One log record, or one event of a span.

    attributes: those of flags, and the event's name. at_ns: unix nanoseconds, 0 = not said.
    place: of the record, or of the event's span, in the request; what the answer counts.
    """

    event_name: str
    attributes: dict[str, Any]
    at_ns: int
    place: int


class _KeyValue(msgspec.Struct):
    key: str = ""
    value: dict[str, Any] | None = None


class _JsonRecord(msgspec.Struct, rename="camel"):
    time_unix_nano: int | str = 0
    observed_time_unix_nano: int | str = 0
    event_name: str = ""
    attributes: list[_KeyValue] = []


class _JsonSpanEvent(msgspec.Struct, rename="camel"):
    time_unix_nano: int | str = 0
    name: str = ""
    attributes: list[_KeyValue] = []


class _JsonSpan(msgspec.Struct):
    events: list[_JsonSpanEvent] = []


class _LogScope(msgspec.Struct, rename="camel"):
    log_records: list[_JsonRecord] = []


class _SpanScope(msgspec.Struct):
    spans: list[_JsonSpan] = []


class _LogResource(msgspec.Struct, rename="camel"):
    scope_logs: list[_LogScope] = []


class _SpanResource(msgspec.Struct, rename="camel"):
    scope_spans: list[_SpanScope] = []


class _Logs(msgspec.Struct, rename="camel"):
    resource_logs: list[_LogResource] = []


class _Traces(msgspec.Struct, rename="camel"):
    resource_spans: list[_SpanResource] = []


_decode_logs = msgspec.json.Decoder(_Logs).decode
_decode_traces = msgspec.json.Decoder(_Traces).decode


def read_events(signal: Signal, body: bytes, *, is_protobuf: bool) -> list[OtlpEvent]:
    """The log records, or the events of all spans. Raises BadRequestError when it is no such request."""
    readers = {
        ("logs", False): _logs_of_json,
        ("logs", True): _logs_of_protobuf,
        ("traces", False): _traces_of_json,
        ("traces", True): _traces_of_protobuf,
    }
    try:
        return list(readers[signal, is_protobuf](body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        wanted = "ExportLogsServiceRequest" if signal == "logs" else "ExportTraceServiceRequest"
        raise BadRequestError(
            f"the {signal} cannot be read: {error}",
            hint=f"Send an {wanted} as application/json or application/x-protobuf.",
        ) from error


def write_answer(signal: Signal, rejected: int, message: str, *, is_protobuf: bool) -> tuple[bytes, bytes]:
    """(content type, body) of the answer. rejected: log records or spans. message: why, "" if nothing was rejected."""
    if not is_protobuf:
        name = "rejectedLogRecords" if signal == "logs" else "rejectedSpans"
        return JSON, msgspec.json.encode(
            {"partialSuccess": {name: str(rejected), "errorMessage": message}} if rejected else {}
        )
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    logs, traces = ExportLogsServiceResponse(), ExportTraceServiceResponse()
    answer = logs if signal == "logs" else traces
    if rejected:
        answer.partial_success.error_message = message
        if signal == "logs":
            logs.partial_success.rejected_log_records = rejected
        else:
            traces.partial_success.rejected_spans = rejected
    return PROTOBUF, answer.SerializeToString()


def _logs_of_json(body: bytes) -> Iterable[OtlpEvent]:
    for place, record in enumerate(_records(_decode_logs(body))):
        at_ns = int(record.time_unix_nano) or int(record.observed_time_unix_nano)
        attributes = _of_json(record.attributes)
        yield OtlpEvent(event_name=record.event_name, attributes=attributes, at_ns=at_ns, place=place)


def _traces_of_json(body: bytes) -> Iterable[OtlpEvent]:
    for place, span in enumerate(_spans(_decode_traces(body))):
        for event in span.events:
            attributes, at_ns = _of_json(event.attributes), int(event.time_unix_nano)
            yield OtlpEvent(event_name=event.name, attributes=attributes, at_ns=at_ns, place=place)


def _logs_of_protobuf(body: bytes) -> Iterable[OtlpEvent]:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    for place, record in enumerate(_records(_message_of(ExportLogsServiceRequest, body))):
        at_ns = record.time_unix_nano or record.observed_time_unix_nano
        attributes = _of_protobuf(record.attributes)
        yield OtlpEvent(event_name=record.event_name, attributes=attributes, at_ns=at_ns, place=place)


def _traces_of_protobuf(body: bytes) -> Iterable[OtlpEvent]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    for place, span in enumerate(_spans(_message_of(ExportTraceServiceRequest, body))):
        for event in span.events:
            attributes = _of_protobuf(event.attributes)
            yield OtlpEvent(event_name=event.name, attributes=attributes, at_ns=event.time_unix_nano, place=place)


def _records(logs: Any) -> Iterable[Any]:
    """Every log record of a request, in either encoding: the names are the same."""
    return (record for resource in logs.resource_logs for scope in resource.scope_logs for record in scope.log_records)


def _spans(traces: Any) -> Iterable[Any]:
    return (span for resource in traces.resource_spans for scope in resource.scope_spans for span in scope.spans)


def _message_of(kind: Any, body: bytes) -> Any:
    """The decoded message, without types: the packages of protobuf have none for what is inside."""
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise ValueError(str(error)) from error


def _of_json(pairs: list[_KeyValue]) -> dict[str, Any]:
    return {pair.key: next(iter(pair.value.values())) for pair in pairs if _is_needed(pair.key) and pair.value}


def _of_protobuf(pairs: Any) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, field)
        for pair in pairs
        if _is_needed(pair.key) and (field := pair.value.WhichOneof("value")) is not None
    }


def _is_needed(key: str) -> bool:
    return key.startswith(_MARK) or key in ("event.name", "error.type")
