"""Units above thresholds that were fixed before their block: has a tail grown (analysis.md 1.7)?"""

from collections.abc import Mapping, Sequence

from ebbgate.core.stats.hypergeometric import block_log_e

THRESHOLD_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
"""Control quantiles of *earlier* blocks that serve as a block's thresholds, in this order."""

EXCEEDANCE_WEIGHTS = (0.01, 0.02, 0.07, 0.2, 0.4)
RANK_WEIGHT = 0.3
"""Shares of the average that a latency's harm evidence is: ranks find a shift fast even with less than half, a tail has
nothing but its own units. They sum to 1. Measured in benchmarks/detection.py (ADR 0012)."""

EXCEEDANCE_ODDS = (0.02, 0.03, 0.25, 0.55, 0.12, 0.03)
"""What each of ODDS_RATIOS has of one threshold's average: a tail that grows at all is seen at two to three times the
odds. They sum to 1."""


def exceedance_log_e(
    treatment_n: int,
    treatment_above: Sequence[int],
    control_n: int,
    control_above: Sequence[int],
    *,
    increase: bool = True,
) -> tuple[tuple[float, ...], ...]:
    """For each threshold the block's log e-values on the grid of odds ratios (`block_log_e`); exact, as thresholds
    are predictable.

    *_above: units strictly above each threshold. increase: True if high values are bad; else units at or below are
    counted.
    """
    result = []
    for above_t, above_c in zip(treatment_above, control_above, strict=True):
        bad_t = above_t if increase else treatment_n - above_t
        bad_c = above_c if increase else control_n - above_c
        result.append(block_log_e(treatment_n, bad_t, control_n, bad_c))
    return tuple(result)


def count_above(sketch: Mapping[int, int], bin_: int, *, shift: int = 0) -> int:
    """Units of a histogram whose bin, moved down by `shift` bins, lies strictly above `bin_`."""
    return sum(units for index, units in sketch.items() if index - shift > bin_)
