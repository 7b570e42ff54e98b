"""Ranks within a block: has the whole distribution moved (analysis.md 1.7)?"""

from collections.abc import Mapping
from math import exp, pi, sqrt

from ebbgate.core.stats.mixture import grid_log_e

Shifts = tuple[tuple[float, float], ...]
"""(shift, weight) pairs: alternatives as shifts of a normal distribution, in its standard deviations; weights sum to
1."""

MEAN_SHIFTS: Shifts = ((0.03, 0.1), (0.06, 0.35), (0.12, 0.3), (0.3, 0.15), (0.7, 0.1))
"""For means, whose harm is a few percent of a value that varies by its own size: some hundredths of a deviation."""

LATENCY_SHIFTS: Shifts = ((0.05, 0.08), (0.12, 0.15), (0.3, 0.37), (0.7, 0.4))
"""For latencies, whose harm is a fifth or a half while their log varies by some 0.6: a third of a deviation and more.
Both measured in benchmarks/detection.py (ADR 0012)."""

_SLOPE = 12 / (2 * sqrt(pi))
"""A shift of d standard deviations moves the score by d * ne / (2 sqrt(pi)) while the variance is ne / 12; the best
slope is their ratio."""

_TIED = 0.9  # of the variance without ties; below it Bennett's bound is the smaller one, as a rule


def rank_log_e(score: float, variance: float, shifts: Shifts) -> float:
    """log e-value against `the treatment ranks no higher`. score, variance: summed over blocks (`rank_block`, and
    `untied_variance` of each block).

    Without ties exact at any n: the score's cumulant generating function is a difference of log(sinh(x)/x) terms
    (Mann and Whitney's generating function), which is concave in x^2, hence at most l^2 V / 2.
    """
    return grid_log_e(score, variance, [shift * _SLOPE for shift, _ in shifts], [weight for _, weight in shifts])


def untied_variance(
    treatment_n: int, control_n: int, variance: float, shifts: Shifts, *, may_tie: bool = False
) -> float:
    """A variance for `rank_log_e` under which a block with ties is no false evidence, exactly.

    variance: the block's permutation variance, which ties make smaller. Where they are few, that without ties stands:
    mid-ranks are the mean over all ways to break the ties, so by Jensen's inequality no exponential of their score is
    expected to be more. Many (most values equal) make the score as skewed as a count of rare events; then its own is
    raised to Bennett's bound for steps of at most 1/2 at the largest slope, over the larger arm drawn with replacement
    (Hoeffding 1963, section 6). Empty arms give 0. may_tie: few ties keep their own variance, as before edition 2 of
    evidence (expectation up to 1.002 where three of four units are treated).
    """
    n = treatment_n + control_n
    if not treatment_n or not control_n:
        return 0.0
    continuous = treatment_n * control_n * (n + 1) / (12 * n * n)
    if variance >= _TIED * continuous:
        return variance if may_tie else max(variance, continuous)
    step = max(shift for shift, _ in shifts) * _SLOPE / 2
    return variance * 2 * (exp(step) - 1 - step) / (step * step) * n / max(treatment_n, control_n)


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
