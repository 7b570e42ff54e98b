"""The snapshot: what is stored, pushed, and evaluated, everywhere the same bytes."""

from datetime import datetime
from typing import Any

import msgspec

from ebbgate.core.audiences import Bucketing
from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import FlagDocumentError


class LeaseTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A flag under rollout is exposed on a lease (B7).

    server_lost_s: machine seconds without the source, after which an evaluator serves `control_variant`.
    """

    control_variant: str
    server_lost_s: float = 900.0
    rollout_id: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a flag set in one environment.

    document: the flagd document as it is served, with every rollout and kill rendered into it, so that an evaluator in
    any language follows it. bucketing: see flags.md; a property of the environment. published_at: machine time, UTC.
    leases: by flag key.
    """

    version: int
    environment: str
    flag_set: str
    published_at: datetime
    clock: ClockMapping
    document: msgspec.Raw
    bucketing: Bucketing = "v2"
    leases: dict[str, LeaseTerms] = {}


def raw_document(document: dict[str, Any]) -> msgspec.Raw:
    """A flag document, as the raw JSON that a snapshot carries."""
    return msgspec.Raw(msgspec.json.encode(document))


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """The snapshot as JSON; deterministic for equal content."""
    return msgspec.json.encode(snapshot)


def decode_snapshot(data: bytes) -> Snapshot:
    """The snapshot of that JSON; its document is not yet checked. Raises FlagDocumentError when it is no snapshot."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise FlagDocumentError(
            f"this is not a snapshot: {error}", hint="Ask the server again; a half-written copy can be deleted."
        ) from None


def replaces(candidate: Snapshot, current: Snapshot | None) -> bool:
    """Whether a snapshot takes the place of the one in force, of the same environment.

    Versions only grow, so that a lower one is a late answer or a replica that lags. But one of the same or a lower
    version that was published later, with other content, comes from a server that began anew (a restored backup, an
    emptied data directory): ignoring that one would serve dead flags, and confirm a version that is not served.
    """
    if current is None or candidate.version > current.version:
        return True
    return candidate.published_at > current.published_at and not is_equal(candidate, current)


def is_equal(one: Snapshot, other: Snapshot) -> bool:
    """Whether both are the same version of the same content, whenever they were published."""
    return msgspec.structs.replace(one, published_at=other.published_at) == other


_DECODER = msgspec.json.Decoder(Snapshot)
