"""From the event store to evidence: the blocks of one span of plan time, folded in a fixed order."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import msgspec

from ebbgate.control.evidence_analyses import (
    as_clustered,
    goals_of,
    is_open,
    limit_name,
    look_analyses,
    recovery_analyses,
)
from ebbgate.control.evidence_broken import Isolation
from ebbgate.control.evidence_read import NOTHING, read_blocks, read_look
from ebbgate.control.readings import Readings
from ebbgate.core.metrics import (
    RECOVERY,
    REDEPLOYED,
    Analysis,
    AnyBlock,
    Assignment,
    GoalAnalysis,
    Guardrail,
    LimitBlock,
    LimitEvidence,
    MetricEvidence,
    fold,
    fold_assignment,
    fold_limit,
    goal_guardrail,
    late_alphas,
    ledger_of,
    limit_alphas,
    relative_alphas,
    start,
    start_limit,
)
from ebbgate.core.metrics.arrivals import (
    ArrivalEvidence,
    VolumeEvidence,
    fold_arrivals,
    fold_volume,
    promised_volume,
)
from ebbgate.core.metrics.derived import fold_derived, value_weight
from ebbgate.core.metrics.evidence import EVIDENCE_EDITION
from ebbgate.core.metrics.late import LateEvidence, fold_late
from ebbgate.core.metrics.readings import (
    ReadingBlock,
    ReadingEvidence,
    fold_reading,
    is_only_read,
)
from ebbgate.core.rollouts.look import LookData
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.recovery import check_phases, recovery_contrast
from ebbgate.core.rollouts.state import RolloutState, contrast_of
from ebbgate.ports.control_store import Evidence
from ebbgate.ports.event_store import EventStore

__all__ = [
    "Summary",
    "compared",
    "fold_after",
    "fold_all",
    "fold_recovery",
    "fold_rollout",
    "goals_of",
    "harm_bounds_of",
    "limit_name",
    "look_analyses",
    "recovery_analyses",
]


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
    unread = Isolation()
    blocks = read_blocks(state, contrast, events, until=until, unread=unread)
    again = read_blocks(state, returning, events, until=until, unread=unread)
    blocks += [block for block in again if not isinstance(block, LimitBlock)]
    assignment = events.assignment(contrast)
    data = LookData(blocks=blocks, broken=[*unread.found])
    folded = fold_after(state.plan, evidence, data)
    moved = has_span(state, until)
    return Summary(
        evidence=folded,
        analyses=recovery_analyses(state, folded, phase=phase),
        returned=recovery_analyses(state, folded, phase=returned_phase),
        goals={},
        assignment=assignment,
        data=data,
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
    plan, each = state.plan, Isolation((*evidence.broken, *data.broken))
    folded = msgspec.structs.replace(
        evidence,
        metrics=_fold_metrics(plan.guardrails, evidence.metrics or _started(plan), data.blocks, each, edition=edition),
        limits=_fold_limits(plan, evidence.limits, data.blocks, each),
        goals=_fold_goals(plan, evidence.goals, data.blocks, each),
        sample_ratio=fold_assignment(evidence.sample_ratio, assignment),
        late=_fold_late(plan, evidence.late, data, each, edition=edition),
        arrivals=_fold_arrivals(plan, evidence.arrivals, data, each),
        volume=_fold_volume(state, evidence.volume, data),
        clustered=_fold_clustered(plan, evidence.clustered, data, each),
        parts=_fold_parts(plan, evidence.parts, data, each),
        readings=_fold_readings(plan, evidence.readings, data.readings, each),
    )
    return msgspec.structs.replace(folded, broken=each.found)


def _fold_readings(
    plan: Plan, found: Mapping[str, ReadingEvidence], blocks: list[ReadingBlock], each: Isolation
) -> dict[str, ReadingEvidence]:
    readings = dict(found)
    guardrails = {guardrail.metric.name: guardrail for guardrail in plan.guardrails}
    for block in blocks:
        before = readings.get(block.metric) or ReadingEvidence()
        work = partial(fold_reading, guardrails[block.metric], before, block)
        readings[block.metric] = each.folded(block, before, work)
    return readings


def _fold_parts(
    plan: Plan, found: Mapping[str, MetricEvidence], data: LookData, each: Isolation
) -> dict[str, MetricEvidence]:
    parts = dict(found)
    for block in data.parts:
        parts = each.folded(block, parts, partial(fold_derived, plan.metrics, parts, [block]))
    return parts


def fold_after(plan: Plan, evidence: Evidence, data: LookData) -> Evidence:
    """The evidence with one more span after the flag went off: what was shown stays, nothing is added to it."""
    blocks, each = data.blocks, Isolation((*evidence.broken, *data.broken))
    first, second = ([b for b in blocks if b.phase == phase] for phase in (RECOVERY, REDEPLOYED))
    folded = msgspec.structs.replace(
        evidence,
        metrics=_fold_metrics(plan.guardrails, evidence.metrics or _started(plan), blocks, each),
        recovery_limits=_fold_limits(plan, evidence.recovery_limits, first, each),
        redeploy_limits=_fold_limits(plan, evidence.redeploy_limits, second, each),
    )
    return msgspec.structs.replace(folded, broken=each.found)


def harm_bounds_of(evidence: Evidence) -> dict[str, float]:
    """By metric that was shown harmed, early or late, the lower bound of the harm then."""
    late = {n: e.harm_bound or 0.0 for n, e in evidence.late.items() if e.harm_shown_at is not None}
    return late | {n: m.harm_bound or 0.0 for n, m in evidence.metrics.items() if m.harm_shown_at is not None}


def _fold_late(
    plan: Plan, found: Mapping[str, LateEvidence], data: LookData, each: Isolation, *, edition: int
) -> dict[str, LateEvidence]:
    late = dict(found)
    guardrails = {g.metric.name: g for g in plan.guardrails}
    for one in data.late:
        name = one.block.metric
        before = late.get(name) or LateEvidence(metric=name)
        work = partial(fold_late, guardrails[name], before, one, alpha_of=_late_alpha(plan, name), edition=edition)
        late[name] = each.folded(one.block, before, work)
    return late


def _late_alpha(plan: Plan, name: str) -> Callable[[int], float]:
    return lambda epoch: late_alphas(ledger_of(plan.alpha), compared(plan), epoch)[name]


def _fold_arrivals(
    plan: Plan, found: Mapping[str, ArrivalEvidence], data: LookData, each: Isolation
) -> dict[str, ArrivalEvidence]:
    arrivals = dict(found)
    for block in data.arrivals:
        before = arrivals.get(block.metric) or ArrivalEvidence(metric=block.metric)
        work = partial(fold_arrivals, before, block, tests=2 * len(plan.guardrails))
        arrivals[block.metric] = each.folded(block, before, work)
    return arrivals


def _fold_volume(state: RolloutState, evidence: VolumeEvidence, data: LookData) -> VolumeEvidence:
    if data.volume is None:
        return evidence
    promised = promised_volume(contrast_of(state), holdout=state.plan.holdout)
    return fold_volume(evidence, data.volume, promised=promised)


def _fold_clustered(
    plan: Plan, found: Mapping[str, MetricEvidence], data: LookData, each: Isolation
) -> dict[str, MetricEvidence]:
    clustered = dict(found)
    guardrails = {g.metric.name: as_clustered(g) for g in plan.guardrails}
    for block in data.clustered:
        guardrail = guardrails[block.metric]
        before = clustered.get(block.metric) or start(guardrail, alpha=None)
        clustered[block.metric] = each.folded(block, before, partial(fold, guardrail, before, block))
    return clustered


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
    each: Isolation,
    *,
    edition: int = EVIDENCE_EDITION,
) -> dict[str, MetricEvidence]:
    metrics = dict(found)
    by_name = {guardrail.metric.name: guardrail for guardrail in guardrails}
    for block in blocks:
        if not isinstance(block, LimitBlock) and (guardrail := by_name.get(block.metric)) is not None:
            before = metrics[block.metric]
            metrics[block.metric] = each.folded(block, before, partial(fold, guardrail, before, block, edition=edition))
    return metrics


def _fold_goals(
    plan: Plan, found: Mapping[str, MetricEvidence], blocks: list[AnyBlock], each: Isolation
) -> dict[str, MetricEvidence]:
    goals = {g.metric.name: goal_guardrail(g) for g in plan.goals}
    evidence = {name: found.get(name) or start(guardrail, alpha=None) for name, guardrail in goals.items()}
    for block in blocks:
        if not isinstance(block, LimitBlock) and (guardrail := goals.get(block.metric)) is not None:
            before = evidence[block.metric]
            evidence[block.metric] = each.folded(block, before, partial(fold, guardrail, before, block))
    return evidence


def _fold_limits(
    plan: Plan, found: Mapping[str, LimitEvidence], blocks: list[AnyBlock], each: Isolation
) -> dict[str, LimitEvidence]:
    alphas = limit_alphas(ledger_of(plan.alpha), compared(plan))
    guardrails = {g.metric.name: g for g in plan.guardrails}
    limits = dict(found)
    for (metric, limit, function), alpha in alphas.items():
        key = limit_name(metric, limit, function)
        if key not in limits:
            share = value_weight(1) if is_open(guardrails[metric], function) else 1.0
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
            limits[key] = each.folded(block, limits[key], partial(fold_limit, limits[key], block))
    return limits
