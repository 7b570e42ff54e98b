"""From the event store to evidence: the blocks of one span of plan time, folded in a fixed order."""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from ebbgate.control.evidence_read import NOTHING, clustered_metric, read_blocks, read_look
from ebbgate.control.readings import Readings
from ebbgate.core.metrics import (
    RECOVERY,
    REDEPLOYED,
    REDEPLOYED_RETURNED,
    Analysis,
    AnyBlock,
    Assignment,
    GoalAnalysis,
    Guardrail,
    LimitAnalysis,
    LimitBlock,
    LimitEvidence,
    MetricEvidence,
    fold,
    fold_assignment,
    fold_limit,
    goal_guardrail,
    judge,
    judge_goal,
    judge_limit,
    late_alphas,
    ledger_of,
    limit_alphas,
    limit_keys,
    relative_alphas,
    start,
    start_limit,
)
from ebbgate.core.metrics.analysis import ClusteredRate
from ebbgate.core.metrics.arrivals import (
    ArrivalEvidence,
    VolumeEvidence,
    fold_arrivals,
    fold_volume,
    promised_volume,
)
from ebbgate.core.metrics.derived import fold_derived, goal_with_derived, is_parted, value_weight, with_derived
from ebbgate.core.metrics.evidence import EVIDENCE_EDITION
from ebbgate.core.metrics.judge import judge_clustered
from ebbgate.core.metrics.late import LateEvidence, fold_late, judge_late
from ebbgate.core.metrics.readings import (
    ReadingBlock,
    ReadingEvidence,
    fold_reading,
    is_only_read,
    judge_reading,
    with_requests,
)
from ebbgate.core.rollouts.late_units import late_units
from ebbgate.core.rollouts.look import LookData
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.recovery import check_phases, recovery_contrast
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
    data: LookData
    summarised_to: datetime | None
    has_moved: bool
    harm_bounds: dict[str, float] = {}
    returned: dict[str, Analysis] = {}


def fold_rollout(
    state: RolloutState,
    evidence: Evidence,
    events: EventStore,
    *,
    until: datetime | None,
    readings: Readings = NOTHING,
) -> Summary:
    """Fold what closed since the last look, up to the log's watermark (plan time; None: nothing was read yet).
    readings: what was read of releases and sources."""
    contrast = contrast_of(state)
    data = read_look(state, contrast, events, until=until, readings=readings)
    assignment = events.assignment(contrast)
    evidence = fold_all(state, evidence, data, assignment)
    moved = has_span(state, until)
    return Summary(
        evidence=evidence,
        analyses=look_analyses(state, evidence),
        goals=goals_of(state, evidence),
        assignment=assignment,
        data=data,
        summarised_to=until if moved else state.summarised_to,
        has_moved=moved,
    )


def fold_recovery(state: RolloutState, evidence: Evidence, events: EventStore, *, until: datetime | None) -> Summary:
    """The same for the units formerly treated, after the flag went off (RULES H3)."""
    phase, returned_phase = check_phases(state)
    contrast = recovery_contrast(state, phase=phase)
    returning = recovery_contrast(state, phase=returned_phase)
    blocks = read_blocks(state, contrast, events, until=until)
    blocks += [b for b in read_blocks(state, returning, events, until=until) if not isinstance(b, LimitBlock)]
    assignment = events.assignment(contrast)
    folded = fold_after(state.plan, evidence, blocks)
    moved = has_span(state, until)
    return Summary(
        evidence=folded,
        analyses=recovery_analyses(state, folded, phase=phase),
        returned=recovery_analyses(state, folded, phase=returned_phase),
        goals={},
        assignment=assignment,
        data=LookData(blocks=blocks),
        summarised_to=until if moved else state.summarised_to,
        has_moved=moved,
        harm_bounds=harm_bounds_of(folded),
    )


def has_span(state: RolloutState, until: datetime | None) -> bool:
    return until is not None and state.summarised_to is not None and until > state.summarised_to


def fold_all(
    state: RolloutState, evidence: Evidence, data: LookData, assignment: Assignment, *, edition: int = EVIDENCE_EDITION
) -> Evidence:
    """The evidence of a rollout with one more span: pure, so that a replay gives the same. edition: of the decision
    (EVIDENCE_EDITION)."""
    plan = state.plan
    return msgspec.structs.replace(
        evidence,
        metrics=_fold_metrics(plan.guardrails, evidence.metrics or _started(plan), data.blocks, edition=edition),
        limits=_fold_limits(plan, evidence.limits, data.blocks),
        goals=_fold_goals(plan, evidence.goals, data.blocks),
        sample_ratio=fold_assignment(evidence.sample_ratio, assignment),
        late=_fold_late(plan, evidence.late, data, edition=edition),
        arrivals=_fold_arrivals(plan, evidence.arrivals, data),
        volume=_fold_volume(state, evidence.volume, data),
        clustered=_fold_clustered(plan, evidence.clustered, data),
        parts=fold_derived(plan.metrics, evidence.parts, data.parts),
        readings=_fold_readings(plan, evidence.readings, data.readings),
    )


def _fold_readings(
    plan: Plan, found: Mapping[str, ReadingEvidence], blocks: list[ReadingBlock]
) -> dict[str, ReadingEvidence]:
    readings = dict(found)
    guardrails = {guardrail.metric.name: guardrail for guardrail in plan.guardrails}
    for block in blocks:
        before = readings.get(block.metric) or ReadingEvidence()
        readings[block.metric] = fold_reading(guardrails[block.metric], before, block)
    return readings


def fold_after(plan: Plan, evidence: Evidence, blocks: list[AnyBlock]) -> Evidence:
    """The evidence with one more span after the flag went off: what was shown stays, nothing is added to it."""
    return msgspec.structs.replace(
        evidence,
        metrics=_fold_metrics(plan.guardrails, evidence.metrics or _started(plan), blocks),
        recovery_limits=_fold_limits(plan, evidence.recovery_limits, [b for b in blocks if b.phase == RECOVERY]),
        redeploy_limits=_fold_limits(plan, evidence.redeploy_limits, [b for b in blocks if b.phase == REDEPLOYED]),
    )


def harm_bounds_of(evidence: Evidence) -> dict[str, float]:
    """By metric that was shown harmed, early or late, the lower bound of the harm then."""
    late = {n: e.harm_bound or 0.0 for n, e in evidence.late.items() if e.harm_shown_at is not None}
    return late | {n: m.harm_bound or 0.0 for n, m in evidence.metrics.items() if m.harm_shown_at is not None}


def _fold_late(
    plan: Plan, found: Mapping[str, LateEvidence], data: LookData, *, edition: int
) -> dict[str, LateEvidence]:
    late = dict(found)
    guardrails = {g.metric.name: g for g in plan.guardrails}
    for one in data.late:
        name = one.block.metric
        late[name] = fold_late(
            guardrails[name],
            late.get(name) or LateEvidence(metric=name),
            one,
            alpha_of=_late_alpha(plan, name),
            edition=edition,
        )
    return late


def _late_alpha(plan: Plan, name: str) -> Callable[[int], float]:
    return lambda epoch: late_alphas(ledger_of(plan.alpha), compared(plan), epoch)[name]


def _fold_arrivals(plan: Plan, found: Mapping[str, ArrivalEvidence], data: LookData) -> dict[str, ArrivalEvidence]:
    arrivals = dict(found)
    for block in data.arrivals:
        before = arrivals.get(block.metric) or ArrivalEvidence(metric=block.metric)
        arrivals[block.metric] = fold_arrivals(before, block, tests=2 * len(plan.guardrails))
    return arrivals


def _fold_volume(state: RolloutState, evidence: VolumeEvidence, data: LookData) -> VolumeEvidence:
    if data.volume is None:
        return evidence
    promised = promised_volume(contrast_of(state), holdout=state.plan.holdout)
    return fold_volume(evidence, data.volume, promised=promised)


def _fold_clustered(plan: Plan, found: Mapping[str, MetricEvidence], data: LookData) -> dict[str, MetricEvidence]:
    clustered = dict(found)
    guardrails = {g.metric.name: as_clustered(g) for g in plan.guardrails}
    for block in data.clustered:
        guardrail = guardrails[block.metric]
        clustered[block.metric] = fold(guardrail, clustered.get(block.metric) or start(guardrail, alpha=None), block)
    return clustered


def as_clustered(guardrail: Guardrail) -> Guardrail:
    """A rate's guardrail, over all requests."""
    return msgspec.structs.replace(guardrail, metric=clustered_metric(guardrail.metric))


def _started(plan: Plan) -> dict[str, MetricEvidence]:
    alphas = relative_alphas(ledger_of(plan.alpha), compared(plan))
    return {g.metric.name: start(g, alpha=alphas.get(g.metric.name)) for g in plan.guardrails}


def compared(plan: Plan) -> list[Guardrail]:
    """The guardrails that chance can fool, and that share the error budget: not what is only read."""
    return [guardrail for guardrail in plan.guardrails if not is_only_read(guardrail.metric)]


def _fold_metrics(
    guardrails: tuple[Guardrail, ...],
    found: Mapping[str, MetricEvidence],
    blocks: list[AnyBlock],
    *,
    edition: int = EVIDENCE_EDITION,
) -> dict[str, MetricEvidence]:
    metrics = dict(found)
    by_name = {guardrail.metric.name: guardrail for guardrail in guardrails}
    for block in blocks:
        if not isinstance(block, LimitBlock) and (guardrail := by_name.get(block.metric)) is not None:
            metrics[block.metric] = fold(guardrail, metrics[block.metric], block, edition=edition)
    return metrics


def _fold_goals(plan: Plan, found: Mapping[str, MetricEvidence], blocks: list[AnyBlock]) -> dict[str, MetricEvidence]:
    goals = {g.metric.name: goal_guardrail(g) for g in plan.goals}
    evidence = {name: found.get(name) or start(guardrail, alpha=None) for name, guardrail in goals.items()}
    for block in blocks:
        if not isinstance(block, LimitBlock) and (guardrail := goals.get(block.metric)) is not None:
            evidence[block.metric] = fold(guardrail, evidence[block.metric], block)
    return evidence


def _fold_limits(plan: Plan, found: Mapping[str, LimitEvidence], blocks: list[AnyBlock]) -> dict[str, LimitEvidence]:
    alphas = limit_alphas(ledger_of(plan.alpha), compared(plan))
    guardrails = {g.metric.name: g for g in plan.guardrails}
    limits = dict(found)
    for (metric, limit, function), alpha in alphas.items():
        key = limit_name(metric, limit, function)
        if key not in limits:
            share = value_weight(1) if _is_open(guardrails[metric], function) else 1.0
            limits[key] = start_limit(guardrails[metric], limit=limit, function=function, alpha=alpha * share)
    for block in blocks:
        if isinstance(block, LimitBlock):
            key = limit_name(block.metric, block.limit, block.function)
            if key not in limits:  # a value of `by` that came just now
                place = 1 + sum(name.startswith(limit_name(block.metric, block.limit, "")) for name in limits)
                alpha = alphas[block.metric, block.limit, ""] * value_weight(place)
                limits[key] = start_limit(
                    guardrails[block.metric], limit=block.limit, function=block.function, alpha=alpha
                )
            limits[key] = fold_limit(limits[key], block)
    return limits


def _is_open(guardrail: Guardrail, function: str) -> bool:
    """Whether values of `by` may join the limit as they come (RULES G1)."""
    return not function and is_parted(guardrail.metric) and not guardrail.metric.on


def limit_name(metric: str, limit: float, function: str) -> str:
    """The key of a limit's evidence."""
    return f"{metric}>{limit!r}@{function}"


def look_analyses(state: RolloutState, evidence: Evidence) -> dict[str, Analysis]:
    """What the evidence says of every guardrail in the current phase."""
    contrast, units, plan = contrast_of(state), late_units(state), state.plan
    found = {
        guardrail.metric.name: judge(
            guardrail,
            evidence.metrics[guardrail.metric.name],
            phase=contrast.phase,
            has_contrast=contrast.is_randomised,
            min_n=plan.min_units,
            limits=_limits(guardrail, evidence.limits),
            late=judge_late(
                guardrail,
                evidence.late.get(guardrail.metric.name),
                has_treated=units.has_treated,
                has_control=units.has_control,
            ),
            clustered=_clustered(guardrail, evidence, phase=contrast.phase),
        )
        for guardrail in plan.guardrails
        if not is_only_read(guardrail.metric)
    }
    return {
        guardrail.metric.name: judge_reading(guardrail, evidence.readings.get(guardrail.metric.name))
        if is_only_read(guardrail.metric)
        else with_requests(
            guardrail.metric,
            with_derived(
                guardrail, found[guardrail.metric.name], evidence.parts, phase=contrast.phase, min_n=plan.min_units
            ),
        )
        for guardrail in plan.guardrails
    }


def _clustered(guardrail: Guardrail, evidence: Evidence, *, phase: int) -> ClusteredRate | None:
    found = evidence.clustered.get(guardrail.metric.name)
    return judge_clustered(as_clustered(guardrail), found, phase=phase) if found is not None else None


def recovery_analyses(state: RolloutState, evidence: Evidence, *, phase: int) -> dict[str, Analysis]:
    """What it says after the flag went off. phase: one of AFTERWARDS. A number that is only read stays what it was."""
    is_second = phase in (REDEPLOYED, REDEPLOYED_RETURNED)
    contrast = recovery_contrast(state, phase=phase)
    return {
        guardrail.metric.name: judge_reading(guardrail, evidence.readings.get(guardrail.metric.name))
        if is_only_read(guardrail.metric)
        else judge(
            guardrail,
            evidence.metrics[guardrail.metric.name],
            phase=phase,
            has_contrast=contrast.is_randomised,
            min_n=state.plan.min_units,
            limits=_limits(guardrail, evidence.redeploy_limits if is_second else evidence.recovery_limits),
        )
        for guardrail in state.plan.guardrails
    }


def _limits(guardrail: Guardrail, found: Mapping[str, LimitEvidence]) -> tuple[LimitAnalysis, ...]:
    keys = limit_keys(guardrail)
    names = [limit_name(guardrail.metric.name, limit, function) for limit, function in keys]
    for limit, function in keys:
        if _is_open(guardrail, function):
            names += [name for name in found if name.startswith(limit_name(guardrail.metric.name, limit, ""))]
    names = list(dict.fromkeys(names))
    return tuple(judge_limit(found[name]) for name in names if name in found)


def goals_of(state: RolloutState, evidence: Evidence) -> dict[str, GoalAnalysis]:
    """Goals by the newest phase that has two random arms; without one there is nothing to say yet."""
    indices = [record.index for record in state.phases if contrast_of(state, record.index).is_randomised]
    if not indices:
        return {}
    return {
        goal.metric.name: goal_with_derived(
            goal.metric,
            judge_goal(goal, evidence.goals[goal.metric.name], phase=indices[-1], min_n=state.plan.min_units),
            evidence.parts,
            phase=indices[-1],
        )
        for goal in state.plan.goals
    }
