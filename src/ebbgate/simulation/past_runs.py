"""A plan tried a thousand times on the client's own past: how often it takes back what is harmless, and how soon what
is not (RULES E7)."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import sqrt
from statistics import median
from typing import cast

import msgspec
import numpy as np

from ebbgate.control.evidence import Summary, fold_all, look_analyses
from ebbgate.control.evidence_health import health_of
from ebbgate.control.evidence_read import read_look
from ebbgate.core.metrics.definition import Guardrail, Metric
from ebbgate.core.rollouts.decide import decide
from ebbgate.core.rollouts.decision import Advance, Decision, Pause, Review, Rollback
from ebbgate.core.rollouts.look import LookData
from ebbgate.core.rollouts.plan import Mode, Plan
from ebbgate.core.rollouts.plan_power_arms import attribute_share, phase_length
from ebbgate.core.rollouts.state import RolloutState, Status, contrast_of
from ebbgate.core.rollouts.steps import advance, begin, open_review, pause, resume
from ebbgate.ports.control_store import Evidence
from ebbgate.ports.event_store import EventStore
from ebbgate.simulation.past_people import Crowd, Past, Planted
from ebbgate.simulation.past_store import PastStore

BEGIN_AT = datetime(2026, 1, 5, tzinfo=UTC)
LOOKS = 12
"""Looks in a phase, unless the plan's own tick is longer. Evidence may be looked at at any time, so fewer looks take
nothing from its validity; they find harm a little later."""

LOOK_MOST = timedelta(hours=6)
DEFAULT_HARM = 0.5
"""Planted where a guardrail has no margin: half as bad again."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one rollout ended. code: of the automatic rollback, None without one. units: exposed by then; after: plan
    time by then. asked: whether a person was ever asked."""

    code: str | None
    metrics: tuple[str, ...]
    phase: str
    units: int
    after: timedelta
    asked: bool


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One question, asked `runs` times. harm: None for A/A, in which every rollback is false. caught: rollouts taken
    back, with its 95 % interval (Wilson). median_*: of those. asked: rollouts in which a person was asked.
    """

    harm: Planted | None
    runs: int
    caught: int
    share: float
    interval: tuple[float, float]
    median_units: int | None = None
    median_after: timedelta | None = None
    by_code: dict[str, int] = {}
    by_metric: dict[str, int] = {}
    by_phase: dict[str, int] = {}
    asked: int = 0


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan does on past days. units: drawn for each rollout. alpha: promised for the whole rollout. is_sound:
    whether the false rollbacks are within it, as far as so many runs can tell.
    """

    units: int
    days: int
    seed: int
    alpha: float
    is_sound: bool
    scenarios: tuple[Scenario, ...]
    assumptions: tuple[str, ...]


ASSUMPTIONS = (
    "Units are drawn with replacement from the past days, which go round; each keeps its own habits.",
    "Every unit gives each metric one observation a day; limits and late harm are judged by the same ones.",
    "Functions and endpoints are not told apart: a limit for one of them is judged by all together.",
    "A person who is asked always goes on; data are fit, and nobody pauses.",
)

Progress = Callable[[int], None]
"""Told after every run how many there were, over all scenarios."""


def planted_harms(plan: Plan, metrics: Sequence[Metric]) -> tuple[Planted, ...]:
    """For each guardrail, twice the margin that it is proven inside of; half as bad again where it has none."""
    known = {metric.name for metric in metrics}
    found = [(g, twice_the_margin(g)) for g in plan.guardrails if g.metric.name in known]
    return tuple(Planted(metric=guardrail.metric.name, size=size) for guardrail, size in found)


def twice_the_margin(guardrail: Guardrail) -> float:
    """Relative to the control. An absolute margin needs the baseline; without it, `DEFAULT_HARM`."""
    margin = guardrail.worse_by
    if margin is None:
        return DEFAULT_HARM
    if margin.relative is not None:
        return 2 * margin.relative or DEFAULT_HARM
    return 2 * (margin.absolute or 0.0) / guardrail.baseline if guardrail.baseline else DEFAULT_HARM


def rehearse(
    plan: Plan, past: Past, harms: Sequence[Planted], *, runs: int, seed: int, progress: Progress = lambda _: None
) -> Rehearsal:
    """A/A, then each planted harm, `runs` times each. One seed is one result."""
    scenarios: list[Scenario] = []
    for place, harm in enumerate((None, *harms)):
        outcomes = []
        for number in range(runs):
            outcomes.append(PastRun(plan, past, harm, seed=(seed, place, number)).play())
            progress(place * runs + number + 1)
        scenarios.append(_told(harm, outcomes))
    return Rehearsal(
        units=len(Crowd(past, np.random.default_rng(0), holdout=0.0).bucket),
        days=past.days,
        seed=seed,
        alpha=plan.alpha,
        is_sound=scenarios[0].interval[0] <= plan.alpha,
        scenarios=tuple(scenarios),
        assumptions=ASSUMPTIONS,
    )


class PastRun:
    """One rollout of the plan, by control's own fold, judgement and decision."""

    def __init__(self, plan: Plan, past: Past, harm: Planted | None, *, seed: Sequence[int]) -> None:
        self._plan, self._harm = plan, harm
        crowd = Crowd(past, np.random.default_rng(list(seed)), holdout=plan.holdout)
        metrics = frozenset(g.metric for g in plan.guardrails if g.metric.name in past.x)
        self._arrays = PastStore(crowd, harm, BEGIN_AT, metrics)
        self._store = cast(EventStore, self._arrays)  # what a running rollout asks of one
        self._attribute_share = 0.0

    def play(self) -> Outcome:
        """From the first phase to the end of the watch, or to a rollback."""
        state = begin(_a_draft(self._plan), snapshot_version=1, now=BEGIN_AT)
        self._enter(state)
        evidence, now, asked = Evidence(), BEGIN_AT, False
        while not state.is_over and not self._is_beyond(state, now):
            now += self._step(state)
            self._arrays.now = self._arrays.microseconds(now)
            contrast = contrast_of(state)
            data = read_look(state, contrast, self._store, until=now)
            evidence = fold_all(state, evidence, data, self._arrays.assignment(contrast))
            assert not evidence.broken, evidence.broken  # a rollout goes on without the metric; a measurement does not
            decision = self._decided(state, evidence, data, now)
            state = msgspec.structs.replace(state, summarised_to=now)
            if isinstance(decision, Rollback):
                return self._ended(state, decision, now, asked=asked)
            asked = asked or isinstance(decision, Review | Pause)
            state = self._after(state, decision, now)
        return self._ended(state, None, now, asked=asked)

    def _decided(self, state: RolloutState, evidence: Evidence, data: LookData, now: datetime) -> Decision | None:
        """Harm and breaches are latched in the evidence: where there are none and the phase is too young, nothing but
        holding can come of judging, and that is not done."""
        is_shown = any(one.harm_shown_at is not None for one in evidence.metrics.values())
        is_shown = is_shown or any(one.harm_shown_at is not None for one in evidence.late.values())
        is_shown = is_shown or any(limit.breached_at is not None for limit in evidence.limits.values())
        least = self._plan.watch if state.is_last_phase else state.phase.stay_min
        if not is_shown and now - state.record.entered_at < least:
            return None
        analyses = look_analyses(state, evidence)
        summary = Summary(
            evidence=evidence,
            analyses=analyses,
            goals={},
            assignment=self._arrays.assignment(contrast_of(state)),
            data=data,
            summarised_to=now,
            has_moved=True,
        )
        health = msgspec.structs.replace(health_of(state, summary, stale_for=timedelta(0)), missing=())
        return decide(state, analyses, health, now=now)

    def _after(self, state: RolloutState, decision: Decision | None, now: datetime) -> RolloutState:
        match decision:
            case Advance():
                return self._advanced(state, decision.reason, now)
            case Review(code="too_long"):
                return self._advanced(state, "a person promoted it", now)
            case Review():
                return resume(open_review(state, decision, now=now), reason="a person saw it")
            case Pause():
                return resume(pause(state, reason=decision.reason), reason="a person saw it")
        return state

    def _advanced(self, state: RolloutState, reason: str, now: datetime) -> RolloutState:
        version, share = state.record.snapshot_version + 1, self._attribute_share
        state = advance(state, snapshot_version=version, measured_attribute_share=share, now=now, reason=reason)
        if state.status is not Status.SUCCEEDED:
            self._enter(state)
        return state

    def _enter(self, state: RolloutState) -> None:
        record = state.record
        self._attribute_share = attribute_share(self._plan, record.index, self._attribute_share)
        begin_at = self._arrays.microseconds(record.entered_at)
        self._arrays.enter(record.index, begin=begin_at, hash_to=record.hash_to, attribute_share=self._attribute_share)

    def _step(self, state: RolloutState) -> timedelta:
        """Plan time until the next look."""
        wanted = phase_length(self._plan, state.phase_index) / LOOKS
        return max(self._plan.tick, min(wanted, LOOK_MOST))

    def _is_beyond(self, state: RolloutState, now: datetime) -> bool:
        """Doubts hold a watch for ever; a simulated one ends with its time."""
        return state.is_last_phase and now > state.record.entered_at + self._plan.watch + 2 * self._step(state)

    def _ended(self, state: RolloutState, decision: Rollback | None, now: datetime, *, asked: bool) -> Outcome:
        return Outcome(
            code=decision.code.value if decision else None,
            metrics=decision.metrics if decision else (),
            phase=state.phase.name,
            units=self._arrays.exposed(),
            after=now - BEGIN_AT,
            asked=asked,
        )


def wilson(count: int, runs: int) -> tuple[float, float]:
    """95 % interval of a share. Source: Wilson (1927), J. Amer. Statist. Assoc. 22."""
    z = 1.959963984540054
    share, extra = count / runs, z * z / runs
    centre = (share + extra / 2) / (1 + extra)
    reach = z / (1 + extra) * sqrt(share * (1 - share) / runs + extra / (4 * runs))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def _told(harm: Planted | None, outcomes: Sequence[Outcome]) -> Scenario:
    caught = [outcome for outcome in outcomes if outcome.code is not None]
    return Scenario(
        harm=harm,
        runs=len(outcomes),
        caught=len(caught),
        share=len(caught) / len(outcomes),
        interval=wilson(len(caught), len(outcomes)),
        median_units=round(median(one.units for one in caught)) if caught else None,
        median_after=sorted(one.after for one in caught)[len(caught) // 2] if caught else None,
        by_code=dict(Counter(one.code or "" for one in caught)),
        by_metric=dict(Counter(name for one in caught for name in one.metrics)),
        by_phase=dict(Counter(one.phase for one in caught)),
        asked=sum(one.asked for one in outcomes),
    )


def _a_draft(plan: Plan) -> RolloutState:
    return RolloutState(
        id="rehearsal",
        lineage="rehearsal",
        attempt=1,
        release="",
        plan=plan,
        mode=Mode.ACT,
        status=Status.DRAFT,
        created_at=BEGIN_AT,
    )
