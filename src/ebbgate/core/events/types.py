"""The entries of an event batch (RULES C1, C2). A batch on the wire is a JSON list of entries, told apart by `type`.

Times are aware ISO strings on the wire, and UTC once they have been through the log. Unknown fields are ignored, so
that an older server takes the entries of a newer client. Entries are frozen, but for one moment: when intake has just
decoded them, and nobody else holds them.
"""

from datetime import datetime
from typing import Annotated, Literal, final

import msgspec

# Limits sit in the types, so that the decoder checks them at no cost and the published schema says them. Characters.
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]  # ids and units: a UUID is 36, a hashed e-mail 64
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]  # of events, flags, variants, attributes, places
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Version = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Attribute = Annotated[str, msgspec.Meta(max_length=256)] | float | bool
Attributes = Annotated[dict[Name, Attribute], msgspec.Meta(max_length=32)]
Counts = Annotated[dict[Name, Count], msgspec.Meta(max_length=1_000)]
MissingCounts = Annotated[
    dict[Name, Annotated[dict[Name, Count], msgspec.Meta(max_length=100)]], msgspec.Meta(max_length=1_000)
]

Source = Literal["sdk", "ofrep", "otel", "observe"]
EvaluatorKind = Literal["sdk", "stream", "ofrep"]
EvaluatorState = Literal["connected", "confirmed", "disconnected", "heartbeat", "closed"]


@final
class Exposure(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type", tag="exposure"
):
    """A unit saw a variant; units in control are exposed, too (RULES C1). All times are plan time.

    id: chosen by the sender, the same on every retry; unique within the horizon (RULES C4).
    snapshot_version: of the flag snapshot that the evaluator served. evaluator: the evaluator's id, where it has one.
    sent_at: by the sender's clock, when the batch left. received_at: None but in older logs, as the record has it for
    all of its entries; what a client sends is dropped.
    """

    id: Key
    unit: Key
    environment: Name
    flag_set: Name
    flag: Name
    variant: Name
    snapshot_version: Version
    occurred_at: Moment
    sent_at: Moment
    source: Source = "sdk"
    evaluator: Name | None = None
    received_at: Moment | None = None
    schema_version: Literal[1] = 1


@final
class TrackedEvent(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, tag_field="type", tag="event"
):
    """Something that happened to a unit, with or without a number. All times are plan time.

    attributes: flat; what a metric's `by` and `on` read.
    snapshot_version: in force at the call, None where the client cannot know it (RULES C2).
    of: id of the trial event that this is an outcome of.
    invalid: the value was not a finite number; it was dropped and is counted (RULES D5). A sender may say so itself.
    """

    id: Key
    unit: Key
    name: Name
    occurred_at: Moment
    sent_at: Moment
    value: float | None = None
    attributes: Attributes = {}
    snapshot_version: Version | None = None
    of: Key | None = None
    invalid: bool = False
    received_at: Moment | None = None
    schema_version: Literal[1] = 1


class EvaluatorCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an evaluator has done since it began, per flag; cumulative, so that a report may be lost or come twice.

    keyless: evaluations without a targeting key (RULES B2).
    code_defaults: evaluations answered by the caller's own default.
    missing_attributes: flag, then attribute that its rule reads, then evaluations whose context lacked it.
    """

    evaluations: Counts = {}
    keyless: Counts = {}
    code_defaults: Counts = {}
    missing_attributes: MissingCounts = {}


@final
class EvaluatorReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="evaluator"):
    """An evaluator says that it is there, and which snapshot it serves (RULES H2). Both times are machine time (A1).

    evaluator: a new id at each start of the evaluator. name: for people, such as host and process.
    snapshot_version: served now, None before the first one. environment: whose snapshots it serves, None if unknown.
    state: `disconnected` is a stream that ended, whoever ended it; `closed` is the evaluator's own last word: it has
    given its leases back, so that it serves no treatment from then on.
    """

    evaluator: Name
    name: Name
    kind: EvaluatorKind
    state: EvaluatorState
    reported_at: Moment
    snapshot_version: Version | None = None
    counts: EvaluatorCounts = EvaluatorCounts()
    environment: Name | None = None
    received_at: Moment | None = None
    schema_version: Literal[1] = 1


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="heartbeat"):
    """Appended by the edge itself, so that the log's watermark moves without traffic. Refused from clients.

    received_at: plan time.
    """

    source: Name
    received_at: Moment


WireEntry = Exposure | TrackedEvent | EvaluatorReport  # what a client may send
Entry = WireEntry | Heartbeat  # what the log holds


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One append to the event log: the accepted entries of one batch. Its times are theirs.

    received_at: plan time. The newest record's is the log's watermark: every event received before it is in the log.
    machine_at: machine time of the same moment.
    """

    received_at: Moment
    machine_at: Moment
    entries: list[Entry]
