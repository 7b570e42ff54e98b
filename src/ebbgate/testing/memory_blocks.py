"""From observations to block summaries, in plain Python: what core/metrics/blocks says, made easy to check."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from math import floor, log, log1p

from ebbgate.core.metrics.blocks import (
    BET_SIZES,
    SKETCH_BASE,
    SKETCH_ZERO,
    MeanBlock,
    Moments,
    PairMoments,
    ProportionBlock,
    QuantileBlock,
    RatioBlock,
)
from ebbgate.core.metrics.definition import Direction, Metric

Head = tuple[str, int, datetime, datetime]
"""metric, phase, opened_at, closed_at."""


def proportion_block(head: Head, treatment: Sequence[float], control: Sequence[float]) -> ProportionBlock:
    """treatment, control: 0 or 1 for each unit."""
    metric, phase, opened_at, closed_at = head
    return ProportionBlock(
        metric=metric,
        phase=phase,
        opened_at=opened_at,
        closed_at=closed_at,
        treatment_n=len(treatment),
        treatment_y=int(sum(treatment)),
        control_n=len(control),
        control_y=int(sum(control)),
    )


def ratio_block(
    head: Head, treatment: Sequence[tuple[float, float]], control: Sequence[tuple[float, float]]
) -> RatioBlock:
    """treatment, control: (numerator, denominator) for each unit, denominators > 0."""
    metric, phase, opened_at, closed_at = head
    return RatioBlock(
        metric=metric,
        phase=phase,
        opened_at=opened_at,
        closed_at=closed_at,
        treatment=_pairs(treatment),
        control=_pairs(control),
        treatment_any=len(treatment),
        treatment_any_y=sum(numerator > 0 for numerator, _ in treatment),
        control_any=len(control),
        control_any_y=sum(numerator > 0 for numerator, _ in control),
    )


def mean_block(
    head: Head, metric: Metric, cap: float, treatment: Sequence[float], control: Sequence[float]
) -> MeanBlock:
    """treatment, control: one value for each unit, in order of (bucket, unit). cap: 0 = none known yet."""
    name, phase, opened_at, closed_at = head
    if metric.cap is not None:  # the plan says what values above count as: in all that follows
        treatment, control = [min(x, metric.cap) for x in treatment], [min(x, metric.cap) for x in control]
    score, variance = rank_score(treatment, control)
    return MeanBlock(
        metric=name,
        phase=phase,
        opened_at=opened_at,
        closed_at=closed_at,
        cap=cap,
        treatment=_moments(treatment, cap),
        control=_moments(control, cap),
        treatment_raw_total=sum(treatment),
        control_raw_total=sum(control),
        treatment_raw_squares=sum(value * value for value in treatment),
        control_raw_squares=sum(value * value for value in control),
        log_wealth=_log_wealth(treatment, control, cap, 1.0 if metric.bad is Direction.INCREASE else -1.0),
        rank_score=score,
        rank_variance=variance,
    )


def quantile_block(
    head: Head, thresholds: tuple[float, ...], treatment: Sequence[float], control: Sequence[float]
) -> QuantileBlock:
    """treatment, control: one value for each unit. thresholds: from earlier blocks."""
    metric, phase, opened_at, closed_at = head
    score, variance = rank_score(treatment, control)
    return QuantileBlock(
        metric=metric,
        phase=phase,
        opened_at=opened_at,
        closed_at=closed_at,
        treatment_n=len(treatment),
        control_n=len(control),
        thresholds=thresholds,
        treatment_above=tuple(sum(value > t for value in treatment) for t in thresholds),
        control_above=tuple(sum(value > t for value in control) for t in thresholds),
        rank_score=score,
        rank_variance=variance,
        treatment_sketch=_sketch(treatment),
        control_sketch=_sketch(control),
    )


def rank_score(treatment: Sequence[float], control: Sequence[float]) -> tuple[float, float]:
    """Score and permutation variance of the joint mid-ranks; (0, 0) with an empty arm. Source: analysis.md 1.7."""
    n = len(treatment) + len(control)
    if not treatment or not control:
        return 0.0, 0.0
    tied, treated = Counter([*treatment, *control]), Counter(treatment)
    below, score, squares = 0, 0.0, 0.0
    for value in sorted(tied):
        scaled = (below + (tied[value] + 1) / 2 - (n + 1) / 2) / n
        score += treated[value] * scaled
        squares += tied[value] * scaled * scaled
        below += tied[value]
    return score, len(treatment) * len(control) / (n * (n - 1)) * squares


def _log_wealth(treatment: Sequence[float], control: Sequence[float], cap: float, sign: float) -> tuple[float, ...]:
    """The larger arm is dealt evenly, in order, over the units of the smaller one, and each unit meets the mean of its
    share. Values are taken within [0, cap], so that no difference is beyond 1."""
    if cap <= 0 or not treatment or not control:
        return (0.0,) * len(BET_SIZES)
    few, many, turn = (treatment, control, sign) if len(treatment) <= len(control) else (control, treatment, -sign)
    sums, sizes = [0.0] * len(few), [0] * len(few)
    for place, value in enumerate(many):
        share = place * len(few) // len(many)
        sums[share] += _within(value, cap)
        sizes[share] += 1
    differences = [
        turn * (_within(value, cap) - total / size) / cap for value, total, size in zip(few, sums, sizes, strict=True)
    ]
    return tuple(sum(log1p(bet * difference) for difference in differences) for bet in BET_SIZES)


def _within(value: float, cap: float) -> float:
    return min(max(value, 0.0), cap)


def _moments(values: Iterable[float], cap: float) -> Moments:
    capped = [min(value, cap) if cap > 0 else value for value in values]
    return Moments(n=len(capped), total=sum(capped), squares=sum(value * value for value in capped))


def _pairs(pairs: Sequence[tuple[float, float]]) -> PairMoments:
    return PairMoments(
        n=len(pairs),
        numerator=float(sum(above for above, _ in pairs)),
        denominator=float(sum(below for _, below in pairs)),
        numerator_squares=float(sum(above * above for above, _ in pairs)),
        denominator_squares=float(sum(below * below for _, below in pairs)),
        products=float(sum(above * below for above, below in pairs)),
    )


def _sketch(values: Iterable[float]) -> dict[int, int]:
    bins = Counter(floor(log(value) / log(SKETCH_BASE)) if value > 0 else SKETCH_ZERO for value in values)
    return dict(sorted(bins.items()))
