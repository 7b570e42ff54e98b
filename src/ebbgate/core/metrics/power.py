"""Which guardrail can be answered with how many units (RULES E7), by the very bounds that `judge` will use."""

from math import exp, expm1, hypot, sqrt
from statistics import NormalDist

import msgspec

from ebbgate.core.metrics.definition import Goal, Guardrail, MetricKind
from ebbgate.core.metrics.evidence import goal_guardrail
from ebbgate.core.metrics.evidence_change import imaginary_observation, share_reach
from ebbgate.core.metrics.evidence_tolerance import sign
from ebbgate.core.metrics.judge import MIN_UNITS, SAFE_ALPHA, units_wanted
from ebbgate.core.stats import one_sided_multiplier, two_sided_multiplier

POWER = 0.9
"""Chance that a change of nothing is proven inside its margin (RULES E7)."""

DEFAULT_VARIATION = 1.0
"""Standard deviation of a mean as a share of it, where nobody says: that of an exponential, a little above a
log-normal's 0.8."""

DEFAULT_LOG_SPREAD = 0.6
"""Standard deviation of the log of a latency, where nobody says."""

GOAL_ALPHA = 0.05
"""Chance of ever missing a goal's true change, as in `judge_goal`."""

_WIDEST = 100.0  # a relative margin beyond which no plan asks
_MOST = 10**9  # units; beyond this there is no rollout


class UnitsNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """Units of each arm for one answer."""

    treatment: int
    control: int


def units_needed(
    guardrail: Guardrail,
    *,
    allocation: float,
    baseline: float | None = None,
    spread: float | None = None,
    power: float = POWER,
    min_n: int = MIN_UNITS,
) -> UnitsNeeded | None:
    """The fewest units for which the guardrail is proven inside `worse_by` with this power, when nothing changed.

    allocation: share of treatment in the contrast, in (0, 1) (`Contrast.expected_share`). baseline: the control's
    value; the guardrail's own if left out. spread: for means, counts, surveys and ratios the standard deviation of a
    unit as a share of the value, for quantiles that of the log. None: no margin, no baseline where one is needed, or
    out of reach.
    """
    assert 0 < allocation < 1
    baseline = guardrail.baseline if baseline is None else baseline
    if guardrail.worse_by is None:
        return None
    asked = guardrail.worse_by.absolute or guardrail.worse_by.relative or 0.0

    def reaches(treatment_n: int) -> bool:
        control_n = int(treatment_n * (1 - allocation) / allocation)
        reach = margin_reachable(
            guardrail,
            treatment_n=treatment_n,
            control_n=control_n,
            baseline=baseline,
            spread=spread,
            power=power,
            min_n=min_n,
        )
        return reach is not None and reach <= asked

    low, high = 0, 1
    while not reaches(high):
        low, high = high, high * 2
        if high > _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return UnitsNeeded(treatment=high, control=int(high * (1 - allocation) / allocation))


def margin_reachable(
    guardrail: Guardrail,
    *,
    treatment_n: int,
    control_n: int,
    baseline: float | None = None,
    spread: float | None = None,
    power: float = POWER,
    min_n: int = MIN_UNITS,
) -> float | None:
    """The smallest margin that these units prove with this power when nothing changed, on the scale of `worse_by`.

    That is a share of the control's value if `worse_by` is relative (or absent), else the metric's unit. None: too
    few units, or no baseline where one is needed. Arguments as in `units_needed`.
    """
    baseline = guardrail.baseline if baseline is None else baseline
    if min(treatment_n, control_n) < units_wanted(guardrail, min_n):
        return None
    is_relative = guardrail.worse_by is None or guardrail.worse_by.absolute is None
    units = treatment_n * control_n / (treatment_n + control_n)
    reach = one_sided_multiplier(units, SAFE_ALPHA) + NormalDist().inv_cdf(power)
    if guardrail.metric.kind is MetricKind.QUANTILE:
        return _quantile_reach(guardrail, treatment_n, control_n, baseline, spread, reach, is_relative=is_relative)
    if not baseline:
        return None
    if guardrail.metric.kind in (MetricKind.SHARE, MetricKind.RATE):
        return _share_reach(guardrail, treatment_n, control_n, baseline, power, is_relative=is_relative)
    deviation = _deviation(guardrail, baseline, spread)
    treatment = _error(guardrail, baseline, deviation, treatment_n)
    control = _error(guardrail, baseline, deviation, control_n)
    if not is_relative:
        return reach * hypot(treatment, control)
    # The linear contrast T - (1 +- m) C depends on the margin itself: solve m * baseline = reach * its error.
    return _relative_reach(reach * treatment / baseline, reach * control / baseline, worse=sign(guardrail))


def goal_shown(
    goal: Goal,
    *,
    treatment_n: int,
    control_n: int,
    baseline: float | None = None,
    spread: float | None = None,
    power: float = POWER,
    min_n: int = MIN_UNITS,
) -> float | None:
    """The smallest true relative change that is shown to meet the goal with this power, signed as the goal is.

    A goal is met where the whole interval lies beyond it (`judge_goal`), so the truth must lie further. None: too few
    units, no baseline where one is needed, or nothing that the metric can reach. Arguments as in `units_needed`.
    """
    guardrail = goal_guardrail(goal)
    baseline = goal.baseline if baseline is None else baseline
    if min(treatment_n, control_n) < units_wanted(guardrail, min_n):
        return None
    units = treatment_n * control_n / (treatment_n + control_n)
    far = two_sided_multiplier(units, GOAL_ALPHA) + NormalDist().inv_cdf(power)
    better = 1 if goal.change > 0 else -1
    most = _WIDEST if better > 0 else 1.0
    if guardrail.metric.kind is MetricKind.QUANTILE:
        quantile = guardrail.metric.quantile or 0.5
        sigma = DEFAULT_LOG_SPREAD if spread is None else spread
        density = NormalDist().pdf(NormalDist().inv_cdf(quantile))
        error = sigma * sqrt(quantile * (1 - quantile)) / density * hypot(treatment_n**-0.5, control_n**-0.5)
        shown = (1 + goal.change) * exp(better * far * error) - 1
        return shown if abs(shown) < most else None
    if not baseline:
        return None
    if better > 0 and guardrail.metric.kind in (MetricKind.SHARE, MetricKind.RATE):
        most = min(most, 1 / baseline - 1)

    def is_shown(size: float) -> bool:
        truth = baseline * (1 + better * size)
        treated = _error_at(guardrail, truth, baseline, spread, treatment_n)
        control = (1 + goal.change) * _error_at(guardrail, baseline, baseline, spread, control_n)
        return better * (truth - (1 + goal.change) * baseline) >= far * hypot(treated, control)

    low, high = abs(goal.change), most
    if high <= low or not is_shown(high):
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if is_shown(middle) else (middle, high)
    return better * high


def _error_at(guardrail: Guardrail, mean: float, baseline: float, spread: float | None, n: int) -> float:
    """Standard error of an arm whose mean is this; the spread of a unit stays the same share of it."""
    if guardrail.metric.kind in (MetricKind.SHARE, MetricKind.RATE):
        return sqrt(max(mean * (1 - mean), 0.0) / n)
    return _deviation(guardrail, baseline, spread) * (mean / baseline) / sqrt(n)


def _share_reach(
    guardrail: Guardrail, treatment_n: int, control_n: int, rate: float, power: float, *, is_relative: bool
) -> float | None:
    """The bound that `judge` finds when the shares come out as unlucky as they do with chance 1 - power."""
    if not 0 < rate < 1:
        return None
    worse, variance = sign(guardrail), rate * (1 - rate)
    error = sqrt(variance / treatment_n + variance / control_n)
    unlucky = worse * NormalDist().inv_cdf(power) * variance / error
    treatment = min(max(rate + unlucky / treatment_n, 0.0), 1.0)
    control = min(max(rate - unlucky / control_n, 0.0), 1.0)
    multiplier = one_sided_multiplier(treatment_n * control_n / (treatment_n + control_n), SAFE_ALPHA)
    margin = 0.0
    for _ in range(50 if is_relative else 1):  # a relative margin is part of its own contrast: a fixed point
        factor = 1 + worse * margin
        up = share_reach(treatment, treatment_n, control, control_n, multiplier, up=worse > 0, factor=factor)
        margin = worse * (treatment - control) + up
        if is_relative:
            if control <= 0 or margin / control > _WIDEST:
                return None
            margin /= control
    return margin


def _relative_reach(treatment: float, control: float, *, worse: int) -> float | None:
    """The m > 0 with m^2 = t^2 + (1 + worse * m)^2 c^2: a quadratic. None where the control is too uncertain for any
    m."""
    a, b, c = 1 - control**2, -worse * control**2, -(treatment**2 + control**2)
    return (-b + sqrt(b * b - a * c)) / a if a > 0 else None


def _error(guardrail: Guardrail, baseline: float, deviation: float, n: int) -> float:
    """Standard error of one arm's mean, with the imaginary observation that `judge` adds."""
    variance = deviation**2
    imaginary = imaginary_observation(guardrail, guardrail.metric.cap or baseline + 3 * deviation)
    if imaginary is not None:
        residual = imaginary.residual if imaginary.residual is not None else (imaginary.value or 0.0) - baseline
        variance = variance * n / (n + 1) + residual**2 * n / (n + 1) ** 2
    return sqrt(variance / n)


def _deviation(guardrail: Guardrail, baseline: float, spread: float | None) -> float:
    """Standard deviation of a unit's value, in the metric's unit."""
    metric = guardrail.metric
    if spread is not None:
        return spread * abs(baseline)
    if metric.scale is not None:
        return (metric.scale[1] - metric.scale[0]) / 4
    if metric.kind is MetricKind.COUNT:
        return sqrt(baseline + baseline**2)  # Poisson within a unit, units differing as an exponential
    if metric.kind is MetricKind.RATIO and baseline < 1:
        return sqrt(baseline * (1 - baseline))  # one trial a unit, the worst case without clustering
    return DEFAULT_VARIATION * abs(baseline)


def _quantile_reach(
    guardrail: Guardrail,
    treatment_n: int,
    control_n: int,
    baseline: float | None,
    spread: float | None,
    reach: float,
    *,
    is_relative: bool,
) -> float | None:
    """As `judge` bounds a quantile, of log-normal latencies, `reach` standard errors out."""
    quantile = guardrail.metric.quantile
    assert quantile is not None, guardrail.metric.name
    worse, sigma = sign(guardrail), DEFAULT_LOG_SPREAD if spread is None else spread
    far_treatment = quantile + worse * reach * sqrt(quantile * (1 - quantile) / treatment_n)
    far_control = quantile - worse * reach * sqrt(quantile * (1 - quantile) / control_n)
    arms = ((far_treatment, treatment_n), (far_control, control_n))
    if not all(1 / n <= far <= 1 - 1 / n for far, n in arms):
        return None
    normal = NormalDist()
    centre = normal.inv_cdf(quantile)
    up = sigma * (normal.inv_cdf(far_treatment) - centre)
    down = sigma * (normal.inv_cdf(far_control) - centre)
    relative = expm1(hypot(up, down))
    if worse < 0:
        relative = relative / (1 + relative)
    if is_relative:
        return relative
    return relative * baseline if baseline else None
