"""How a release moves: one table, and the functions that apply it. Quarantine outranks the rest (DESIGN 8)."""

from datetime import datetime
from enum import StrEnum

import msgspec

from ebbgate.core.errors import TransitionError
from ebbgate.core.releases.release import BadMark, Release, ReleaseState


class ReleaseTrigger(StrEnum):
    """What moves a release."""

    DEPLOY = "deploy"  # it answers at its target
    WATCH = "watch"  # its rollout reached everybody
    SETTLE = "settle"  # its rollout finished the watch, or it was adopted
    CONDEMN = "condemn"  # taken back, or marked by a person
    CLEAR = "clear"  # a person took the mark away


_B, _D, _W, _S, _X = (
    ReleaseState.BUILT,
    ReleaseState.DEPLOYED,
    ReleaseState.WATCHING,
    ReleaseState.STABLE,
    ReleaseState.BAD,
)

RELEASE_TRANSITIONS: dict[tuple[ReleaseState, ReleaseTrigger], ReleaseState] = {
    (_B, ReleaseTrigger.DEPLOY): _D,
    (_D, ReleaseTrigger.DEPLOY): _D,
    (_W, ReleaseTrigger.DEPLOY): _W,
    (_S, ReleaseTrigger.DEPLOY): _S,  # the way back
    (_X, ReleaseTrigger.DEPLOY): _X,  # by an override, and it stays bad
    (_B, ReleaseTrigger.WATCH): _W,  # deployed by somebody else's hands
    (_D, ReleaseTrigger.WATCH): _W,
    (_W, ReleaseTrigger.WATCH): _W,
    (_S, ReleaseTrigger.WATCH): _S,
    (_B, ReleaseTrigger.SETTLE): _S,
    (_D, ReleaseTrigger.SETTLE): _S,
    (_W, ReleaseTrigger.SETTLE): _S,
    (_S, ReleaseTrigger.SETTLE): _S,
    **{(state, ReleaseTrigger.CONDEMN): _X for state in ReleaseState},
    (_X, ReleaseTrigger.CLEAR): _B,  # what it had reached is not believed any more
}


def move(release: Release, trigger: ReleaseTrigger, *, at: datetime) -> Release:
    """The release after it. at: machine time. Raises TransitionError."""
    after = RELEASE_TRANSITIONS.get((release.state, trigger))
    if after is None:
        raise TransitionError(
            f"release {release.id} is {release.state.value}; {trigger.value} does not go from there",
            hint=f"look at it: ebbgate release show {release.id}",
        )
    return msgspec.structs.replace(
        release,
        state=after,
        deployed_at=at if trigger is ReleaseTrigger.DEPLOY else release.deployed_at,
        stable_at=release.stable_at or at if after is ReleaseState.STABLE else release.stable_at,
    )


def condemn(release: Release, *, reason: str, actor: str, at: datetime) -> Release:
    """Mark it bad; one that is bad keeps its first reason."""
    if release.is_bad:
        return release
    moved = move(release, ReleaseTrigger.CONDEMN, at=at)
    return msgspec.structs.replace(moved, bad=BadMark(reason=reason, actor=actor, at=at))


def clear(release: Release, *, at: datetime) -> Release:
    """Take the mark away: it is `built` again, and has to prove itself. Raises TransitionError unless it is bad."""
    moved = move(release, ReleaseTrigger.CLEAR, at=at)
    return msgspec.structs.replace(moved, bad=None, stable_at=None)


def last_stable(releases: list[Release], *, but: str | None = None) -> Release | None:
    """The newest release that finished its watch and is not bad (RULES H4). but: id of one that does not count."""
    fit = [one for one in releases if one.is_stable and one.id != but]
    return max(fit, key=lambda one: (one.stable_at or one.created_at, one.number), default=None)
