"""OTLP/HTTP log requests and answers, in both encodings. Only what a flag's evaluation needs is kept of a record.

Source: opentelemetry-proto, `collector/logs/v1` and `logs/v1`; its JSON form has numbers of 64 bits as text.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from ebbgate.core.errors import BadRequestError
from ebbgate.edge.http import JSON

PROTOBUF = b"application/x-protobuf"
_MARK = "feature_flag."


class LogRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One log record. attributes: those of flags, and the event's name. at_ns: unix nanoseconds, 0 = not said."""

    event_name: str
    attributes: dict[str, Any]
    at_ns: int


class _KeyValue(msgspec.Struct):
    key: str = ""
    value: dict[str, Any] | None = None


class _JsonRecord(msgspec.Struct, rename="camel"):
    time_unix_nano: int | str = 0
    observed_time_unix_nano: int | str = 0
    event_name: str = ""
    attributes: list[_KeyValue] = []


class _Scope(msgspec.Struct, rename="camel"):
    log_records: list[_JsonRecord] = []


class _Resource(msgspec.Struct, rename="camel"):
    scope_logs: list[_Scope] = []


class _Request(msgspec.Struct, rename="camel"):
    resource_logs: list[_Resource] = []


_decode_json = msgspec.json.Decoder(_Request).decode


def read_logs(body: bytes, *, is_protobuf: bool) -> list[LogRecord]:
    """The records of a request. Raises BadRequestError when it is none."""
    try:
        return list(_from_protobuf(body) if is_protobuf else _from_json(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadRequestError(
            f"the logs cannot be read: {error}",
            hint="Send an ExportLogsServiceRequest as application/json or application/x-protobuf.",
        ) from error


def write_answer(rejected: int, message: str, *, is_protobuf: bool) -> tuple[bytes, bytes]:
    """(content type, body) of an ExportLogsServiceResponse. message: why, "" if nothing was rejected."""
    if not is_protobuf:
        partial = {"partialSuccess": {"rejectedLogRecords": str(rejected), "errorMessage": message}}
        return JSON, msgspec.json.encode(partial if rejected else {})
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    answer = ExportLogsServiceResponse()
    if rejected:
        answer.partial_success.rejected_log_records = rejected
        answer.partial_success.error_message = message
    return PROTOBUF, answer.SerializeToString()


def _from_json(body: bytes) -> Iterable[LogRecord]:
    for resource in _decode_json(body).resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield LogRecord(
                    event_name=record.event_name,
                    attributes={
                        pair.key: next(iter(pair.value.values()))
                        for pair in record.attributes
                        if _is_needed(pair.key) and pair.value
                    },
                    at_ns=int(record.time_unix_nano) or int(record.observed_time_unix_nano),
                )


def _from_protobuf(body: bytes) -> Iterable[LogRecord]:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError as error:
        raise ValueError(str(error)) from error
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield LogRecord(
                    event_name=record.event_name,
                    attributes={
                        pair.key: getattr(pair.value, field)
                        for pair in record.attributes
                        if _is_needed(pair.key) and (field := pair.value.WhichOneof("value")) is not None
                    },
                    at_ns=record.time_unix_nano or record.observed_time_unix_nano,
                )


def _is_needed(key: str) -> bool:
    return key.startswith(_MARK) or key in ("event.name", "error.type")
