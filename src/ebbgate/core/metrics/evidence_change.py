"""The change that a metric shows in one phase: estimate, interval, and bounds toward harm that hold at all times at
once."""

import msgspec

from ebbgate.core.metrics.definition import Guardrail, Margin, MetricKind
from ebbgate.core.metrics.evidence_quantile import Bounds, difference_bounds, quantile_values, relative_bounds
from ebbgate.core.metrics.evidence_tolerance import sign
from ebbgate.core.metrics.evidence_types import MetricEvidence, PhaseEvidence
from ebbgate.core.stats import (
    ArmSums,
    Estimate,
    arm_estimate,
    difference,
    one_sided_multiplier,
    ratio_interval,
    two_sided_multiplier,
)

_PROPORTIONS = (MetricKind.SHARE, MetricKind.RATE)
_EVEN = Margin(relative=0.0)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Treatment against control in one phase. None stands for "nothing to say", never for 0.

    estimate, interval: of treatment - control, in the metric's unit. relative_interval: of treatment / control - 1.
    toward_harm: the estimate, positive if worse. harm_lower, harm_upper: one-sided bounds of it. margin: the margin
    asked for, in the metric's unit; `harm_upper < margin` is what proves the metric inside it. units: effective.
    """

    treatment_n: int = 0
    control_n: int = 0
    units: float = 0.0
    treatment_value: float | None = None
    control_value: float | None = None
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    relative: float | None = None
    relative_interval: tuple[float, float] | None = None
    toward_harm: float | None = None
    harm_lower: float | None = None
    harm_upper: float | None = None
    margin: float | None = None


def measure(
    guardrail: Guardrail, evidence: MetricEvidence, *, phase: int, margin: Margin | None = None, alpha: float = 0.05
) -> Change:
    """The change in one phase (or `RECOVERY`). margin: what `harm_upper` is to be compared with; alpha: of each
    bound, in (0, 0.5).

    With a relative margin m the upper bound is that of the linear contrast T - (1 +- m) C, so that no division by an
    uncertain control decides (analysis.md 1.4); `harm_upper < margin` says exactly that this contrast is proven below
    0.
    """
    found = evidence.phases.get(phase)
    if found is None:
        return Change()
    return measure_phase(guardrail, found, margin=margin, alpha=alpha)


def measure_phase(
    guardrail: Guardrail, phase: PhaseEvidence, *, margin: Margin | None = None, alpha: float = 0.05
) -> Change:
    """As `measure`, of a phase in hand."""
    if guardrail.metric.kind is MetricKind.QUANTILE:
        return _quantile_change(guardrail, phase, margin, alpha)
    strata = phase.strata
    change = Change(
        treatment_n=strata.treatment.n,
        control_n=strata.control.n,
        units=strata.units,
        treatment_value=_shown(guardrail, strata.treatment, phase.treatment_raw_total),
        control_value=_shown(guardrail, strata.control, phase.control_raw_total),
    )
    imaginary = imaginary_observation(guardrail, phase.cap)
    treatment = arm_estimate(strata.treatment, strata.units, imaginary=imaginary)
    control = arm_estimate(strata.control, strata.units, imaginary=imaginary)
    plain = difference(strata, imaginary=imaginary)
    beyond = excess(guardrail, phase, margin or _EVEN, imaginary=imaginary)
    if treatment is None or control is None or plain is None or beyond is None:
        return change
    one, two = one_sided_multiplier(strata.units, alpha), two_sided_multiplier(strata.units, alpha)
    toward = sign(guardrail) * plain.value
    ratio = ratio_interval(treatment.value, control.value, treatment.error**2, control.error**2, two)
    return msgspec.structs.replace(
        change,
        estimate=plain.value,
        interval=(plain.value - two * plain.error, plain.value + two * plain.error),
        relative=treatment.value / control.value - 1 if control.value else None,
        relative_interval=None if ratio is None else (ratio[0] - 1, ratio[1] - 1),
        toward_harm=toward,
        harm_lower=toward - one * plain.error,
        harm_upper=toward + one * beyond.error,
        margin=None if margin is None else in_unit(margin, control.value),
    )


def in_unit(margin: Margin, control_value: float) -> float:
    """A margin in the metric's own unit."""
    return margin.absolute if margin.absolute is not None else (margin.relative or 0.0) * control_value


def excess(
    guardrail: Guardrail, phase: PhaseEvidence, margin: Margin, *, imaginary: float | None = None
) -> Estimate | None:
    """How far the change toward harm exceeds a margin: sign * (T - (1 +- m) C) or sign * (T - C) - margin, with its
    error."""
    worse = sign(guardrail)
    factor = 1.0 if margin.absolute is not None else 1.0 + worse * (margin.relative or 0.0)
    contrast = difference(phase.strata, factor=factor, imaginary=imaginary)
    if contrast is None:
        return None
    return Estimate(value=worse * contrast.value - (margin.absolute or 0.0), error=contrast.error)


def harm_bound(guardrail: Guardrail, phase: PhaseEvidence) -> float | None:
    """Lower bound of the change toward harm, in the metric's unit, when harm is shown: at least what the crossing
    itself proves."""
    change = measure_phase(guardrail, phase)
    control = change.control_value
    proven = in_unit(guardrail.tolerate, control) if control is not None else None
    known = [value for value in (change.harm_lower, proven) if value is not None]
    return max(known) if known else None


def imaginary_observation(guardrail: Guardrail, cap: float) -> float | None:
    """One bad observation that each arm's *variance* is given beside its own (see `arm_estimate`)."""
    worse, metric = sign(guardrail), guardrail.metric
    if metric.kind in _PROPORTIONS:
        return 1.0 if worse > 0 else 0.0
    if metric.kind is MetricKind.RATIO:
        return None
    if metric.scale is not None:
        return metric.scale[1] if worse > 0 else metric.scale[0]
    if worse < 0:
        return 0.0
    return cap if cap > 0 else None


def _shown(guardrail: Guardrail, arm: ArmSums, raw_total: float) -> float | None:
    if guardrail.metric.kind is MetricKind.RATIO:
        return arm.numerator / arm.denominator if arm.denominator > 0 else None
    return raw_total / arm.n if arm.n else None


def _quantile_change(guardrail: Guardrail, phase: PhaseEvidence, margin: Margin | None, alpha: float) -> Change:
    """Bounds on the scale that the margin is on: ratios for relative margins (and none), differences for absolute
    ones."""
    quantile = guardrail.metric.quantile
    assert quantile is not None, guardrail.metric.name
    treatment, control = quantile_values(phase, quantile)
    change = Change(
        treatment_n=phase.strata.treatment.n,
        control_n=phase.strata.control.n,
        units=phase.strata.units,
        treatment_value=treatment,
        control_value=control,
    )
    if change.units <= 0 or treatment is None or control is None:
        return change
    one, two = one_sided_multiplier(change.units, alpha), two_sided_multiplier(change.units, alpha)
    if margin is not None and margin.absolute is not None:
        low, high = difference_bounds(phase, quantile, one)
    else:
        low, high = (None if x is None else x * control for x in relative_bounds(phase, quantile, one))
    worse = sign(guardrail)
    return msgspec.structs.replace(
        change,
        estimate=treatment - control,
        interval=_whole(difference_bounds(phase, quantile, two)),
        relative=treatment / control - 1 if control > 0 else None,
        relative_interval=_whole(relative_bounds(phase, quantile, two)),
        toward_harm=worse * (treatment - control),
        harm_lower=low if worse > 0 else _negated(high),
        harm_upper=high if worse > 0 else _negated(low),
        margin=None if margin is None else in_unit(margin, control),
    )


def _whole(bounds: Bounds) -> tuple[float, float] | None:
    low, high = bounds
    return None if low is None or high is None else (low, high)


def _negated(value: float | None) -> float | None:
    return None if value is None else -value
