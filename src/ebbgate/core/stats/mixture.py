"""Normal-mixture e-processes for a score with a known intrinsic time (analysis.md 1.1).

A score S is a sum whose steps have mean 0 under the null (or less, for the one-sided form); V is its accumulated
variance. Source: Howard, Ramdas, McAuliffe, Sekhon, arXiv 1810.08240; gostevehoward/confseq, uniform_boundaries.h.
"""

from collections.abc import Sequence
from math import log, sqrt

from ebbgate.core.stats.logs import log_average, log_normal_cdf


def tuned_r(v_opt: float, alpha: float, *, one_sided: bool = True) -> float:
    """The r for which the boundary at level alpha is tightest at V = v_opt (same unit as V). v_opt > 0, alpha in (0,
    0.5)."""
    assert v_opt > 0
    assert 0 < alpha < 0.5
    level = 2 * log(1 / (2 * alpha if one_sided else alpha))
    return v_opt / (level + log(1 + level))


def two_sided_log_e(score: float, variance: float, r: float) -> float:
    """log e-value against `mean step = 0`. score: S. variance: V >= 0, its square unit. r > 0, V's unit. V = 0 gives
    0 with S = 0."""
    assert variance >= 0
    assert r > 0
    return 0.5 * log(r / (variance + r)) + score * score / (2 * (variance + r))


def one_sided_log_e(score: float, variance: float, r: float) -> float:
    """log e-value against `mean step <= 0`; arguments as in `two_sided_log_e`. V = 0 with S = 0 gives exactly log 1."""
    assert variance >= 0
    assert r > 0
    total = variance + r
    return 0.5 * log(4 * r / total) + score * score / (2 * total) + log_normal_cdf(score / sqrt(total))


def grid_log_e(score: float, variance: float, slopes: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """log of the average over slopes l > 0 of exp(l S - l^2 V / 2): one-sided by construction.

    slopes: in 1 / S's unit. weights: of the average, positive, sum 1; equal when left out. V = 0 with S = 0 gives 0.
    """
    assert variance >= 0
    assert slopes
    return log_average([slope * score - slope * slope * variance / 2 for slope in slopes], weights)
