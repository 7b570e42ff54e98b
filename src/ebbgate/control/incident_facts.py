"""What the stored rows say of an incident: times, metrics, stages, charts. Nothing is guessed."""

from collections.abc import Sequence
from datetime import datetime

from ebbgate.control.decisions import facts_of as look_of
from ebbgate.control.incident_timeline import all_decisions
from ebbgate.core.incidents import Chart, Facts, Incident, MetricFacts, Series, Stage, StageFacts
from ebbgate.core.metrics.analysis import Analysis, LimitStanding, Verdict
from ebbgate.core.metrics.definition import Guardrail
from ebbgate.core.metrics.display import format_value
from ebbgate.core.rollouts.decision import Code, Step
from ebbgate.core.rollouts.recovery import recovery_contrast
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackState, RolloutState
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlTransaction, DecisionRow
from ebbgate.ports.event_store import EventStore

CHART_POINTS = 200
"""Looks shown in a chart at most; of more, every so-manyth."""

Look = tuple[DecisionRow, dict[str, Analysis]]


def facts_of(tx: ControlTransaction, events: EventStore, clock: Clock, incident: Incident) -> Facts:
    """The facts of an incident; of one without a rollout, its own times alone."""
    state = tx.rollout(incident.rollout) if incident.rollout is not None else None
    if state is None or not state.phases:
        return Facts(
            began_at=incident.began_at,
            detected_at=incident.opened_at,
            decided_at=None,
            mitigated_at=None,
            recovered_at=incident.stable_at,
            exposed=None,
            plan_scale=clock.mapping.scale,
        )
    looks: list[Look] = []  # up to the decision
    steps: list[Look] = []  # of the rollback: they judge the recovery
    for row in all_decisions(tx, state.id):
        seen = look_of(row)
        (looks if seen.rollback is None else steps).append((row, seen.analyses))
    found = next((index for index, (_, analyses) in enumerate(looks) if _is_harm(analyses)), None)
    stages = _stages(events, clock, state, refused=_refused([row for row, _ in steps]))
    return Facts(
        exposed_from=clock.mapping.machine_time(state.phases[0].entered_at),
        began_at=incident.began_at,
        detected_at=_detected_at(looks[found][0].machine_at if found is not None else incident.opened_at, state),
        decided_at=state.rollback.off_at if state.rollback is not None else None,
        mitigated_at=_mitigated_at(stages) or _served_old_at(events, clock, state),
        recovered_at=_recovered_at(clock, state),
        exposed=_exposed(events, state),
        metrics=tuple(_metric(guardrail, looks, steps, found) for guardrail in state.plan.guardrails),
        stages=stages,
        charts=tuple(
            chart for guardrail in state.plan.guardrails if (chart := _chart(guardrail, looks + steps, state))
        ),
        plan_scale=clock.mapping.scale,
    )


def _detected_at(at: datetime, state: RolloutState) -> datetime:
    """The time of the look, or of the incident. Both are written a moment after the kill, in its transaction."""
    return min(at, state.rollback.off_at) if state.rollback is not None else at


def _is_harm(analyses: dict[str, Analysis]) -> bool:
    return any(
        analysis.verdict is Verdict.HARM
        or any(limit.is_critical and limit.standing is LimitStanding.BREACHED for limit in analysis.limits)
        for analysis in analyses.values()
    )


def _recovered_at(clock: Clock, state: RolloutState) -> datetime | None:
    rollback = state.rollback
    if rollback is None or rollback.outcome is not RollbackOutcome.RECOVERED or rollback.ended_at is None:
        return None
    return clock.mapping.machine_time(rollback.ended_at)


def _exposed(events: EventStore, state: RolloutState) -> int:
    return events.exposed_units(
        environment=state.plan.environment,
        flag=state.plan.flag,
        versions=(state.phases[0].snapshot_version, state.rollback.off_version if state.rollback else None),
        variants=state.plan.treatment_variants,
    )


def _stages(events: EventStore, clock: Clock, state: RolloutState, *, refused: str) -> tuple[StageFacts, ...]:
    rollback = state.rollback
    if rollback is None:
        return ()
    arrivals = [one.received_at for one in events.confirmations(rollback.off_version)]
    last = max(arrivals, default=None)
    followed = not rollback.stragglers and rollback.confirmed == rollback.expected if rollback.expected else None
    words = f"{rollback.confirmed}/{rollback.expected} evaluators confirmed, {rollback.unproven} unproven."
    if rollback.stragglers:
        words += f" Not following: {', '.join(rollback.stragglers)}."
    return (
        _flag_off(rollback, refused),
        StageFacts(
            stage=Stage.PROPAGATION,
            began_at=rollback.off_at,
            ended_at=last if followed else None,
            worked=followed,
            words=words if rollback.confirmed is not None else "No proof was asked for yet.",
        ),
        recovery_stage(clock, rollback),
        *_second_stage(clock, rollback),
    )


def _refused(rows: Sequence[DecisionRow]) -> str:
    """Why the flag could not be written, where that led to the second stage; empty where it was written."""
    redeploys = [row for row in rows if isinstance(row.decision, Step) and row.decision.code is Code.REDEPLOY]
    facts = look_of(redeploys[-1]).rollback if redeploys else None
    return facts.flag_error if facts is not None else ""


def _flag_off(rollback: RollbackState, refused: str) -> StageFacts:
    """Decided is not written: the file of the flags may refuse (RULES H1)."""
    off = f"Snapshot {rollback.off_version}, which serves the old version to all,"
    return StageFacts(
        stage=Stage.FLAG_OFF,
        began_at=rollback.off_at,
        ended_at=None if refused else rollback.off_at,
        worked=not refused,
        words=f"{off} could not be written: {refused}." if refused else f"{off} was committed.",
    )


def recovery_stage(clock: Clock, rollback: RollbackState) -> StageFacts:
    """What the metrics said before a second stage, if there was one: it may have come before they could."""
    if rollback.redeploy_from_at is not None:
        began, ended = rollback.off_at, rollback.redeploy_from_at
        is_skipped = rollback.is_recovery_skipped
        words = f"{'Not waited for' if is_skipped else 'The flag was not enough'}: {rollback.redeploy_why}."
        worked = None if is_skipped else False
        return StageFacts(stage=Stage.RECOVERY, began_at=began, ended_at=ended, worked=worked, words=words)
    began_plan, ended_plan = rollback.recovery_from_at, rollback.ended_at
    outcome = rollback.outcome
    return StageFacts(
        stage=Stage.RECOVERY,
        began_at=clock.mapping.machine_time(began_plan) if began_plan is not None else None,
        ended_at=clock.mapping.machine_time(ended_plan) if ended_plan is not None else None,
        worked=None if outcome is None else outcome is RollbackOutcome.RECOVERED,
        words=f"{outcome.value.capitalize()}: {rollback.outcome_reason}." if outcome is not None else "Not known yet.",
    )


def _second_stage(clock: Clock, rollback: RollbackState) -> list[StageFacts]:
    if rollback.redeploy_from_at is None:
        return []
    came, ended, outcome = rollback.redeployed_at, rollback.ended_at, rollback.outcome
    words = f"{rollback.redeploy_to} answered." if came is not None else rollback.outcome_reason or "On its way."
    is_known = came is not None or outcome is not None
    stages = [
        StageFacts(
            stage=Stage.REDEPLOY,
            began_at=rollback.redeploy_from_at,
            ended_at=came,
            worked=came is not None if is_known else None,
            words=words,
        )
    ]
    if came is not None:
        stages.append(
            StageFacts(
                stage=Stage.VERIFY,
                began_at=came,
                ended_at=clock.mapping.machine_time(ended) if ended is not None else None,
                worked=None if outcome is None else outcome is RollbackOutcome.RECOVERED,
                words=f"{outcome.value.capitalize()}: {rollback.outcome_reason}." if outcome else "Not known yet.",
            )
        )
    return stages


def _mitigated_at(stages: Sequence[StageFacts]) -> datetime | None:
    """The old version is served: by the flag where all followed it, else by the redeployment."""
    worked = [stage for stage in stages if stage.worked and stage.stage in (Stage.PROPAGATION, Stage.REDEPLOY)]
    return worked[0].ended_at if worked else None


def _served_old_at(events: EventStore, clock: Clock, state: RolloutState) -> datetime | None:
    """Where nobody confirms, as with OFREP alone: when a user who had the new version was first served the old one."""
    if state.rollback is None or state.rollback.stragglers or state.rollback.redeploy_from_at is not None:
        return None
    seen = events.first_treated_at(recovery_contrast(state))
    return max(clock.mapping.machine_time(seen), state.rollback.off_at) if seen is not None else None


def _metric(guardrail: Guardrail, looks: Sequence[Look], steps: Sequence[Look], found: int | None) -> MetricFacts:
    """found: the look that found harm; where none did, such as when a person took it back, the last one tells."""
    name = guardrail.metric.name
    decided = len(looks) - 1 if found is None else found
    earlier = [analyses[name] for _, analyses in looks[: max(decided, 0)] if name in analyses]
    during = looks[decided][1].get(name) if looks else None
    later = [analyses[name] for _, analyses in steps if name in analyses]
    return MetricFacts(
        metric=name,
        before=_pair(guardrail, earlier[-1] if earlier else None),
        during=_pair(guardrail, during),
        after=_pair(guardrail, later[-1] if later else None),
        words=during.words if during is not None else "",
    )


def _pair(guardrail: Guardrail, analysis: Analysis | None) -> tuple[str, str] | None:
    if analysis is None or analysis.treatment_value is None or analysis.control_value is None:
        return None
    metric = guardrail.metric
    return format_value(metric, analysis.treatment_value), format_value(metric, analysis.control_value)


def _chart(guardrail: Guardrail, looks: Sequence[Look], state: RolloutState) -> Chart | None:
    """Both versions by plan time; None where nothing was compared."""
    name = guardrail.metric.name
    points = [
        (row.looked_at, analyses[name].treatment_value, analyses[name].control_value)
        for row, analyses in looks
        if name in analyses
    ]
    known = [(at, new, old) for at, new, old in points if new is not None and old is not None]
    if len(known) < 2:
        return None
    shown = known[:: -(-len(known) // CHART_POINTS)]
    at = tuple(point[0] for point in shown)
    marks = [(record.entered_at, state.plan.phases[record.index].name) for record in state.phases]
    if state.rollback is not None:
        marks.append((state.rollback.started_at, "taken back"))
    (_, first_new, first_old), (_, last_new, last_old) = known[0], known[-1]
    told = [format_value(guardrail.metric, value) for value in (first_new, first_old, last_new, last_old)]
    return Chart(
        metric=name,
        unit=guardrail.metric.kind.value,
        series=(
            Series(name="new", at=at, values=tuple(point[1] for point in shown)),
            Series(name="old", at=at, values=tuple(point[2] for point in shown)),
        ),
        marks=tuple(marks),
        summary=(
            f"{name}: {told[0]} against {told[1]} in the first of {len(known)} looks, {told[2]} against {told[3]} "
            "in the last (new against old)."
        ),
    )
