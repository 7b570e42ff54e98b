"""What is known of a probe of a running rollout, and how an answer changes it."""

from datetime import datetime, timedelta

import msgspec

from ebbgate.core.rollouts.plan import Probe


class ProbeState(msgspec.Struct, frozen=True, kw_only=True):
    """A probe of a rollout. fails: in a row, now. first_failed_at: of that row. last_ok_at: None before it ever
    answered well. wrong: what the last failure said. Machine times.
    """

    rollout: str
    name: str
    asked_at: datetime
    fails: int = 0
    first_failed_at: datetime | None = None
    last_ok_at: datetime | None = None
    wrong: str = ""

    @property
    def is_failing(self) -> bool:
        return self.fails > 0


def answered(before: ProbeState | None, *, rollout: str, name: str, wrong: str, at: datetime) -> ProbeState:
    """The state after an answer. wrong: empty when it was good."""
    last_ok_at = before.last_ok_at if before is not None else None
    if not wrong:
        return ProbeState(rollout=rollout, name=name, asked_at=at, last_ok_at=at)
    fails = before.fails if before is not None else 0
    first = before.first_failed_at if before is not None and before.fails else at
    return ProbeState(
        rollout=rollout,
        name=name,
        asked_at=at,
        fails=fails + 1,
        first_failed_at=first,
        last_ok_at=last_ok_at,
        wrong=wrong,
    )


def is_due(probe: Probe, state: ProbeState | None, *, now: datetime) -> bool:
    """Whether it is to be asked again. now: machine time."""
    return state is None or now - state.asked_at >= probe.every


def is_critical(probe: Probe, state: ProbeState) -> bool:
    """So many failures in a row as the plan allows (RULES G3)."""
    return state.fails >= probe.fails


def failure_words(probe: Probe, state: ProbeState) -> str:
    """Such as `probe outage failed 3 times in a row since 12:00:05 UTC: ... (it never answered well before)`."""
    since = f" since {state.first_failed_at:%H:%M:%S} UTC" if state.first_failed_at is not None else ""
    times = f"{state.fails} times in a row" if state.fails > 1 else "once"
    before = f"last good answer {state.last_ok_at:%H:%M:%S} UTC" if state.last_ok_at else "no good answer before"
    return f"probe {probe.name} failed {times}{since}: {state.wrong} ({before})"


def recovery_words(before: ProbeState, *, at: datetime) -> str:
    """Of a probe that failed, and answers well again."""
    lasted = at - before.first_failed_at if before.first_failed_at is not None else timedelta(0)
    return f"probe {before.name} answers well again after {before.fails} failures in {lasted.total_seconds():.0f} s"
