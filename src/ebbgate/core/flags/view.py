"""Flags as the control API shows and takes them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from ebbgate.core.access.view import ReasonText

Unit = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class FlagSwitch(StrEnum):
    """The client's own words for a flag's status."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class PutFlag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Create a flag, or replace its definition. definition: flagd's. revision: the one that the caller saw, 0 for a new
    flag; None = whatever is there.
    """

    definition: dict[str, Any]
    reason: ReasonText
    revision: Annotated[int, msgspec.Meta(ge=0)] | None = None


class KillFlag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Serve one variant to everybody (RULES B6). variant: None = the old version."""

    reason: ReasonText
    variant: str | None = None


class RestoreFlag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lift the kill of a flag."""

    reason: ReasonText


class SetFlagStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`set-feature-flag`: disabled takes a running rollout back, or kills the flag; enabled lifts the kill."""

    status: FlagSwitch
    reason: ReasonText


class OptUnit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put a unit on a flag's opt-in list, or take it off (RULES B5)."""

    unit: Unit
    reason: ReasonText


class KillView(msgspec.Struct, frozen=True, kw_only=True):
    """Who switched a flag off, when (machine time) and why. variant: served to everybody meanwhile."""

    variant: str
    actor: str
    reason: str
    killed_at: datetime


class FlagView(msgspec.Struct, frozen=True, kw_only=True):
    """A flag as written, as served, and what stands between.

    revision: of what was written, for optimistic concurrency. version: the newest of its history, which also counts
    kills. served: None if no snapshot has it yet.
    """

    key: str
    environment: str
    revision: int
    definition: dict[str, Any]
    served: dict[str, Any] | None
    kill: KillView | None
    rollout_id: str | None
    snapshot_version: int
    opt_in: tuple[str, ...] = ()
    version: int = 0


class DeleteFlag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delete a flag; its history stays. revision: the one that the caller saw; None = whatever is there."""

    reason: ReasonText
    revision: Annotated[int, msgspec.Meta(ge=1)] | None = None


class FlagDeletedView(msgspec.Struct, frozen=True, kw_only=True):
    """A flag that is gone. version: of its history, which stays. snapshot_version: the first one without it."""

    key: str
    environment: str
    version: int
    snapshot_version: int


class OptSelf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An end user's own wish (RULES B5). unit: its targeting key, as the application evaluates with it."""

    unit: Unit
    is_in: bool


class OptView(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a user's own wish. snapshot_version: the first one that honours it."""

    flag: str
    environment: str
    unit: str
    is_in: bool
    snapshot_version: int
