"""What a rollback has done, what it waits for and until when, and how to end it: sentences for people."""

from datetime import datetime

from ebbgate.core.clock import ClockMapping
from ebbgate.core.rollouts.state import RollbackState, RollbackStep, RolloutState


def way_back(
    state: RolloutState, *, mapping: ClockMapping, waiting: str = "", incident: str | None = None
) -> tuple[str, ...]:
    """One sentence each; none for a rollout that is not taken back. waiting: what the newest step waits for, as it said
    it. incident: id of the one that the rollback opened.
    """
    rollback = state.rollback
    if rollback is None:
        return ()
    lines = [_served(rollback)]
    if rollback.step is not RollbackStep.DONE:
        lines.append(_awaited(state, rollback, mapping, waiting))
        ended = f'ebbgate rollout settle {state.id} --reason "..."'
        lines.append(f"To end it now, as unverified: {ended}")
    if incident is not None:
        lines.append(f"Incident: {incident} (ebbgate incident show {incident})")
    return tuple(lines)


def _served(rollback: RollbackState) -> str:
    """Who has the old version, and since when, by what evaluators confirmed (RULES H2)."""
    off = f"The flag is off since {_clock(rollback.off_at)}"
    if rollback.expected is None:
        return f"{off}; no evaluator was asked yet."
    followed = f"{rollback.confirmed}/{rollback.expected} evaluators"
    if rollback.stragglers:
        return f"{off}; {followed} serve the old version, not yet: {_named(rollback.stragglers)}."
    more = f"; {rollback.unproven} more cannot confirm" if rollback.unproven else ""
    if not rollback.expected:
        return f"{off}; no evaluator is connected that could confirm it{more}."
    since = _clock(rollback.served_at or rollback.off_at)
    who = "whoever confirms" if more else "everybody"
    return f"The old version is served to {who} since {since} ({followed}{more})."


def _awaited(state: RolloutState, rollback: RollbackState, mapping: ClockMapping, waiting: str) -> str:
    """What the step waits for, and its deadline on the clock that it is on, and on the other where they differ."""
    match rollback.step:
        case RollbackStep.FLAG_OFF | RollbackStep.PROPAGATION:
            return f"Waiting for the evaluators to confirm, until {_clock(rollback.propagation_deadline_at)}."
        case RollbackStep.REDEPLOY:
            assert rollback.redeploy_from_at is not None, "set with the step"
            late = rollback.redeploy_from_at + state.plan.verify.redeploy
            return f"Waiting for {rollback.redeploy_to} to answer; somebody is paged at {_clock(late)}."
        case _:
            words = waiting.removeprefix("waiting for the metrics: ") or "no look at the metrics yet"
            asked = f"Waiting for proof that the metrics are back: {words}"
            if rollback.recovery_deadline_at is None:
                return f"{asked}."
            return f"{asked}; until {_both(rollback.recovery_deadline_at, mapping)}, then it is unverified."


def _both(at: datetime, mapping: ClockMapping) -> str:
    """A plan time, with the machine's where that is another one."""
    machine = mapping.machine_time(at)
    if abs((machine - at).total_seconds()) < 1:
        return f"{at:%Y-%m-%d} {_clock(at)}"
    return f"{at:%Y-%m-%d %H:%M} of plan time ({machine:%Y-%m-%d} {_clock(machine)})"


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S} UTC"


def _named(names: tuple[str, ...], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
