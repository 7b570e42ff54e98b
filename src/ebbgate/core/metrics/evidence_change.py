"""The change that a metric shows in one phase: estimate, interval, and bounds toward harm that hold at all times at
once."""

from math import hypot

import msgspec

from ebbgate.core.metrics.definition import Guardrail, Margin, MetricKind
from ebbgate.core.metrics.evidence_quantile import Bounds, difference_bounds, quantile_values, relative_bounds
from ebbgate.core.metrics.evidence_tolerance import sign
from ebbgate.core.metrics.evidence_types import MetricEvidence, PhaseEvidence
from ebbgate.core.stats import (
    ArmSums,
    Estimate,
    Imaginary,
    arm_estimate,
    difference,
    effective_n,
    lower_share,
    one_sided_multiplier,
    ratio_interval,
    two_sided_multiplier,
    upper_share,
)

_PROPORTIONS = (MetricKind.SHARE, MetricKind.RATE)


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
    if treatment is None or control is None:
        return change
    one, two = one_sided_multiplier(strata.units, alpha), two_sided_multiplier(strata.units, alpha)
    worse, value = sign(guardrail), treatment.value - control.value
    factor = 1.0 if margin is None or margin.absolute is not None else 1.0 + worse * (margin.relative or 0.0)

    def reach(multiplier: float, *, up: bool, factor: float = 1.0) -> float:
        """How far above (or below) the estimate the bound of treatment - factor * control lies."""
        if guardrail.metric.kind in _PROPORTIONS:
            arms = (strata.treatment, treatment.value), (strata.control, control.value)
            sized = [(share, effective_n(arm, strata.units)) for arm, share in arms]
            return share_reach(*sized[0], *sized[1], multiplier, up=up, factor=factor)
        return multiplier * hypot(treatment.error, factor * control.error)

    ratio = ratio_interval(treatment.value, control.value, treatment.error**2, control.error**2, two)
    return msgspec.structs.replace(
        change,
        estimate=value,
        interval=(value - reach(two, up=False), value + reach(two, up=True)),
        relative=treatment.value / control.value - 1 if control.value else None,
        relative_interval=None if ratio is None else (ratio[0] - 1, ratio[1] - 1),
        toward_harm=worse * value,
        harm_lower=worse * value - reach(one, up=worse < 0),
        harm_upper=worse * value + reach(one, up=worse > 0, factor=factor),
        margin=None if margin is None else in_unit(margin, control.value),
    )


def share_reach(
    treatment: float,
    treatment_n: float,
    control: float,
    control_n: float,
    multiplier: float,
    *,
    up: bool,
    factor: float = 1.0,
) -> float:
    """Distance from treatment - factor * control, two observed shares, to its bound on one side.

    Each share has a likelihood bound; the two are combined as independent errors (MOVER, Zou and Donner 2008). A normal
    approximation called a rate of 0.6 % safe against a margin of 0.5 pp over 0.1 % in 7.6 % of 500 rollouts, at alpha
    5 %.
    """
    if up:
        treatment_error = upper_share(treatment, treatment_n, multiplier) - treatment
        control_error = control - lower_share(control, control_n, multiplier)
    else:
        treatment_error = treatment - lower_share(treatment, treatment_n, multiplier)
        control_error = upper_share(control, control_n, multiplier) - control
    return hypot(treatment_error, factor * control_error)


def in_unit(margin: Margin, control_value: float) -> float:
    """A margin in the metric's own unit."""
    return margin.absolute if margin.absolute is not None else (margin.relative or 0.0) * control_value


def excess(guardrail: Guardrail, phase: PhaseEvidence, margin: Margin) -> Estimate | None:
    """How far the change toward harm exceeds a margin: sign * (T - (1 +- m) C) or sign * (T - C) - margin, with its
    error."""
    worse = sign(guardrail)
    factor = 1.0 if margin.absolute is not None else 1.0 + worse * (margin.relative or 0.0)
    contrast = difference(phase.strata, factor=factor)
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


def imaginary_observation(guardrail: Guardrail, cap: float) -> Imaginary | None:
    """The bad observation that each arm's variance is given beside its own. None: a mean that nothing bounds."""
    worse, metric = sign(guardrail), guardrail.metric
    if metric.kind in _PROPORTIONS:
        return Imaginary(value=1.0 if worse > 0 else 0.0)
    if metric.kind is MetricKind.RATIO:
        return Imaginary(residual=1.0)
    if metric.scale is not None:
        return Imaginary(value=metric.scale[1] if worse > 0 else metric.scale[0])
    if worse < 0:
        return Imaginary(value=0.0)
    return Imaginary(value=cap) if cap > 0 else None


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
