"""What the evidence on one guardrail says now (RULES E6, F1)."""

from math import ceil

from ebbgate.core.metrics.analysis import (
    Analysis,
    ClusteredRate,
    LateAnalysis,
    LateStanding,
    LimitAnalysis,
    TrailStep,
    Verdict,
)
from ebbgate.core.metrics.blocks import AFTERWARDS
from ebbgate.core.metrics.definition import Guardrail, Margin, MetricKind
from ebbgate.core.metrics.display import format_change, format_value, format_worse
from ebbgate.core.metrics.evidence_change import Change, excess, measure
from ebbgate.core.metrics.evidence_tolerance import sign
from ebbgate.core.metrics.evidence_types import MetricEvidence, PhaseEvidence
from ebbgate.core.metrics.outliers import outliers_of

SAFE_ALPHA = 0.05
"""Chance of ever proving a guardrail inside a margin that it breaks. Not divided: every guardrail must pass (RULES
E6)."""

MIN_UNITS = 100
"""Units of each arm before a bound is believed. Source: analysis.md 4."""


def judge(
    guardrail: Guardrail,
    evidence: MetricEvidence,
    *,
    phase: int,
    has_contrast: bool,
    min_n: int = MIN_UNITS,
    safe_alpha: float = SAFE_ALPHA,
    limits: tuple[LimitAnalysis, ...] = (),
    late: LateAnalysis | None = None,
    clustered: ClusteredRate | None = None,
) -> Analysis:
    """The verdict with the numbers behind it. Harm, once shown in any phase, stays shown; safety is asked of `phase`
    alone.

    has_contrast: whether the *plan* gives this phase two random arms, whatever arrived (RULES F1). min_n: units of
    the smaller arm. phase: index in the plan, or RECOVERY. limits: passed through. late: what the late-harm test
    says; where it alone shows harm, `why` is `late` (RULES E3). clustered: a
    rate over all requests, for display (RULES D3).
    """
    change = measure(guardrail, evidence, phase=phase, margin=guardrail.worse_by, alpha=safe_alpha)
    verdict, why = _verdict(guardrail, evidence, change, has_contrast=has_contrast, min_n=min_n)
    is_late = why != "crossed" and late is not None and late.standing is LateStanding.SHOWN
    if is_late:
        verdict, why = Verdict.HARM, "late"
    needed = units_wanted(guardrail, min_n)
    return Analysis(
        metric=guardrail.metric.name,
        verdict=verdict,
        why=why,
        words=late.words if is_late and late is not None else _words(guardrail, evidence, change, why, needed),
        log_e=evidence.log_e,
        threshold=evidence.threshold or 0.0,
        harm_shown_at=late.harm_shown_at if is_late and late is not None else evidence.harm_shown_at,
        harm_bound=late.harm_bound if is_late and late is not None else evidence.harm_bound,
        treatment_n=change.treatment_n,
        control_n=change.control_n,
        treatment_value=change.treatment_value,
        control_value=change.control_value,
        estimate=change.estimate,
        interval=change.interval,
        worsening=change.toward_harm,
        safe_bound=change.harm_upper,
        margin=change.margin,
        limits=limits,
        newest_at=evidence.newest_at,
        late=late,
        clustered=clustered,
        window=guardrail.metric.window,
        trail=_trail(guardrail, evidence),
        outliers=outliers_of(guardrail, evidence, phase=phase),
    )


def _trail(guardrail: Guardrail, evidence: MetricEvidence) -> tuple[TrailStep, ...]:
    """What each phase of the plan brought, oldest first."""
    phases = sorted(index for index in evidence.phases if index not in AFTERWARDS)
    return tuple(_trail_step(guardrail, index, evidence.phases[index]) for index in phases)


def _trail_step(guardrail: Guardrail, index: int, phase: PhaseEvidence) -> TrailStep:
    is_quantile = guardrail.metric.kind is MetricKind.QUANTILE  # its estimates are a matter of the histograms
    change = None if is_quantile else excess(guardrail, phase, Margin(absolute=0.0))
    return TrailStep(
        phase=index,
        treatment_n=phase.strata.treatment.n,
        control_n=phase.strata.control.n,
        estimate=None if change is None else sign(guardrail) * change.value,
    )


def judge_clustered(guardrail: Guardrail, evidence: MetricEvidence, *, phase: int) -> ClusteredRate:
    """A rate over all requests, for display. guardrail: the rate's, as a ratio."""
    change = measure(guardrail, evidence, phase=phase, alpha=SAFE_ALPHA)
    return ClusteredRate(
        treatment_n=change.treatment_n,
        control_n=change.control_n,
        treatment_value=change.treatment_value,
        control_value=change.control_value,
        estimate=change.estimate,
        interval=change.interval,
        log_e=evidence.log_e,
    )


def units_wanted(guardrail: Guardrail, min_n: int) -> int:
    """Units of the smaller arm without which no bound is believed: for quantiles n > 4 q / (1 - q) as well
    (analysis.md 1.7)."""
    quantile = guardrail.metric.quantile
    if guardrail.metric.kind is not MetricKind.QUANTILE or quantile is None:
        return min_n
    rare = max(quantile, 1 - quantile)
    return max(min_n, ceil(4 * rare / (1 - rare)))


def _verdict(
    guardrail: Guardrail, evidence: MetricEvidence, change: Change, *, has_contrast: bool, min_n: int
) -> tuple[Verdict, str]:
    if evidence.harm_shown_at is not None:
        return Verdict.HARM, "crossed"
    if not has_contrast:
        return Verdict.NOT_APPLICABLE, "no_contrast"
    if guardrail.worse_by is None:
        return Verdict.UNDECIDED, "no_margin"
    smaller = min(change.treatment_n, change.control_n)
    if smaller == 0:
        return Verdict.UNDECIDED, "no_data"
    if smaller < units_wanted(guardrail, min_n):
        return Verdict.UNDECIDED, "too_few"
    if change.harm_upper is None or change.margin is None:
        return Verdict.UNDECIDED, "no_bound"
    if change.harm_upper < change.margin:
        return Verdict.SAFE, "proven"
    return Verdict.UNDECIDED, "not_proven"


def _words(guardrail: Guardrail, evidence: MetricEvidence, change: Change, why: str, needed: int) -> str:
    metric = guardrail.metric
    values = f"{format_value(metric, change.treatment_value)} against {format_value(metric, change.control_value)}"
    match why:
        case "crossed":
            bound = evidence.harm_bound
            seen = [values] if change.treatment_n or change.control_n else []  # of another phase: nothing of this one
            least = [f"worse by at least {format_worse(metric, bound)}"] if bound is not None and bound > 0 else []
            found = ", ".join((*seen, *least))
            return f"{metric.name} got worse than tolerated" + (f": {found}" if found else "")
        case "no_contrast":
            return f"{metric.name} has no random contrast in this phase"
        case "no_margin":
            return f"{metric.name} gates no phase: {values}, {format_change(metric, change.estimate)}"
        case "no_data":
            return f"{metric.name} has no data in one arm: {change.treatment_n:,} new, {change.control_n:,} old"
        case "too_few":
            smaller = min(change.treatment_n, change.control_n)
            return f"{metric.name} has {smaller:,} units in the smaller arm, and {needed:,} are needed"
        case "no_bound":
            return f"{metric.name} cannot be bounded yet: {values}"
    if why == "proven" and change.harm_upper is not None and change.harm_upper < 0:
        return f"{metric.name} is better by {format_worse(metric, -change.harm_upper)} at least: {values}"
    bound_text = format_worse(metric, change.harm_upper)
    margin_text = format_worse(metric, change.margin)
    if why == "proven":
        return f"{metric.name} is worse by {bound_text} at most, inside its margin of {margin_text}: {values}"
    return f"{metric.name} may be worse by up to {bound_text}; the margin is {margin_text}: {values}"
