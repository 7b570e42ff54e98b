"""OTLP/HTTP intake: evaluations that OpenFeature's OpenTelemetry hooks report become exposures (RULES C2).

Hooks report them as log records (JavaScript) or as events of the span that is open (Python, and older hooks).
"""

import zlib
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal

import msgspec

from ebbgate.core.errors import BadRequestError, LimitError
from ebbgate.core.events.accept import IntakeLimits, Reception, accept_body
from ebbgate.core.events.types import Exposure, Record
from ebbgate.edge.exposures import exposure_id
from ebbgate.edge.guard import Guard
from ebbgate.edge.http import Answer, Receive, Scope, Send, TooLargeError, give, header, read_body
from ebbgate.edge.log_gate import LogGate
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.otlp_wire import OtlpEvent, Signal, read_events, write_answer
from ebbgate.edge.served import ServedSnapshots
from ebbgate.edge.settings import EdgeSettings

_EVENTS = ("feature_flag.evaluation", "feature_flag")  # by today's conventions, and by those before
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REASONS_SAID = 3

Ignored = Literal["other", "failed", "not_in_rollout"]
_Refusal = tuple[int, str]
"""(place of the log record or span in the request, why)."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation as a hook reports it. None: it was not said. at_ns: unix nanoseconds of the sender."""

    flag: str
    variant: str
    unit: str | None
    set_id: str | None
    version: int | None
    at_ns: int


class OtlpIntake:
    """POST /v1/logs and /v1/traces. What is no exposure is taken and forgotten: whoever exports sends all alike."""

    def __init__(
        self, settings: EdgeSettings, guard: Guard, snapshots: ServedSnapshots, gate: LogGate, metrics: EdgeMetrics
    ) -> None:
        self._bytes_max = settings.event_bytes_max
        self._known_max = settings.exposures_known_max
        self._guard = guard
        self._snapshots = snapshots
        self._gate = gate
        self._metrics = metrics
        self._known: dict[str, None] = {}  # ids on disk already, oldest first

    async def logs(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /v1/logs."""
        await self._take(scope, receive, send, "logs")

    async def traces(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST /v1/traces."""
        await self._take(scope, receive, send, "traces")

    async def _take(self, scope: Scope, receive: Receive, send: Send, signal: Signal) -> None:
        """Answer once what is an exposure is on disk (RULES C4)."""
        grant = self._guard.admit(scope, "send_events")
        environment = self._guard.environment(scope, grant)
        is_free = grant.token.environment is None
        is_protobuf = b"protobuf" in (header(scope, b"content-type") or b"")
        body = _unpacked(scope, await read_body(scope, receive, self._bytes_max), self._bytes_max)
        received_at, machine_at = self._snapshots.moment()
        batch: dict[str, dict[str, Any]] = {}
        places: dict[str, int] = {}
        refused: list[_Refusal] = []
        for record in read_events(signal, body, is_protobuf=is_protobuf):
            found = evaluation_of(record)
            if isinstance(found, str):
                self._metrics.otel_records.labels(found).inc()
                continue
            named = found.set_id if is_free and found.set_id in self._snapshots.versions() else None
            made = self._exposure(found, named or environment, received_at, machine_at)
            if made is None:
                self._metrics.otel_records.labels("not_in_rollout").inc()
            elif isinstance(made, str):
                refused.append((record.place, made))
            elif made["id"] in self._known or made["id"] in batch:
                self._metrics.otel_records.labels("known").inc()
            else:
                batch[made["id"]] = made
                places[made["id"]] = record.place
        if batch:
            refused += await self._write(batch, places, received_at, machine_at)
        self._metrics.otel_records.labels("refused").inc(len(refused))
        reasons = "; ".join(list(dict.fromkeys(reason for _, reason in refused))[:_REASONS_SAID])
        rejected = len({place for place, _ in refused})  # OTLP counts spans, however many events each has
        content_type, answer = write_answer(signal, rejected, reasons, is_protobuf=is_protobuf)
        await give(send, Answer(HTTPStatus.OK, answer, content_type=content_type))

    def _exposure(
        self, found: Evaluation, environment: str, received_at: datetime, machine_at: datetime
    ) -> dict[str, Any] | str | None:
        """The exposure as a batch's entry; why there can be none; None for an own flag that no rollout asks about."""
        try:
            at = _EPOCH + timedelta(microseconds=found.at_ns // 1_000) if found.at_ns else machine_at
            occurred_at = self._snapshots.plan_time(at)
        except OverflowError:
            return f"flag {found.flag!r}: the record's time is none"
        served = self._snapshots.get(environment)
        past = self._snapshots.past(environment, version=found.version, at=at)
        if found.flag in served.own and found.flag not in past.leased | served.leases:
            return None
        if not found.unit:
            return f"flag {found.flag!r}: the record lacks feature_flag.context.id, the unit"
        version = past.version if found.version is None else found.version
        return {
            "type": "exposure",
            "id": exposure_id(environment, version, found.flag, found.variant, found.unit),
            "unit": found.unit,
            "environment": environment,
            "flag_set": served.flag_set,
            "flag": found.flag,
            "variant": found.variant,
            "snapshot_version": version,
            "occurred_at": occurred_at,
            "sent_at": received_at,  # not said in OTLP
            "source": "otel",
        }

    async def _write(
        self, batch: dict[str, dict[str, Any]], places: dict[str, int], received_at: datetime, machine_at: datetime
    ) -> list[_Refusal]:
        """Write what the rules of intake let through; returns the others. Both by id, in the same order."""
        reception = Reception(limits=IntakeLimits())
        try:
            taken = accept_body(msgspec.json.encode([*batch.values()]), reception)
            if taken.accepted:
                record = Record(received_at=received_at, machine_at=machine_at, entries=[*taken.accepted])
                await self._gate.append(record)
        except LimitError as error:  # trying the same batch again will not help, as 429 would say
            raise TooLargeError(error.message, hint=error.hint) from error
        self._metrics.otel_records.labels("exposed").inc(len(taken.accepted))
        for entry in taken.accepted:
            assert isinstance(entry, Exposure)
            self._known[entry.id] = None
            if len(self._known) > self._known_max:
                del self._known[next(iter(self._known))]
        by_index = [*places.values()]
        return [(by_index[rejection.index], rejection.reason) for rejection in taken.rejected]


def evaluation_of(record: OtlpEvent) -> Evaluation | Ignored:
    """The evaluation that a record reports; else what it is: "other" is no report of a flag, "failed" has no variant.

    Attributes have today's names (`feature_flag.result.variant`) or those before (`feature_flag.variant`).
    """
    attributes = record.attributes
    name = record.event_name or attributes.get("event.name")
    flag = attributes.get("feature_flag.key")
    if not isinstance(flag, str) or (name and name not in _EVENTS):
        return "other"
    variant = attributes.get("feature_flag.result.variant", attributes.get("feature_flag.variant"))
    reason = attributes.get("feature_flag.result.reason", attributes.get("feature_flag.evaluation.reason"))
    has_failed = "error.type" in attributes or (isinstance(reason, str) and reason.lower() == "error")
    if has_failed or not isinstance(variant, str) or not variant:
        return "failed"
    unit, set_id = attributes.get("feature_flag.context.id"), attributes.get("feature_flag.set.id")
    return Evaluation(
        flag=flag,
        variant=variant,
        unit=unit if isinstance(unit, str) else None,
        set_id=set_id if isinstance(set_id, str) else None,
        version=_version(attributes.get("feature_flag.version")),
        at_ns=record.at_ns,
    )


def _version(value: object) -> int | None:
    """The snapshot's version: control writes it into the document's metadata, whence hooks take it."""
    text = str(value) if isinstance(value, str | int) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _unpacked(scope: Scope, body: bytes, limit: int) -> bytes:
    """The body without gzip. Raises BadRequestError, TooLargeError."""
    encoding = (header(scope, b"content-encoding") or b"identity").lower()
    if encoding == b"identity":
        return body
    if encoding != b"gzip":
        raise BadRequestError("the body's encoding is not known", hint="Send it plain, or with gzip.")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise BadRequestError(f"the body is not gzip: {error}", hint="Send it plain, or with gzip.") from error
    if len(plain) > limit:
        raise TooLargeError(f"the body is larger than {limit} bytes", hint="Send smaller requests.")
    return plain
