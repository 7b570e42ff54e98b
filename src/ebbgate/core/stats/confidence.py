"""Asymptotic confidence sequences: intervals that hold at all times at once (analysis.md 1.2).

They are tuned on the effective number of units ne = nT nC / (nT + nC), not on the total, which at 5 % allocation is
twenty times the treatment's units. Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, arXiv 2103.06476.
"""

from math import log, sqrt

TUNED_UNITS = 1000.0
"""Effective units at which the intervals are tightest (analysis.md 4)."""


def two_sided_multiplier(units: float, alpha: float, *, tuned: float = TUNED_UNITS) -> float:
    """Standard errors to each side of the estimate. units: effective, > 0. alpha: chance of ever missing, in (0,
    0.5)."""
    rho = units * _rho_squared(alpha, tuned)
    return sqrt(2 * (rho + 1) / rho * log(sqrt(rho + 1) / alpha))


def one_sided_multiplier(units: float, alpha: float, *, tuned: float = TUNED_UNITS) -> float:
    """Standard errors to the one side that matters; arguments as in `two_sided_multiplier`."""
    rho = units * _rho_squared(2 * alpha, tuned)
    return sqrt(2 * (rho + 1) / rho * log(1 + sqrt(rho + 1) / (2 * alpha)))


def _rho_squared(alpha: float, tuned: float) -> float:
    assert 0 < alpha < 1
    assert tuned > 0
    return (-2 * log(alpha) + log(-2 * log(alpha) + 1)) / tuned


def ratio_interval(
    treatment: float, control: float, treatment_variance: float, control_variance: float, multiplier: float
) -> tuple[float, float] | None:
    """Interval of treatment / control from two means and their variances (Fieller's: no division by an uncertain
    control).

    All g with |T - g C| <= multiplier * sqrt(VT + g^2 VC). None when the control is not clear of 0, where that set
    has no bounds.
    """
    square = multiplier * multiplier
    a = control * control - square * control_variance
    b = treatment * control
    c = treatment * treatment - square * treatment_variance
    if a <= 0:
        return None
    root = sqrt(max(b * b - a * c, 0.0))
    low, high = (b - root) / a, (b + root) / a
    return low, high
