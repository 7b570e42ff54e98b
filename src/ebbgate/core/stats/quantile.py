"""Quantiles from histograms, with bounds that hold at all times at once (analysis.md 1.7).

A histogram maps bin -> units; bin i holds [base^i, base^(i + 1)), and one named bin holds the values <= 0.
"""

from collections.abc import Mapping
from math import hypot, log, sqrt

import msgspec


class QuantileRange(msgspec.Struct, frozen=True, kw_only=True):
    """A quantile with its bounds. lower, upper: None where the sample does not reach far enough to bound it."""

    value: float
    lower: float | None
    upper: float | None


def sketch_quantile(sketch: Mapping[int, int], quantile: float, *, base: float, zero: int) -> float | None:
    """The value below which the share `quantile` lies, interpolated inside its bin on the log scale. None: empty
    histogram."""
    n = sum(sketch.values())
    if not n:
        return None
    target, below = min(max(quantile, 0.0), 1.0) * n, 0
    for bin_ in sorted(sketch):
        units = sketch[bin_]
        if units and below + units >= target:
            return 0.0 if bin_ == zero else float(base ** (bin_ + max(target - below, 0.0) / units))
        below += units
    return None


def quantile_range(
    sketch: Mapping[int, int], quantile: float, multiplier: float, *, base: float, zero: int
) -> QuantileRange | None:
    """The quantile, and the values `multiplier` standard errors of the share below it to each side.

    The bounds invert a test on a count (Howard and Ramdas, arXiv 1906.09712; Woodruff 1952): no density is estimated.
    With a multiplier of `confidence.one_sided_multiplier` they hold at all times at once. None: empty histogram.
    """
    n = sum(sketch.values())
    value = sketch_quantile(sketch, quantile, base=base, zero=zero)
    if value is None:
        return None
    width = multiplier * sqrt(quantile * (1 - quantile) / n)
    inside = 1 / n  # a share closer to 0 or 1 than one unit says nothing of the value there
    low, high = quantile - width, quantile + width
    return QuantileRange(
        value=value,
        lower=sketch_quantile(sketch, low, base=base, zero=zero) if low >= inside else None,
        upper=sketch_quantile(sketch, high, base=base, zero=zero) if high <= 1 - inside else None,
    )


def upper_difference(treatment: QuantileRange, control: QuantileRange) -> float | None:
    """Upper bound of treatment - control. Both bounds at the same multiplier, combined as independent errors.

    Source: MOVER, Zou and Donner (2008), Statistics in Medicine 27(10). None where an arm has no bound on that side.
    """
    if treatment.upper is None or control.lower is None:
        return None
    return treatment.value - control.value + hypot(treatment.upper - treatment.value, control.value - control.lower)


def lower_difference(treatment: QuantileRange, control: QuantileRange) -> float | None:
    """Lower bound of treatment - control; as `upper_difference`."""
    upper = upper_difference(control, treatment)
    return None if upper is None else -upper


def logged(range_: QuantileRange) -> QuantileRange | None:
    """The range on the log scale, where differences are ratios. None where the quantile is not positive."""
    if range_.value <= 0:
        return None
    return QuantileRange(value=log(range_.value), lower=_log(range_.lower), upper=_log(range_.upper))


def _log(value: float | None) -> float | None:
    return log(value) if value is not None and value > 0 else None
