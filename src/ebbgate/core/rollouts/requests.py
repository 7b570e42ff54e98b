"""What people ask the control API to do with rollouts, and what it answers about a flag's status."""

from typing import Annotated

import msgspec

from ebbgate.core.access.view import ReasonText
from ebbgate.core.flags.view import FlagView
from ebbgate.core.rollouts.plan import Mode
from ebbgate.core.rollouts.view import RolloutLine


class StartRollout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Start a rollout. plan: the plan file's text. overlay: the name of one in it. mode: in place of the plan's."""

    plan: Annotated[str, msgspec.Meta(min_length=1)]
    release: Annotated[str, msgspec.Meta(pattern=r"\S", max_length=200)]
    reason: ReasonText
    overlay: str | None = None
    override: bool = False  # even if the release is quarantined
    mode: Mode | None = None


class ActOnRollout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pause, resume, promote, abort, retry or roll back."""

    reason: ReasonText


class RollBackRollout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take a version back. redeploy: go straight to the second stage, the last stable release."""

    reason: ReasonText
    redeploy: bool = False


class FlagStatusView(msgspec.Struct, frozen=True, kw_only=True):
    """A flag after `set-feature-flag`, as it is served now. rollout: the one that is on it, or was just taken back."""

    flag: FlagView
    rollout: RolloutLine | None = None
