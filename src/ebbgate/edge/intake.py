"""Event intake: acknowledged means on disk (RULES C4)."""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec

from ebbgate.core.access import may
from ebbgate.core.errors import BadRequestError, LimitError
from ebbgate.core.events.accept import (
    Acceptance,
    IntakeLimits,
    Reception,
    Rejection,
    ReportRules,
    accept,
    accept_body,
    accept_entries,
)
from ebbgate.core.events.types import EvaluatorReport, Exposure, Record, WireEntry
from ebbgate.edge.guard import Guard
from ebbgate.edge.http import Answer, Receive, Scope, Send, TooLargeError, give, header, read_body
from ebbgate.edge.log_gate import LogGate
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.proof import ProofBook
from ebbgate.edge.served import ServedSnapshots
from ebbgate.edge.settings import EdgeSettings


class _Envelope(msgspec.Struct):
    entries: msgspec.Raw


class _Receipt(msgspec.Struct):
    accepted: int
    rejected: list[Rejection]


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_packed = msgspec.msgpack.Decoder(list[WireEntry]).decode
_encode = msgspec.json.Encoder().encode


class EventIntake:
    """POST /v1/events. The names seen are kept for each environment while the edge runs."""

    def __init__(
        self,
        settings: EdgeSettings,
        guard: Guard,
        snapshots: ServedSnapshots,
        gate: LogGate,
        proofs: ProofBook,
        metrics: EdgeMetrics,
    ) -> None:
        self._bytes_max = settings.event_bytes_max
        self._limits = IntakeLimits(names_max=settings.names_max)
        self._guard = guard
        self._snapshots = snapshots
        self._gate = gate
        self._proofs = proofs
        self._metrics = metrics
        self._names: dict[str, set[str]] = {}

    async def post(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take what is good of a batch, and answer once it is on disk."""
        grant = self._guard.admit(scope, "send_events")
        environment = self._guard.environment(scope, grant)
        body = await read_body(scope, receive, self._bytes_max)
        is_packed = b"msgpack" in (header(scope, b"content-type") or b"")
        received_at, machine_at = self._snapshots.moment()
        # An environment that there is not has no limit of its own: anybody with a page's token can make up others.
        counted_as = environment if environment in self._snapshots.versions() else ""
        names = self._names.get(counted_as, set())
        reports = ReportRules(
            may_report=may(grant.token.kind, "read_snapshot"),
            environment=grant.token.environment,
            newest=self._snapshots.versions(),
        )
        reception = Reception(names=names, limits=self._limits, reports=reports)
        try:
            taken = _accept_packed(body, reception) if is_packed else _accept_json(body, reception)
        except LimitError as error:  # trying the same batch again will not help, as 429 would say
            raise TooLargeError(error.message, hint=error.hint) from error
        if grant.token.environment is not None:
            taken = _within(grant.token.environment, taken)
        if taken.accepted:
            await self._append(taken, received_at, machine_at)
            self._note_proofs(taken)
        if taken.new_names:
            self._names.setdefault(counted_as, set()).update(taken.new_names)
        self._metrics.events_accepted.inc(len(taken.accepted))
        for rejection in taken.rejected:
            self._metrics.events_rejected.labels(rejection.code).inc()
        receipt = _Receipt(accepted=len(taken.accepted), rejected=taken.rejected)
        await give(send, Answer(HTTPStatus.OK, _encode(receipt)))

    def _note_proofs(self, taken: Acceptance) -> None:
        """What evaluators say of the version that they serve, once it is on disk (RULES H2)."""
        for entry in taken.accepted:
            if type(entry) is not EvaluatorReport or entry.kind != "sdk":
                continue
            if entry.state == "closed":
                self._proofs.end(entry.evaluator)
            elif entry.snapshot_version is not None:
                self._proofs.confirm(entry.evaluator, entry.snapshot_version)

    async def _append(self, taken: Acceptance, received_at: datetime, machine_at: datetime) -> None:
        try:
            await self._gate.append(Record(received_at=received_at, machine_at=machine_at, entries=[*taken.accepted]))
        except LimitError as error:
            raise TooLargeError(error.message, hint=error.hint) from error


def _accept_json(body: bytes, reception: Reception) -> Acceptance:
    """A list of entries, or an object that holds one. Raises BadRequestError, LimitError."""
    if body.lstrip()[:1] == b"{":
        try:
            body = bytes(_decode_envelope(body).entries)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequestError(
                f"the batch cannot be read: {error}", hint='Send a JSON list of entries, or {"entries": [...]}.'
            ) from error
    return accept_body(body, reception)


def _accept_packed(body: bytes, reception: Reception) -> Acceptance:
    """The same in MessagePack. What does not decode in one go is taken apart as JSON, entry by entry."""
    try:
        entries = _decode_packed(body)
        if b"\0" not in body or b"\\u0000" not in _encode(entries):  # text with NUL is refused, entry by entry
            return accept_entries(entries, reception)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        batch = msgspec.msgpack.decode(body)
        batch = batch.get("entries") if isinstance(batch, dict) else batch
        if not isinstance(batch, list):
            raise _not_a_list("it holds something else")
        raw = [msgspec.Raw(json.dumps(entry, default=_plain).encode()) for entry in batch]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, ValueError) as error:
        raise _not_a_list(str(error)) from error
    return accept(raw, reception)


def _not_a_list(reason: str) -> BadRequestError:
    return BadRequestError(f"the batch cannot be read: {reason}", hint="Send a MessagePack list of entries.")


def _plain(value: Any) -> Any:
    """MessagePack's own times as text; what else JSON does not know is no part of an entry."""
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def _within(environment: str, taken: Acceptance) -> Acceptance:
    """Refuse exposures of other environments than the token's."""
    if all(entry.environment == environment for entry in taken.accepted if isinstance(entry, Exposure)):
        return taken
    refused = {rejection.index for rejection in taken.rejected}
    places = (index for index in range(len(taken.accepted) + len(refused)) if index not in refused)
    kept: list[WireEntry] = []
    rejected = list(taken.rejected)
    for index, entry in zip(places, taken.accepted, strict=True):
        if isinstance(entry, Exposure) and entry.environment != environment:
            reason = f"the token is for environment `{environment}`, not `{entry.environment}`"
            rejected.append(Rejection(index=index, code="wrong_environment", reason=reason))
        else:
            kept.append(entry)
    rejected.sort(key=lambda rejection: rejection.index)
    return msgspec.structs.replace(taken, accepted=kept, rejected=rejected)
