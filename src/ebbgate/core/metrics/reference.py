"""What a block may know of earlier ones: the cap of means and the thresholds of latencies, learned from the control.

Both are *predictable*: functions of control observations whose windows closed at or before the block's `opened_at`,
so that the tests on the block stay exact (analysis.md 1.7, 1.8). A store brings the newest REFERENCE_KEPT of them, in
order of (close, bucket, unit), and every store gets the same numbers.
"""

from collections.abc import Sequence
from datetime import timedelta
from heapq import nlargest
from math import ceil
from typing import Any, Protocol

from ebbgate.core.metrics.definition import Metric, MetricKind

REFERENCE_KEPT = 10_000
"""Control observations remembered: a p99 of 10,000 rests on 100 values, and the cost of a look stays bounded."""

THRESHOLD_QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
THRESHOLD_SPAN = timedelta(minutes=30)
THRESHOLD_AT_LEAST = 200  # the span widens until it holds as many
THRESHOLD_MIN = 50  # fewer give no thresholds
CAP_QUANTILE = 0.99
CAP_MIN = 100  # fewer give the largest value instead


def nearest_rank(ordered: Sequence[float], quantile: float) -> float:
    """The smallest value with at least that share of the values at or below it. ordered: ascending, not empty."""
    return ordered[max(0, ceil(quantile * len(ordered) - 1e-9) - 1)]


class Moment(Protocol):
    """A time in any unit that can be ordered."""

    def __gt__(self, other: Any, /) -> bool: ...


def needs_reference(metric: Metric) -> bool:
    """Whether the metric's blocks rest on earlier control observations."""
    return metric.kind is MetricKind.QUANTILE or metric.learns_cap


def thresholds(reference: Sequence[tuple[Moment, float]], since: Moment) -> tuple[float, ...]:
    """Quantiles of the control's newest observations.

    reference: (close, value), oldest first, all closed by `opened_at`. since: `opened_at - THRESHOLD_SPAN`, in the unit
    of the closes.
    """
    recent = [value for close, value in reference if close > since]
    if len(recent) < THRESHOLD_AT_LEAST:
        recent = [value for _, value in reference[-THRESHOLD_AT_LEAST:]]
    if len(recent) < THRESHOLD_MIN:
        return ()
    recent.sort()
    return tuple(nearest_rank(recent, quantile) for quantile in THRESHOLD_QUANTILES)


def block_cap(metric: Metric, reference: Sequence[tuple[Moment, float]]) -> float:
    """Where a block's values are capped: the metric's own cap, a survey's scale, or the control's p99 so far.

    A p99 that is no use (too few values, or 0 where most units have none) gives way to the largest value. 0 means that
    nothing is known yet: values are then taken as they are, and nobody bets on them. What was learned is raised by what
    is tolerated (`raised`).
    """
    if metric.cap is not None:
        return metric.cap
    if metric.kind is MetricKind.SURVEY and metric.scale is not None:
        low, high = metric.scale
        return high if low >= 0 else high - low
    values = [value for _, value in reference]
    if not values:
        return 0.0
    largest = max(values)
    if len(values) < CAP_MIN:
        return raised(metric, max(0.0, largest))
    # The nearest rank from above: a hundredth of the values is sorted, not all of them at every look.
    learned = nlargest(len(values) - ceil(CAP_QUANTILE * len(values) - 1e-9) + 1, values)[-1]
    return raised(metric, max(0.0, learned if learned > 0 else largest))


def raised(metric: Metric, learned: float) -> float:
    """A learned cap where a value at it would be if it rose by what is tolerated; for both arms.

    Where everybody's values rise by exactly the tolerance, those of the treatment are cut at the very quantile at which
    the control's were before, and those of the control less: so `T - (1 + m) C` of capped values, and the bets, whose
    differences are still within the cap, err toward tolerating (RULES E1). Beyond the tolerance there is room to see
    it, which there was not where the p99 lies below (1 + m) times the mean. 0 stays 0: nothing is known.
    """
    if metric.room is None or learned <= 0:
        return learned
    return learned * (1 + (metric.room.relative or 0.0)) + (metric.room.absolute or 0.0)
