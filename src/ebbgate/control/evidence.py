"""From the event store to evidence: the blocks of one span of plan time, folded in a fixed order."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from ebbgate.core.metrics import (
    RECOVERY,
    RETURNED,
    Analysis,
    AnyBlock,
    Assignment,
    GoalAnalysis,
    Guardrail,
    LimitAnalysis,
    LimitBlock,
    LimitEvidence,
    LimitQuery,
    MetricEvidence,
    Verdict,
    fold,
    fold_assignment,
    fold_limit,
    goal_guardrail,
    judge,
    judge_goal,
    judge_limit,
    judge_sample_ratio,
    ledger_of,
    limit_alphas,
    limit_keys,
    relative_alphas,
    start,
    start_limit,
)
from ebbgate.core.metrics.contrast import Contrast
from ebbgate.core.rollouts.health import Health, exposure_excess
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.recovery import recovery_contrast
from ebbgate.core.rollouts.state import RolloutState, contrast_of
from ebbgate.ports.control_store import Evidence
from ebbgate.ports.event_store import EventStore


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One span folded: the evidence after it and what it says. has_moved: whether the span had any length.

    harm_bounds: by metric, the lower bound of the harm when it was shown. returned: after a rollback, what those say
    who
    had come by before.
    """

    evidence: Evidence
    analyses: dict[str, Analysis]
    goals: dict[str, GoalAnalysis]
    assignment: Assignment
    blocks: list[AnyBlock]
    summarised_to: datetime | None
    has_moved: bool
    harm_bounds: dict[str, float] = {}
    returned: dict[str, Analysis] = {}


def fold_rollout(state: RolloutState, evidence: Evidence, events: EventStore, *, until: datetime | None) -> Summary:
    """Fold what closed since the last look, up to the log's watermark (plan time; None: nothing was read yet)."""
    contrast = contrast_of(state)
    blocks = read_blocks(state, contrast, events, until=until)
    assignment = events.assignment(contrast)
    evidence = fold_all(state.plan, evidence, blocks, assignment)
    moved = has_span(state, until)
    return Summary(
        evidence=evidence,
        analyses=analyses_of(state.plan, evidence, contrast, phase=contrast.phase),
        goals=_goals(state, evidence),
        assignment=assignment,
        blocks=blocks,
        summarised_to=until if moved else state.summarised_to,
        has_moved=moved,
    )


def fold_recovery(state: RolloutState, evidence: Evidence, events: EventStore, *, until: datetime | None) -> Summary:
    """The same for the units formerly treated, after the flag went off (RULES H3)."""
    contrast = recovery_contrast(state)
    returning = recovery_contrast(state, phase=RETURNED)
    blocks = read_blocks(state, contrast, events, until=until)
    blocks += [b for b in read_blocks(state, returning, events, until=until) if not isinstance(b, LimitBlock)]
    assignment = events.assignment(contrast)
    folded = msgspec.structs.replace(
        evidence,
        metrics=_fold_metrics(state.plan.guardrails, evidence.metrics or _started(state.plan), blocks),
        recovery_limits=_fold_limits(state.plan, evidence.recovery_limits, blocks),
    )
    judged = msgspec.structs.replace(folded, limits=folded.recovery_limits)
    moved = has_span(state, until)
    return Summary(
        evidence=folded,
        analyses=analyses_of(state.plan, judged, contrast, phase=RECOVERY),
        returned=analyses_of(state.plan, judged, returning, phase=RETURNED),
        goals={},
        assignment=assignment,
        blocks=blocks,
        summarised_to=until if moved else state.summarised_to,
        has_moved=moved,
        harm_bounds={n: m.harm_bound or 0.0 for n, m in folded.metrics.items() if m.harm_shown_at is not None},
    )


def has_span(state: RolloutState, until: datetime | None) -> bool:
    return until is not None and state.summarised_to is not None and until > state.summarised_to


def read_blocks(
    state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime | None
) -> list[AnyBlock]:
    """The blocks of all metrics and limits that closed in `(state.summarised_to, until]`."""
    if until is None or state.summarised_to is None or until <= state.summarised_to:
        return []
    opened_at = state.summarised_to
    blocks: list[AnyBlock] = []
    if contrast.is_randomised:
        metrics = [g.metric for g in state.plan.guardrails] + [g.metric for g in state.plan.goals]
        found = [events.block(contrast, metric, opened_at=opened_at, closed_at=until) for metric in metrics]
        blocks += [block for block in found if block is not None]
    for guardrail in state.plan.guardrails:
        for query in limit_queries(guardrail):
            blocks += events.limit_blocks(contrast, query, opened_at=opened_at, closed_at=until)
    return blocks


def limit_queries(guardrail: Guardrail) -> list[LimitQuery]:
    """One query for each absolute limit of a guardrail, with all its functions."""
    functions: dict[float, list[str]] = {}
    for limit, function in limit_keys(guardrail):
        functions.setdefault(limit, []).append(function)
    return [
        LimitQuery(metric=guardrail.metric, limit=limit, functions=tuple(name for name in names if name))
        for limit, names in functions.items()
    ]


def fold_all(plan: Plan, evidence: Evidence, blocks: list[AnyBlock], assignment: Assignment) -> Evidence:
    """The evidence of a rollout with one more span: pure, so that a replay gives the same."""
    return msgspec.structs.replace(
        evidence,
        metrics=_fold_metrics(plan.guardrails, evidence.metrics or _started(plan), blocks),
        limits=_fold_limits(plan, evidence.limits, blocks),
        goals=_fold_goals(plan, evidence.goals, blocks),
        sample_ratio=fold_assignment(evidence.sample_ratio, assignment),
    )


def _started(plan: Plan) -> dict[str, MetricEvidence]:
    alphas = relative_alphas(ledger_of(plan.alpha), plan.guardrails)
    return {g.metric.name: start(g, alpha=alphas[g.metric.name]) for g in plan.guardrails}


def _fold_metrics(
    guardrails: tuple[Guardrail, ...], found: Mapping[str, MetricEvidence], blocks: list[AnyBlock]
) -> dict[str, MetricEvidence]:
    metrics = dict(found)
    by_name = {guardrail.metric.name: guardrail for guardrail in guardrails}
    for block in blocks:
        if not isinstance(block, LimitBlock) and (guardrail := by_name.get(block.metric)) is not None:
            metrics[block.metric] = fold(guardrail, metrics[block.metric], block)
    return metrics


def _fold_goals(plan: Plan, found: Mapping[str, MetricEvidence], blocks: list[AnyBlock]) -> dict[str, MetricEvidence]:
    goals = {g.metric.name: goal_guardrail(g) for g in plan.goals}
    evidence = {name: found.get(name) or start(guardrail, alpha=None) for name, guardrail in goals.items()}
    for block in blocks:
        if not isinstance(block, LimitBlock) and (guardrail := goals.get(block.metric)) is not None:
            evidence[block.metric] = fold(guardrail, evidence[block.metric], block)
    return evidence


def _fold_limits(plan: Plan, found: Mapping[str, LimitEvidence], blocks: list[AnyBlock]) -> dict[str, LimitEvidence]:
    alphas = limit_alphas(ledger_of(plan.alpha), plan.guardrails)
    guardrails = {g.metric.name: g for g in plan.guardrails}
    limits = dict(found)
    for (metric, limit, function), alpha in alphas.items():
        key = limit_name(metric, limit, function)
        if key not in limits:
            limits[key] = start_limit(guardrails[metric], limit=limit, function=function, alpha=alpha)
    for block in blocks:
        if isinstance(block, LimitBlock):
            key = limit_name(block.metric, block.limit, block.function)
            limits[key] = fold_limit(limits[key], block)
    return limits


def limit_name(metric: str, limit: float, function: str) -> str:
    """The key of a limit's evidence."""
    return f"{metric}>{limit!r}@{function}"


def analyses_of(plan: Plan, evidence: Evidence, contrast: Contrast, *, phase: int) -> dict[str, Analysis]:
    """What the evidence says of every guardrail in one phase."""
    return {
        guardrail.metric.name: judge(
            guardrail,
            evidence.metrics[guardrail.metric.name],
            phase=phase,
            has_contrast=contrast.is_randomised,
            min_n=plan.min_units,
            limits=_limits(guardrail, evidence),
        )
        for guardrail in plan.guardrails
    }


def _limits(guardrail: Guardrail, evidence: Evidence) -> tuple[LimitAnalysis, ...]:
    names = [limit_name(guardrail.metric.name, limit, function) for limit, function in limit_keys(guardrail)]
    return tuple(judge_limit(evidence.limits[name]) for name in names if name in evidence.limits)


def _goals(state: RolloutState, evidence: Evidence) -> dict[str, GoalAnalysis]:
    """Goals by the newest phase that has two random arms; without one there is nothing to say yet."""
    indices = [record.index for record in state.phases if contrast_of(state, record.index).is_randomised]
    if not indices:
        return {}
    return {
        goal.metric.name: judge_goal(
            goal, evidence.goals[goal.metric.name], phase=indices[-1], min_n=state.plan.min_units
        )
        for goal in state.plan.goals
    }


def health_of(
    state: RolloutState, summary: Summary, *, stale_for: timedelta | None, killed_by: str | None = None
) -> Health:
    """Whether the data of this look may be trusted. stale_for: machine time since the newest heartbeat."""
    seen = summary.assignment
    contrasted = seen.treatment + seen.control
    age = (summary.summarised_to or state.record.entered_at) - state.record.entered_at
    exposed = seen.treatment + seen.veterans + seen.audience
    active = contrasted + seen.veterans + seen.audience
    return Health(
        sample_ratio=judge_sample_ratio(summary.evidence.sample_ratio),
        stale_for=stale_for,
        missing=missing_metrics(state.plan, summary.analyses, age=age),
        crossed_share=seen.crossed / (contrasted + seen.crossed) if contrasted >= state.plan.min_units else 0.0,
        exposed_share=exposed / active if active >= state.plan.min_units else None,
        exposure_excess=exposure_excess(state.phase.exposure, active),
        active_units=active,
        killed_by=killed_by,
    )


def missing_metrics(plan: Plan, analyses: Mapping[str, Analysis], *, age: timedelta) -> tuple[str, ...]:
    """Guardrails that gate or are critical, can be judged in this phase, and have not one observation of the new
    version.

    age: of the phase, in plan time, as far as the log was read. Nothing is missed before a window can have closed.
    """
    needed = {
        g.metric.name
        for g in plan.guardrails
        if (g.worse_by is not None or g.critical is not None) and age > g.metric.window + g.metric.lateness + plan.tick
    }
    return tuple(name for name, analysis in sorted(analyses.items()) if name in needed and _is_missing(analysis))


def _is_missing(analysis: Analysis) -> bool:
    judged = analysis.verdict is not Verdict.NOT_APPLICABLE
    if judged and analysis.treatment_n:
        return False
    if analysis.limits:
        return all(limit.treatment_n == 0 for limit in analysis.limits)
    return judged
