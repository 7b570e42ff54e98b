"""What happened, in order; each entry says who says so and where its evidence lies."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec


class EntryKind(StrEnum):
    DECISION = "decision"
    FLAG = "flag"
    ROLLOUT = "rollout"
    PROOF = "proof"  # who serves the old version
    RECOVERY = "recovery"
    DEPLOYMENT = "deployment"
    RELEASE = "release"
    PROBE = "probe"
    NOTIFICATION = "notification"
    INCIDENT = "incident"  # opened, roles, severity, status
    REPORT = "report"  # by users, or another monitor
    NOTE = "note"


class Source(StrEnum):
    """Who says so: what the system stored, or a person."""

    MACHINE = "machine"
    PERSON = "person"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. at: machine time; plan_at: plan time, where it was decided by that clock. link: API path of the
    evidence. times: how often it was said in a row, where only the first is shown.
    """

    at: datetime
    kind: EntryKind
    words: str
    source: Source
    actor: str
    link: str
    plan_at: datetime | None = None
    times: int = 1


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something said about an incident. id 0 = not stored yet. link: API path of its evidence, or empty (then the
    note is its own). Machine time.
    """

    incident: str
    at: datetime
    actor: str
    text: str
    kind: EntryKind = EntryKind.NOTE
    source: Source = Source.PERSON
    link: str = ""
    id: int = 0


def merged(*parts: Iterable[Entry]) -> list[Entry]:
    """All entries by time; those of one time in the order in which they were given."""
    return sorted((entry for part in parts for entry in part), key=lambda entry: entry.at)
