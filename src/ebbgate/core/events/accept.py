"""Which entries of a batch are taken, and why the others are not (RULES C3, C4). Pure: all it knows are arguments.

A good batch is decoded in one go. Only when that fails is it taken apart, so that each bad entry is refused by itself.
Lengths and counts are checked by the decoder (`types`); here are the rules about time and about the number of names.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from math import isfinite

import msgspec

from ebbgate.core.errors import BadRequestError, LimitError
from ebbgate.core.events.types import EvaluatorReport, Exposure, TrackedEvent, WireEntry

DEDUP_HORIZON = timedelta(days=7)  # plan time; RULES C4
FUTURE_TOLERANCE = timedelta(minutes=5)  # plan time; RULES C3

_decode_batch = msgspec.json.Decoder(list[WireEntry]).decode
_decode_entry: Callable[[bytes], WireEntry] = msgspec.json.Decoder(WireEntry).decode
_split_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_stamp = msgspec.structs.force_setattr  # on entries that nobody else has seen yet
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_BACKSLASH = b"\\"
_NUL = b"\\u0000"  # not every store can hold text with it


class IntakeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """entries_max: in one batch. names_max: distinct event names that one server takes."""

    entries_max: int = 10_000
    names_max: int = 2_000


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that was not taken. index: its place in the batch. reason: a sentence.

    code: malformed, missing_field, too_long, too_old, in_the_future, too_many_names, not_permitted, unknown_version or
    wrong_environment; stable.
    """

    index: int
    code: str
    reason: str


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch. accepted: without `received_at`, which the record in the log has for all of them (a
    tenth of the work, were it written for each). new_names: event names not seen before.
    """

    accepted: list[WireEntry]
    rejected: list[Rejection]
    new_names: frozenset[str]


class ReportRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the sender may report as an evaluator: reports are the proof of propagation (RULES H2), so that nobody may
    write them for others. may_report: whether at all. environment: the only one that the sender is good for, None for
    all. newest: the newest version served, by environment; None where nothing is known of it.
    """

    may_report: bool = True
    environment: str | None = None
    newest: Mapping[str, int] | None = None


class Reception(msgspec.Struct, frozen=True, kw_only=True):
    """What the server knows when a batch arrives.

    names: event names taken so far.
    horizon: plan time; older events could not be told from repeated ones (RULES C4). reports: what is taken
    of evaluators' reports.
    """

    names: AbstractSet[str] = frozenset()
    limits: IntakeLimits = IntakeLimits()
    horizon: timedelta = DEDUP_HORIZON
    reports: ReportRules = ReportRules()


def accept_body(body: bytes, reception: Reception) -> Acceptance:
    """Take a batch as it came over HTTP. Raises BadRequestError if it is no JSON list, LimitError if it is too long."""
    # Without a backslash there is no escape: looking for one byte costs a sixtieth of looking for six (measured).
    if _BACKSLASH not in body or _NUL not in body:
        try:
            return accept_entries(_decode_batch(body), reception)
        except (msgspec.DecodeError, RecursionError):
            pass  # taken apart below
    return accept(_split(body), reception)


def accept(raw_entries: Sequence[msgspec.Raw], reception: Reception) -> Acceptance:
    """Take entries one by one; a malformed one is refused with its index, and the others are kept."""
    _check_length(len(raw_entries), reception.limits)
    entries: list[WireEntry] = []
    indexes: list[int] = []
    rejected: list[Rejection] = []
    for index, raw in enumerate(raw_entries):
        entry = _decode(bytes(raw))
        if isinstance(entry, str):
            rejected.append(Rejection(index=index, code=_code(entry), reason=entry))
        else:
            entries.append(entry)
            indexes.append(index)
    result = accept_entries(entries, reception)
    rejected += [msgspec.structs.replace(refused, index=indexes[refused.index]) for refused in result.rejected]
    return msgspec.structs.replace(result, rejected=sorted(rejected, key=lambda refused: refused.index))


def accept_entries(entries: list[WireEntry], reception: Reception) -> Acceptance:
    """Take decoded entries that nobody else holds: they are put right in place.

    Entries that were built rather than decoded must keep the limits that `types` states; the constructor checks none.
    """
    _check_length(len(entries), reception.limits)
    horizon = reception.horizon
    refused: list[Rejection] = []
    names = _Names(reception)
    known, sent_at = names.known, None
    for index, entry in enumerate(entries):
        if entry.received_at is not None:
            _stamp(entry, "received_at", None)  # the client's idea of it
        if type(entry) is EvaluatorReport:
            if (refusal := _report_refusal(index, entry, reception.reports)) is not None:
                refused.append(refusal)
                continue
            _stamp(entry, "environment", entry.environment or reception.reports.environment)
            continue
        # RULES C3: corrected, the age at receipt is the age at sending, both by the sender's clock. A batch nearly
        # always has one `sent_at`, so its bounds are kept.
        if entry.sent_at != sent_at:
            sent_at = entry.sent_at
            earliest, latest = _bounds(sent_at, horizon)
        if not earliest <= entry.occurred_at <= latest:
            refused.append(_misplaced(index, entry, horizon))
            continue
        if type(entry) is TrackedEvent:
            if entry.name not in known and not names.admit(entry.name):
                refused.append(names.refusal(index, entry.name))
                continue
            if entry.value is not None and not isfinite(entry.value):
                _stamp(entry, "value", None)  # RULES D5: the value is dropped, the event is counted
                _stamp(entry, "invalid", True)
    out = {rejection.index for rejection in refused}
    accepted = [entry for index, entry in enumerate(entries) if index not in out] if out else entries
    return Acceptance(accepted=accepted, rejected=refused, new_names=frozenset(names.new))


def corrected_at(entry: Exposure | TrackedEvent, received_at: datetime) -> datetime:
    """When it happened by the server's plan clock (RULES C3), at most `received_at`, the record's."""
    return min(entry.occurred_at + (received_at - entry.sent_at), received_at)


class _Names:
    """Event names that are known, and those that this batch adds."""

    def __init__(self, reception: Reception) -> None:
        self.known = reception.names
        self.new: set[str] = set()
        self._max = reception.limits.names_max

    def admit(self, name: str) -> bool:
        if name in self.new:
            return True
        if len(self.known) + len(self.new) >= self._max:
            return False
        self.new.add(name)
        return True

    def refusal(self, index: int, name: str) -> Rejection:
        reason = f"{self._max} event names are known, and `{name}` would be one more"
        return Rejection(index=index, code="too_many_names", reason=reason)


def _check_length(entries: int, limits: IntakeLimits) -> None:
    if entries > limits.entries_max:
        raise LimitError(
            f"{entries} entries in one batch, {limits.entries_max} are allowed", hint="Send smaller batches."
        )


def _bounds(sent_at: datetime, horizon: timedelta) -> tuple[datetime, datetime]:
    """The earliest and the latest `occurred_at` that are taken; with an implausible `sent_at`, none."""
    if not _is_plausible(sent_at):
        return _LATEST, _EARLIEST
    return sent_at - horizon, sent_at + FUTURE_TOLERANCE


def _is_plausible(at: datetime) -> bool:
    """Times at the ends of the calendar could leave it when their offset is taken off, and then not be read again."""
    return _EARLIEST <= at < _LATEST


def _implausible(index: int, field: str) -> Rejection:
    return Rejection(index=index, code="malformed", reason=f"`{field}` is not a time between the years 1970 and 9000")


def _report_refusal(index: int, report: EvaluatorReport, rules: ReportRules) -> Rejection | None:
    if not _is_plausible(report.reported_at):
        return _implausible(index, "reported_at")
    if not rules.may_report:
        reason = "the token may not read snapshots, so that its holder cannot serve one"
        return Rejection(index=index, code="not_permitted", reason=reason)
    if rules.environment is not None and report.environment not in (None, rules.environment):
        reason = f"the token is for environment `{rules.environment}`, not `{report.environment}`"
        return Rejection(index=index, code="wrong_environment", reason=reason)
    if rules.newest and report.snapshot_version is not None:
        environment = report.environment or rules.environment
        newest = rules.newest.get(environment, 0) if environment is not None else max(rules.newest.values())
        if report.snapshot_version > newest:
            reason = f"version {report.snapshot_version} was never served, the newest is {newest}"
            return Rejection(index=index, code="unknown_version", reason=reason)
    return None


def _misplaced(index: int, entry: Exposure | TrackedEvent, horizon: timedelta) -> Rejection:
    if not _is_plausible(entry.sent_at):
        return _implausible(index, "sent_at")
    age = entry.sent_at - entry.occurred_at
    if age < timedelta(0):
        reason = f"occurred {-age} after it was sent; {FUTURE_TOLERANCE} are allowed for clocks"
        return Rejection(index=index, code="in_the_future", reason=reason)
    reason = f"occurred {age} before it was sent; repeated ids are known for {horizon} of plan time only"
    return Rejection(index=index, code="too_old", reason=reason)


def _split(body: bytes) -> Sequence[msgspec.Raw]:
    try:
        return _split_batch(body)
    except (msgspec.DecodeError, RecursionError):
        pass
    # Python's own encoder writes NaN and Infinity, which are not JSON. Those are values to count (D5), not a bad batch.
    try:
        batch = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(
            f"the batch is not JSON: {error}", hint="Send a JSON list of entries, UTF-8 encoded."
        ) from error
    if not isinstance(batch, list):
        raise BadRequestError("the batch is not a list", hint='Send a JSON list of entries: [{"type": "event", ...}].')
    return [msgspec.Raw(json.dumps(entry).encode()) for entry in batch]


def _decode(raw: bytes) -> WireEntry | str:
    """An entry, or why it is none. Tries twice: the strict parser knows no number that is not finite."""
    if _NUL in raw:
        return "text holds the character NUL"
    try:
        return _decode_entry(raw)
    except RecursionError:
        return "nested too deeply"
    except msgspec.DecodeError as strict:
        try:
            entry: WireEntry = msgspec.convert(json.loads(raw), WireEntry)
            msgspec.msgpack.encode(entry)  # json.loads lets half a surrogate pair through
        except (ValueError, RecursionError, msgspec.MsgspecError):
            return str(strict)
        return entry


def _code(reason: str) -> str:
    """msgspec tells its errors apart by their text alone; the unit tests hold it to these."""
    if "missing required field" in reason:
        return "missing_field"
    return "too_long" if "of length <=" in reason else "malformed"
