"""Whether the data of a look may be trusted (RULES D4, D5, F2, G2)."""

from collections.abc import Mapping
from datetime import timedelta

from ebbgate.control.evidence import Summary
from ebbgate.control.readings import measured, silent_queries
from ebbgate.core.metrics import Analysis, GoalAnalysis, Verdict, judge_sample_ratio
from ebbgate.core.metrics.arrivals import ArrivalAnalysis, judge_arrivals, judge_volume
from ebbgate.core.metrics.broken import BROKEN
from ebbgate.core.rollouts.health import BrokenMetric, Health, exposure_excess
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import RolloutState, contrast_of
from ebbgate.ports.control_store import Evidence


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
        missing=_missing(state, summary, age=age),
        crossed_share=seen.crossed / (contrasted + seen.crossed) if contrasted >= state.plan.min_units else 0.0,
        exposed_share=exposed / active if active >= state.plan.min_units else None,
        exposure_excess=exposure_excess(state.phase.exposure, active),
        active_units=active,
        killed_by=killed_by,
        arrivals=_arrivals(state, summary.evidence),
        volume=judge_volume(summary.evidence.volume) if _has_volume(state, summary.evidence) else None,
        broken=_broken(summary),
    )


def _broken(summary: Summary) -> tuple[BrokenMetric, ...]:
    """What cannot be computed, guardrails first."""
    found: list[Analysis | GoalAnalysis] = [*summary.analyses.values(), *summary.goals.values()]
    return tuple(BrokenMetric(metric=one.metric, words=one.words) for one in found if one.why == BROKEN)


def _arrivals(state: RolloutState, evidence: Evidence) -> tuple[ArrivalAnalysis, ...]:
    """Of metrics with enough units of each arm, in a phase that compares any."""
    if not contrast_of(state).is_randomised:
        return ()
    tests = 2 * len(state.plan.guardrails)
    found = [judge_arrivals(evidence.arrivals[name], tests=tests) for name in sorted(evidence.arrivals)]
    return tuple(one for one in found if min(one.treatment_n, one.control_n) >= state.plan.min_units)


def _has_volume(state: RolloutState, evidence: Evidence) -> bool:
    return bool(evidence.volume.recent) and evidence.volume.phase == state.record.index


def _missing(state: RolloutState, summary: Summary, *, age: timedelta) -> tuple[str, ...]:
    """What has no data: of events, and of sources that have fallen silent."""
    asked = {metric.name for metric in measured(state.plan)}
    missing = [name for name in missing_metrics(state.plan, summary.analyses, age=age) if name not in asked]
    entered_at = state.record.entered_at
    silent = silent_queries(state.plan, summary.analyses, entered_at=entered_at, until=entered_at + age)
    return tuple(sorted({*missing, *silent}))


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
