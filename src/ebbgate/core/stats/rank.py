"""Ranks within a block: has the whole distribution moved (analysis.md 1.7)?"""

from collections.abc import Mapping
from math import pi, sqrt

from ebbgate.core.stats.mixture import grid_log_e

SHIFTS = (0.04, 0.08, 0.16, 0.35, 0.8)
"""Alternatives: shifts of a normal distribution, in its standard deviations. Source: analysis.md 4."""

# A shift of d standard deviations moves the score by d * ne / (2 sqrt(pi)) while the variance is ne / 12; the best
# slope is their ratio.
_SLOPES = tuple(shift * 12 / (2 * sqrt(pi)) for shift in SHIFTS)


def rank_log_e(score: float, variance: float) -> float:
    """log e-value against `the treatment ranks no higher`. score, variance: summed over blocks (see `rank_block`).

    Without ties exact at any n: the score's cumulant generating function is a difference of log(sinh(x)/x) terms
    (Mann and Whitney's generating function), which is concave in x^2, hence at most l^2 V / 2. With ties asymptotic.
    """
    return grid_log_e(score, variance, _SLOPES)


def rank_block(treatment: Mapping[int, int], control: Mapping[int, int], *, shift: int = 0) -> tuple[float, float]:
    """Score and permutation variance of one block's histograms (bin -> units), with mid-ranks in a bin.

    score = sum over treated units of (rank - (n + 1) / 2) / n; variance = nT nC / (n (n - 1)) * sum of their squares
    over all units. shift: bins by which the treatment is moved down first, the tolerated change (RULES E1). An empty
    arm gives (0, 0).
    """
    counts: dict[int, list[int]] = {}
    for bin_, units in treatment.items():
        counts.setdefault(bin_ - shift, [0, 0])[0] += units
    for bin_, units in control.items():
        counts.setdefault(bin_, [0, 0])[1] += units
    treatment_n, control_n = sum(treatment.values()), sum(control.values())
    n = treatment_n + control_n
    if not treatment_n or not control_n:
        return 0.0, 0.0
    below, score, squares = 0, 0.0, 0.0
    for bin_ in sorted(counts):
        in_treatment, in_control = counts[bin_]
        tied = in_treatment + in_control
        rank = (below + (tied + 1) / 2 - (n + 1) / 2) / n
        score += in_treatment * rank
        squares += tied * rank * rank
        below += tied
    return score, treatment_n * control_n / (n * (n - 1)) * squares
