"""What people ask the control API to do with incidents and post-mortems."""

from datetime import date
from typing import Annotated, Literal

import msgspec

from ebbgate.core.access.view import ReasonText
from ebbgate.core.incidents.actions import ActionItem, ActionKind
from ebbgate.core.incidents.incident import Incident, IncidentKind, Role, Severity

Text = Annotated[str, msgspec.Meta(pattern=r"\S", max_length=10_000)]
Name = Annotated[str, msgspec.Meta(pattern=r"\S", max_length=200)]


class OpenIncident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Open an incident. severity: by its kind, if it is not given. evidence: a link. is_new_app: also if nothing is
    known of the app, such as of one that was never rolled out here.
    """

    app: Name
    kind: IncidentKind
    title: Name
    reason: ReasonText
    severity: Severity | None = None
    environment: str = "production"
    release: str | None = None
    evidence: str = ""
    is_new_app: bool = False


class OpenedIncident(Incident, frozen=True, kw_only=True):
    """The incident, and what became of the app's rollouts there that were under way, by id. taken_back: the old
    version is served. frozen: paused, as they cannot be reversed by themselves (RULES F7). left: they go on.
    """

    taken_back: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class AddNote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say something; the text is its own reason. link: of what it rests on."""

    reason: Text
    link: str = ""


class AssignRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Give a role; an empty name takes it away."""

    role: Role
    who: Annotated[str, msgspec.Meta(max_length=200)]
    reason: ReasonText


class SetSeverity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say how grave it is."""

    severity: Severity
    reason: ReasonText


class MoveIncident(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say how it stands now."""

    status: Literal["stable", "active", "closed"]
    reason: ReasonText


class WriteSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judgement in a person's words: one sentence a line."""

    section: Name
    text: Text
    reason: ReasonText


class MovePostMortem(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Draft it (anew), ask for a review, review it, close it."""

    step: Literal["draft", "submit", "review", "close"]
    reason: ReasonText


class AddAction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is to be done. due_on: its last day, UTC."""

    text: Name
    owner: Name
    due_on: date
    kind: ActionKind
    reason: ReasonText


class EndAction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say how it ended; the reason is its result."""

    state: Literal["done", "dropped"]
    reason: ReasonText


class ActionView(ActionItem, frozen=True, kw_only=True):
    """An action item as it stands now."""

    is_overdue: bool = False
