"""What the evidence of a rollout says, each metric by itself."""

from collections.abc import Mapping
from functools import partial

import msgspec

from ebbgate.control.evidence_broken import goal_judged, judged
from ebbgate.control.evidence_read import clustered_metric
from ebbgate.core.metrics import (
    REDEPLOYED,
    REDEPLOYED_RETURNED,
    Analysis,
    Goal,
    GoalAnalysis,
    Guardrail,
    LimitAnalysis,
    LimitEvidence,
    judge,
    judge_goal,
    judge_limit,
    limit_keys,
)
from ebbgate.core.metrics.analysis import ClusteredRate
from ebbgate.core.metrics.derived import goal_with_derived, is_parted, with_derived
from ebbgate.core.metrics.judge import judge_clustered
from ebbgate.core.metrics.late import judge_late
from ebbgate.core.metrics.readings import is_only_read, judge_reading, with_requests
from ebbgate.core.rollouts.late_units import late_units
from ebbgate.core.rollouts.recovery import recovery_contrast
from ebbgate.core.rollouts.state import RolloutState, contrast_of
from ebbgate.ports.control_store import Evidence


def as_clustered(guardrail: Guardrail) -> Guardrail:
    """A rate's guardrail, over all requests."""
    return msgspec.structs.replace(guardrail, metric=clustered_metric(guardrail.metric))


def is_open(guardrail: Guardrail, function: str) -> bool:
    """Whether values of `by` may join the limit as they come (RULES G1)."""
    return not function and is_parted(guardrail.metric) and not guardrail.metric.on


def limit_name(metric: str, limit: float, function: str) -> str:
    """The key of a limit's evidence."""
    return f"{metric}>{limit!r}@{function}"


def look_analyses(state: RolloutState, evidence: Evidence) -> dict[str, Analysis]:
    """What the evidence says of every guardrail in the current phase."""
    phase = contrast_of(state).phase
    return {
        guardrail.metric.name: judged(
            guardrail,
            evidence,
            phase=phase,
            work=partial(_look_analysis, state, evidence, guardrail),
            limits=partial(_limits, guardrail, evidence.limits),
        )
        for guardrail in state.plan.guardrails
    }


def _look_analysis(state: RolloutState, evidence: Evidence, guardrail: Guardrail) -> Analysis:
    name, metric = guardrail.metric.name, guardrail.metric
    if is_only_read(metric):
        return judge_reading(guardrail, evidence.readings.get(name))
    contrast, units, plan = contrast_of(state), late_units(state), state.plan
    found = judge(
        guardrail,
        evidence.metrics[name],
        phase=contrast.phase,
        has_contrast=contrast.is_randomised,
        min_n=plan.min_units,
        limits=_limits(guardrail, evidence.limits),
        late=judge_late(
            guardrail, evidence.late.get(name), has_treated=units.has_treated, has_control=units.has_control
        ),
        clustered=_clustered(guardrail, evidence, phase=contrast.phase),
    )
    return with_requests(
        metric, with_derived(guardrail, found, evidence.parts, phase=contrast.phase, min_n=plan.min_units)
    )


def _clustered(guardrail: Guardrail, evidence: Evidence, *, phase: int) -> ClusteredRate | None:
    found = evidence.clustered.get(guardrail.metric.name)
    return judge_clustered(as_clustered(guardrail), found, phase=phase) if found is not None else None


def recovery_analyses(state: RolloutState, evidence: Evidence, *, phase: int) -> dict[str, Analysis]:
    """What it says after the flag went off. phase: one of AFTERWARDS. A number that is only read stays what it was."""
    is_second = phase in (REDEPLOYED, REDEPLOYED_RETURNED)
    contrast = recovery_contrast(state, phase=phase)
    limits = evidence.redeploy_limits if is_second else evidence.recovery_limits

    def found(guardrail: Guardrail) -> Analysis:
        if is_only_read(guardrail.metric):
            return judge_reading(guardrail, evidence.readings.get(guardrail.metric.name))
        return judge(
            guardrail,
            evidence.metrics[guardrail.metric.name],
            phase=phase,
            has_contrast=contrast.is_randomised,
            min_n=state.plan.min_units,
            limits=_limits(guardrail, limits),
        )

    return {
        guardrail.metric.name: judged(
            guardrail,
            evidence,
            phase=phase,
            work=partial(found, guardrail),
            limits=partial(_limits, guardrail, limits),
        )
        for guardrail in state.plan.guardrails
    }


def _limits(guardrail: Guardrail, found: Mapping[str, LimitEvidence]) -> tuple[LimitAnalysis, ...]:
    keys = limit_keys(guardrail)
    names = [limit_name(guardrail.metric.name, limit, function) for limit, function in keys]
    for limit, function in keys:
        if is_open(guardrail, function):
            names += [name for name in found if name.startswith(limit_name(guardrail.metric.name, limit, ""))]
    names = list(dict.fromkeys(names))
    return tuple(judge_limit(found[name]) for name in names if name in found)


def goals_of(state: RolloutState, evidence: Evidence) -> dict[str, GoalAnalysis]:
    """Goals by the newest phase that has two random arms; without one there is nothing to say yet."""
    indices = [record.index for record in state.phases if contrast_of(state, record.index).is_randomised]
    if not indices:
        return {}
    phase, min_n = indices[-1], state.plan.min_units

    def found(goal: Goal) -> GoalAnalysis:
        analysis = judge_goal(goal, evidence.goals[goal.metric.name], phase=phase, min_n=min_n)
        return goal_with_derived(goal.metric, analysis, evidence.parts, phase=phase)

    return {
        goal.metric.name: goal_judged(goal, evidence, phase=phase, work=partial(found, goal))
        for goal in state.plan.goals
    }
