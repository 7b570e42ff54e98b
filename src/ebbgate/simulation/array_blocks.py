"""Blocks from arrays of observations: what the event stores compute, in numpy, for thousands of rollouts.

`benchmarks/analysis.py --verify` holds them to the stores, to 1e-9.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from math import ceil, log
from typing import Any

import numpy as np
import numpy.typing as npt

from ebbgate.core.metrics.blocks import (
    BET_SIZES,
    SKETCH_BASE,
    SKETCH_ZERO,
    AnyBlock,
    MeanBlock,
    Moments,
    PairMoments,
    ProportionBlock,
    QuantileBlock,
    RatioBlock,
)
from ebbgate.core.metrics.definition import Direction, Metric, MetricKind
from ebbgate.core.metrics.reference import (
    CAP_MIN,
    CAP_QUANTILE,
    THRESHOLD_AT_LEAST,
    THRESHOLD_MIN,
    THRESHOLD_QUANTILES,
    THRESHOLD_SPAN,
    raised,
)

Array = npt.NDArray[Any]
BETS = np.array(BET_SIZES)[:, None]
EVENT_KINDS = (MetricKind.SHARE, MetricKind.RATE)
"""Kinds of which a unit's observation says whether the bad event happened."""


def microseconds(duration: timedelta) -> int:
    """Whole ones."""
    return duration // timedelta(microseconds=1)


def head_of(metric: Metric, phase: int, opened_at: datetime, closed_at: datetime) -> dict[str, Any]:
    """What every block says of itself."""
    return {"metric": metric.name, "phase": phase, "opened_at": opened_at, "closed_at": closed_at}


def block_of(
    head: dict[str, Any],
    metric: Metric,
    treatment: Array,
    control: Array,
    *,
    opened: int,
    reference: Callable[[], tuple[Array, Array]],
) -> AnyBlock:
    """The block of the metric's kind. treatment, control: observations; of ratios, rows of (numerator, denominator).
    opened: in microseconds. reference: closes (ascending, in microseconds) and values of the control's observations
    before the block, from which caps and thresholds are learned; asked only where the kind needs them.
    """
    if metric.kind is MetricKind.RATIO:
        return ratio(head, treatment, control)
    if metric.kind in EVENT_KINDS:
        return proportion(head, treatment, control)
    closes, values = reference()
    if metric.kind is MetricKind.QUANTILE:
        known = thresholds(closes, values, opened - microseconds(THRESHOLD_SPAN))
        return quantile(head, known, treatment, control)
    return mean(head, metric, cap(metric, values), treatment, control)


def proportion(head: dict[str, Any], treatment: Array, control: Array) -> ProportionBlock:
    return ProportionBlock(
        treatment_n=len(treatment),
        treatment_y=int(treatment.sum()),
        control_n=len(control),
        control_y=int(control.sum()),
        **head,
    )


def ratio(head: dict[str, Any], treatment: Array, control: Array) -> RatioBlock:
    """Rows of (numerator, denominator)."""
    return RatioBlock(
        treatment=_pairs(treatment),
        control=_pairs(control),
        treatment_any=len(treatment),
        treatment_any_y=int((treatment[:, 0] > 0).sum()),
        control_any=len(control),
        control_any_y=int((control[:, 0] > 0).sum()),
        **head,
    )


def mean(head: dict[str, Any], metric: Metric, cap: float, treatment: Array, control: Array) -> MeanBlock:
    if metric.cap is not None:  # the plan says what values above count as: in all that follows
        treatment, control = np.minimum(treatment, metric.cap), np.minimum(control, metric.cap)
    score, variance = ranks(treatment, control)
    return MeanBlock(
        cap=cap,
        treatment=_moments(treatment, cap),
        control=_moments(control, cap),
        treatment_raw_total=float(treatment.sum()),
        control_raw_total=float(control.sum()),
        treatment_raw_squares=float((treatment * treatment).sum()),
        control_raw_squares=float((control * control).sum()),
        log_wealth=_wealth(treatment, control, cap, 1.0 if metric.bad is Direction.INCREASE else -1.0),
        rank_score=score,
        rank_variance=variance,
        **head,
    )


def quantile(head: dict[str, Any], thresholds: tuple[float, ...], treatment: Array, control: Array) -> QuantileBlock:
    score, variance = ranks(treatment, control)
    return QuantileBlock(
        treatment_n=len(treatment),
        control_n=len(control),
        thresholds=thresholds,
        treatment_above=tuple(int((treatment > t).sum()) for t in thresholds),
        control_above=tuple(int((control > t).sum()) for t in thresholds),
        rank_score=score,
        rank_variance=variance,
        treatment_sketch=_sketch(treatment),
        control_sketch=_sketch(control),
        **head,
    )


def ranks(treatment: Array, control: Array) -> tuple[float, float]:
    n = len(treatment) + len(control)
    if not len(treatment) or not len(control):
        return 0.0, 0.0
    _, place, tied = np.unique(np.concatenate([treatment, control]), return_inverse=True, return_counts=True)
    scaled = (np.cumsum(tied) - tied + (tied + 1) / 2 - (n + 1) / 2) / n
    score = scaled[place[: len(treatment)]].sum()
    squares = (tied * scaled * scaled).sum()
    return float(score), float(len(treatment) * len(control) / (n * (n - 1)) * squares)


def thresholds(closes: Array, values: Array, since: int) -> tuple[float, ...]:
    """closes: ascending. values: of the control, closed by the block's opening."""
    recent = values[np.searchsorted(closes, since, side="right") :]
    if len(recent) < THRESHOLD_AT_LEAST:
        recent = values[-THRESHOLD_AT_LEAST:]
    if len(recent) < THRESHOLD_MIN:
        return ()
    ordered = np.sort(recent)
    return tuple(_nearest_rank(ordered, q) for q in THRESHOLD_QUANTILES)


def cap(metric: Metric, values: Array) -> float:
    """values: of the control, closed by the block's opening."""
    if metric.cap is not None:
        return metric.cap
    if metric.kind is MetricKind.SURVEY and metric.scale is not None:
        low, high = metric.scale
        return high if low >= 0 else high - low
    if not len(values):
        return 0.0
    ordered = np.sort(values)
    learned = _nearest_rank(ordered, CAP_QUANTILE) if len(ordered) >= CAP_MIN else ordered[-1]
    return raised(metric, float(max(0.0, learned if learned > 0 else ordered[-1])))


def _nearest_rank(ordered: Array, share: float) -> float:
    return float(ordered[max(0, ceil(share * len(ordered) - 1e-9) - 1)])


def _wealth(treatment: Array, control: Array, cap: float, sign: float) -> tuple[float, ...]:
    if cap <= 0 or not len(treatment) or not len(control):
        return (0.0,) * len(BET_SIZES)
    few, many, turn = (treatment, control, sign) if len(treatment) <= len(control) else (control, treatment, -sign)
    few, many = np.clip(few, 0, cap), np.clip(many, 0, cap)
    share = np.arange(len(many)) * len(few) // len(many)
    sums, sizes = np.bincount(share, many, len(few)), np.bincount(share, minlength=len(few))
    gaps = turn * (few - sums / sizes) / cap
    return tuple(float(total) for total in np.log1p(BETS * gaps[None, :]).sum(axis=1))


def _moments(values: Array, cap: float) -> Moments:
    capped = np.minimum(values, cap) if cap > 0 else values
    return Moments(n=len(capped), total=float(capped.sum()), squares=float((capped * capped).sum()))


def _pairs(pairs: Array) -> PairMoments:
    above, below = pairs[:, 0], pairs[:, 1]
    return PairMoments(
        n=len(pairs),
        numerator=float(above.sum()),
        denominator=float(below.sum()),
        numerator_squares=float((above * above).sum()),
        denominator_squares=float((below * below).sum()),
        products=float((above * below).sum()),
    )


def _sketch(values: Array) -> dict[int, int]:
    positive = values > 0
    bins = np.floor(np.log(np.where(positive, values, 1.0)) / log(SKETCH_BASE)).astype(np.int64)
    found, sizes = np.unique(np.where(positive, bins, SKETCH_ZERO), return_counts=True)
    return dict(zip(found.tolist(), sizes.tolist(), strict=True))
