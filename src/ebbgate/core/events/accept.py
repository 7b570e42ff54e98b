"""Which entries of a batch are taken, and why the others are not (RULES C3, C4). Pure: all it knows are arguments.

A good batch is decoded in one go. Only when that fails is it taken apart, so that each bad entry is refused by itself.
"""

import json
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from math import isfinite

import msgspec

from ebbgate.core.errors import BadRequestError, LimitError
from ebbgate.core.events.limits import DEDUP_HORIZON, FUTURE_TOLERANCE, IntakeLimits, violation
from ebbgate.core.events.types import EvaluatorReport, Exposure, TrackedEvent, WireEntry

_decode_batch = msgspec.json.Decoder(list[WireEntry]).decode
_decode_entry: Callable[[bytes], WireEntry] = msgspec.json.Decoder(WireEntry).decode
_split_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_stamp = msgspec.structs.force_setattr  # on entries that nobody else has seen yet
_NUL = b"\\u0000"  # text that holds it cannot be stored everywhere


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that was not taken. index: its place in the batch. code: stable. reason: a sentence."""

    index: int
    code: str
    reason: str


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch. accepted: stamped with `received_at`. new_names: event names not seen before."""

    accepted: list[WireEntry]
    rejected: list[Rejection]
    new_names: frozenset[str]


class Reception(msgspec.Struct, frozen=True, kw_only=True):
    """What the server knows when a batch arrives.

    received_at: plan time. machine_at: machine time of the same moment. names: event names taken so far.
    horizon: plan time; older events could not be told from repeated ones (RULES C4).
    """

    received_at: datetime
    machine_at: datetime
    names: AbstractSet[str] = frozenset()
    limits: IntakeLimits = IntakeLimits()
    horizon: timedelta = DEDUP_HORIZON


def accept_body(body: bytes, reception: Reception) -> Acceptance:
    """Take a batch as it came over HTTP. Raises BadRequestError if it is no JSON list, LimitError if it is too long."""
    if _NUL not in body:
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
            rejected.append(Rejection(index=index, code="malformed", reason=entry))
        else:
            entries.append(entry)
            indexes.append(index)
    result = accept_entries(entries, reception, indexes=indexes)
    rejected = sorted([*rejected, *result.rejected], key=lambda rejection: rejection.index)
    return msgspec.structs.replace(result, rejected=rejected)


def accept_entries(
    entries: Sequence[WireEntry], reception: Reception, *, indexes: Sequence[int] | None = None
) -> Acceptance:
    """Take decoded entries that nobody else holds: each is stamped in place. indexes: their places, if not 0, 1, ..."""
    limits = reception.limits
    _check_length(len(entries), limits)
    received_at, names = reception.received_at, reception.names
    oldest, newest = reception.horizon, -FUTURE_TOLERANCE
    accepted: list[WireEntry] = []
    rejected: list[Rejection] = []
    new_names: set[str] = set()
    for index, entry in enumerate(entries):
        if broken := violation(entry, limits):
            code, reason = broken.code, broken.reason
        elif isinstance(entry, EvaluatorReport):
            _stamp(entry, "received_at", reception.machine_at)
            accepted.append(entry)
            continue
        # RULES C3: corrected, the age at receipt is the age at sending, both by the sender's clock.
        elif not newest <= (age := entry.sent_at - entry.occurred_at) <= oldest:
            code, reason = _misplaced(age, reception.horizon)
        elif isinstance(entry, TrackedEvent) and not _known(entry.name, names, new_names, limits):
            code, reason = (
                "too_many_names",
                f"{limits.names_max} event names are known; `{entry.name}` would be one more",
            )
        else:
            if isinstance(entry, TrackedEvent) and entry.value is not None and not isfinite(entry.value):
                _stamp(entry, "value", None)  # RULES D5: the value is dropped, the event is counted
                _stamp(entry, "invalid", True)
            _stamp(entry, "received_at", received_at)
            accepted.append(entry)
            continue
        rejected.append(Rejection(index=indexes[index] if indexes else index, code=code, reason=reason))
    return Acceptance(accepted=accepted, rejected=rejected, new_names=frozenset(new_names))


def corrected_at(entry: Exposure | TrackedEvent) -> datetime:
    """When it happened by the server's plan clock (RULES C3), at most `received_at`. The entry is a stamped one."""
    assert entry.received_at is not None
    return min(entry.occurred_at + (entry.received_at - entry.sent_at), entry.received_at)


def _check_length(entries: int, limits: IntakeLimits) -> None:
    if entries > limits.entries_max:
        raise LimitError(
            f"{entries} entries in one batch, {limits.entries_max} are allowed", hint="Send smaller batches."
        )


def _known(name: str, names: AbstractSet[str], new_names: set[str], limits: IntakeLimits) -> bool:
    if name in names or name in new_names:
        return True
    if len(names) + len(new_names) >= limits.names_max:
        return False
    new_names.add(name)
    return True


def _misplaced(age: timedelta, horizon: timedelta) -> tuple[str, str]:
    if age < timedelta(0):
        return "in_the_future", f"occurred {-age} after it was sent; {FUTURE_TOLERANCE} are allowed for clocks"
    return "too_old", f"occurred {age} before it was sent; repeated ids are known for {horizon} of plan time only"


def _split(body: bytes) -> list[msgspec.Raw]:
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
