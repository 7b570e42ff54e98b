"""A drill: the way back, walked on purpose with a scratch flag and a sandbox, and its times (DESIGN section 8)."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from ebbgate.core.access.view import ReasonText

SCRATCH_FLAG = "ebbgate-drill"
"""Of drills alone: on while one begins, killed in its middle, deleted at its end."""


class DrillStatus(StrEnum):
    RUNNING = "running"
    PASSED = "passed"
    SHOWS_NOTHING = "shows_nothing"  # nothing failed, as neither stage could be tried: nobody was there to confirm
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # control ended in its middle


class PartName(StrEnum):
    """In the order in which they are done."""

    FLAG_ON = "flag_on"  # the scratch flag reaches everybody
    FLAG_OFF = "flag_off"  # killed, and everybody confirms
    PLACE = "place"  # the last stable release's bytes, checked and unpacked in the sandbox
    SWITCH = "switch"
    RESTART = "restart"
    CHECK = "check"  # healthy, and its own digest answers
    RECOVERY = "recovery"  # the flag is away again, and everybody confirms


SECOND_STAGE = frozenset({PartName.PLACE, PartName.SWITCH, PartName.RESTART, PartName.CHECK})
PROVEN = (PartName.FLAG_OFF, PartName.CHECK)
"""Without both of these a drill has passed, and yet not shown of each stage of the way back that it works (RULES H4);
without either it has shown nothing, and has not passed. Where nothing is deployed there is no second stage, and the
first of them is all.
"""


class DrillPart(msgspec.Struct, frozen=True, kw_only=True):
    """One part. worked None: it was left out, `words` say why. took: machine time."""

    name: PartName
    worked: bool | None
    took: timedelta | None
    words: str


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """One drill. *_at: machine time. off_ms_*: from the commit of the flag-off to the confirmations, of the connected
    evaluators. sandbox: where the release was deployed. is_flag_only: not of the whole way, and not counted as one.
    is_preflight: the toggle of a preflight, which nobody asked for as a drill.
    """

    id: str
    app: str
    environment: str
    actor: str
    reason: str
    started_at: datetime
    number: int = 0
    revision: int = 1
    status: DrillStatus = DrillStatus.RUNNING
    is_flag_only: bool = False
    is_preflight: bool = False
    release: str | None = None
    sandbox: str = ""
    parts: tuple[DrillPart, ...] = ()
    confirmed: int | None = None
    expected: int | None = None
    off_ms_p50: float | None = None
    off_ms_p99: float | None = None
    off_ms_max: float | None = None
    ended_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        return self.status is not DrillStatus.RUNNING


class StartDrill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a drill. flag_only: leave the redeployment out."""

    app: str
    reason: ReasonText
    environment: str = "production"
    flag_only: bool = False


def outcome_of(parts: tuple[DrillPart, ...]) -> DrillStatus:
    """Passed only if every part that was tried worked, and one of `PROVEN` was. One that left the other out passes as
    well: see `unproven`.
    """
    if any(part.worked is False for part in parts):
        return DrillStatus.FAILED
    is_shown = any(part.worked and part.name in PROVEN for part in parts)
    return DrillStatus.PASSED if is_shown else DrillStatus.SHOWS_NOTHING


def newest_passed(passed: list[Drill]) -> Drill | None:
    """The newest of passed drills that were of more than the flag. passed: newest first."""
    return next((one for one in passed if not one.is_flag_only), None)


def newest_whole(passed: list[Drill], *, is_deployed: bool) -> Drill | None:
    """The newest of passed drills that went the whole way: what `drill_within` asks for. passed: newest first.
    is_deployed: whether the application has a second stage to be shown; see `unproven`.
    """
    return next((one for one in passed if not one.is_flag_only and not unproven(one, is_deployed=is_deployed)), None)


def unproven(drill: Drill, *, is_deployed: bool) -> tuple[PartName, ...]:
    """What a drill has not shown of `PROVEN`: nobody was there to confirm, or nothing was started and asked.
    is_deployed: False for an application of flags alone, whose whole way back is the flag.
    """
    worked = {part.name for part in drill.parts if part.worked}
    return tuple(name for name in PROVEN if name not in worked and (is_deployed or name is not PartName.CHECK))


def is_recent(drill: Drill | None, *, within: timedelta, now: datetime) -> bool:
    """Whether the newest passed drill is young enough. now: machine time."""
    return drill is not None and drill.ended_at is not None and now - drill.ended_at <= within
