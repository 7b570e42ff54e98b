"""A rollout for people and for programs: what the API answers, and the CLI and the console draw."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from ebbgate.core.metrics.analysis import Analysis, GoalAnalysis, SampleRatio
from ebbgate.core.metrics.blocks import Assignment
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.rollouts.decision import Decision
from ebbgate.core.rollouts.plan import Mode, Plan
from ebbgate.core.rollouts.state import PhaseRecord, ReviewState, RollbackState, RolloutState, Status


class Rung(StrEnum):
    """Where a phase stands on the ladder."""

    DONE = "done"
    CURRENT = "current"
    UPCOMING = "upcoming"
    STOPPED = "stopped"  # the phase in which the rollout ended without success


class PhaseView(msgspec.Struct, frozen=True, kw_only=True):
    """One rung. exposure: share of active units, as planned. Plan times."""

    name: str
    exposure: float
    who: tuple[str, ...]
    why: str
    rung: Rung
    stay_min: timedelta
    stay_max: timedelta | None
    entered_at: datetime | None = None
    hash_from: int | None = None
    hash_to: int | None = None
    attribute_share: float | None = None


class EvaluatorsView(msgspec.Struct, frozen=True, kw_only=True):
    """Who serves the newest snapshot (RULES H2). unheard: those of the unproven that have lost the server, and may
    serve an older one on their lease. lag_s_max: machine seconds that the unproven may lag at most; None if unknown.
    """

    confirmed: int
    expected: int
    unproven: int
    stragglers: tuple[str, ...] = ()
    unheard: tuple[str, ...] = ()
    lag_s_max: float | None = None


class PushView(msgspec.Struct, frozen=True, kw_only=True):
    """From the commit of the flag-off to the confirmations that reached the edge, in machine milliseconds."""

    confirmed: int
    ms_p50: float | None
    ms_p99: float | None
    ms_max: float | None


class RolloutView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything shown of a rollout. sentence: what is so and what comes next, in one sentence. silence: what does
    not arrive. trouble: what cannot be computed, and looks that fail.
    metrics: what the analyses and goals are about, so that their values can be written in their units.
    excluded_units: distinct ones seen so far, of audiences that the plan excludes; None where it excludes nobody.
    is_external: another flag system exposes, so that nothing can be taken back here. way_back: of a rollback, what is
    done, what it waits for and until when, and the incident; a sentence each.
    """

    id: str
    app: str
    flag: str
    release: str
    environment: str
    status: Status
    mode: Mode
    attempt: int
    overlay: str | None
    created_at: datetime
    now: datetime  # plan time
    phase: str
    phases: tuple[PhaseView, ...]
    sentence: str
    looks: int
    revision: int
    ended_at: datetime | None = None
    decision: Decision | None = None
    looked_at: datetime | None = None
    metrics: tuple[Metric, ...] = ()
    analyses: tuple[Analysis, ...] = ()
    goals: tuple[GoalAnalysis, ...] = ()
    assignment: Assignment | None = None
    sample_ratio: SampleRatio | None = None
    exposed_share: float | None = None
    exposed_units: int | None = None
    excluded_units: int | None = None
    evaluators: EvaluatorsView | None = None
    push: PushView | None = None
    review: ReviewState | None = None
    rollback: RollbackState | None = None
    silence: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()
    units_seen: int | None = None
    events_seen: int | None = None
    is_external: bool = False
    way_back: tuple[str, ...] = ()


class RolloutLine(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout in a list. trouble: as in its view."""

    id: str
    app: str
    flag: str
    release: str
    environment: str
    status: Status
    phase: str
    created_at: datetime
    ended_at: datetime | None
    outcome: str | None
    trouble: tuple[str, ...] = ()


def line_of(state: RolloutState) -> RolloutLine:
    """The rollout as one line of a list."""
    outcome = state.rollback.outcome if state.rollback is not None else None
    return RolloutLine(
        id=state.id,
        app=state.plan.app,
        flag=state.plan.flag,
        release=state.release,
        environment=state.plan.environment,
        status=state.status,
        phase=state.phase.name,
        created_at=state.created_at,
        ended_at=state.ended_at,
        outcome=outcome.value if outcome is not None else None,
    )


def ladder(state: RolloutState) -> tuple[PhaseView, ...]:
    """The phases with where each stands."""
    records = {record.index: record for record in state.phases}
    return tuple(_rung(state, index, records.get(index)) for index in range(len(state.plan.phases)))


def _rung(state: RolloutState, index: int, record: PhaseRecord | None) -> PhaseView:
    phase = state.plan.phases[index]
    if record is None:
        rung = Rung.UPCOMING
    elif index < state.phase_index or state.status is Status.SUCCEEDED:
        rung = Rung.DONE
    else:
        is_off = state.status in (Status.ROLLING_BACK, Status.ROLLED_BACK, Status.ABORTED)
        rung = Rung.STOPPED if is_off else Rung.CURRENT
    return PhaseView(
        name=phase.name,
        exposure=phase.exposure,
        who=phase.who,
        why=phase.why,
        rung=rung,
        stay_min=phase.stay_min,
        stay_max=phase.stay_max,
        entered_at=record.entered_at if record else None,
        hash_from=record.hash_from if record else None,
        hash_to=record.hash_to if record else None,
        attribute_share=record.attribute_share if record else None,
    )


def sentence_of(state: RolloutState, decision: Decision | None, *, now: datetime) -> str:
    """What is so and what comes next. now: plan time."""
    match state.status:
        case Status.SUCCEEDED:
            return f"{_upper(state.reason)}; {_who_has(state)} the new version."
        case Status.ABORTED:
            return f"Aborted: {state.reason}"
        case Status.ROLLING_BACK:
            assert state.rollback is not None
            step = state.rollback.step.value.replace("_", " ")
            return f"Taking it back ({step}): {state.rollback.reason}"
        case Status.ROLLED_BACK:
            assert state.rollback is not None and state.rollback.outcome is not None
            return f"Taken back, {state.rollback.outcome.value}: {state.rollback.outcome_reason}"
        case Status.REVIEW:
            assert state.review is not None
            left = _in(state.review.deadline_at - now)
            return f"{state.review.owner} must choose {left}, else {state.review.then.value}: {state.review.reason}"
        case Status.PAUSED:
            return f"Paused: {state.reason}"
        case Status.WATCHING:
            left = _in(state.record.entered_at + state.plan.watch - now)
            if state.plan.is_external:
                return f"Another flag system exposes it; this only observes. The watch ends {left}."
            return f"{_upper(_who_has(state))} it. The watch ends {left}."
        case Status.RUNNING:
            return _running(state, decision, now=now)
        case _:
            return "Not started."


def _running(state: RolloutState, decision: Decision | None, *, now: datetime) -> str:
    following = state.plan.phases[state.phase_index + 1]
    due = state.record.entered_at + state.phase.stay_min
    why = decision.reason if decision is not None else "no look yet"
    if now < due:
        step = f"{following.exposure:.0%} {_in(due - now)} at the earliest"
        if state.mode is Mode.ACT:
            return f"No harm seen. Next: {step}, once every guardrail that can be judged is proven safe."
        return f"No harm seen. Next: {step}, and then a person is asked (mode {state.mode.value})."
    return f"Waiting to go to {following.exposure:.0%}: {why}."


def _who_has(state: RolloutState) -> str:
    """Such as `30% of users have`: a plan may end below everybody, and may keep some users out."""
    exposure = state.phase.exposure
    if exposure < 1:
        return f"{round(exposure * 100, 2):g}% of users have"
    is_held = state.plan.holdout > 0 and state.holdout_ended_at is None
    return "everybody but the holdout has" if is_held else "everybody has"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _in(left: timedelta) -> str:
    if left <= timedelta(0):
        return "now"
    minutes = int(left.total_seconds() // 60)
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = [f"{days}d" if days else "", f"{hours}h" if hours else "", f"{minutes}m" if minutes and not days else ""]
    return "in " + ("".join(parts) or "less than a minute")


def gating(plan: Plan) -> frozenset[str]:
    """Names of the guardrails that gate phases."""
    return frozenset(g.metric.name for g in plan.guardrails if g.worse_by is not None)
