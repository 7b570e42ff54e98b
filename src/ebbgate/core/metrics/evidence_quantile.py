"""Bounds of a quantile's change in one phase, from the phase's histograms."""

from math import exp

from ebbgate.core.metrics.blocks import SKETCH_BASE, SKETCH_ZERO
from ebbgate.core.metrics.evidence_types import PhaseEvidence
from ebbgate.core.stats import (
    QuantileRange,
    logged,
    lower_difference,
    quantile_range,
    sketch_quantile,
    upper_difference,
)

Bounds = tuple[float | None, float | None]


def quantile_values(phase: PhaseEvidence, quantile: float) -> tuple[float | None, float | None]:
    """The quantile of treatment and control; None for an arm without units."""
    treatment, control = (
        sketch_quantile(sketch, quantile, base=SKETCH_BASE, zero=SKETCH_ZERO)
        for sketch in (phase.treatment_sketch, phase.control_sketch)
    )
    return treatment, control


def difference_bounds(phase: PhaseEvidence, quantile: float, multiplier: float) -> Bounds:
    """Bounds of treatment - control, `multiplier` standard errors to each side; both arms have units."""
    treatment, control = _ranges(phase, quantile, multiplier)
    return lower_difference(treatment, control), upper_difference(treatment, control)


def relative_bounds(phase: PhaseEvidence, quantile: float, multiplier: float) -> Bounds:
    """Bounds of treatment / control - 1. None where a quantile is 0, or the sample does not reach far enough."""
    treatment, control = (logged(range_) for range_ in _ranges(phase, quantile, multiplier))
    if treatment is None or control is None:
        return None, None
    low, high = lower_difference(treatment, control), upper_difference(treatment, control)
    return (None if low is None else exp(low) - 1), (None if high is None else exp(high) - 1)


def _ranges(phase: PhaseEvidence, quantile: float, multiplier: float) -> tuple[QuantileRange, QuantileRange]:
    treatment = quantile_range(phase.treatment_sketch, quantile, multiplier, base=SKETCH_BASE, zero=SKETCH_ZERO)
    control = quantile_range(phase.control_sketch, quantile, multiplier, base=SKETCH_BASE, zero=SKETCH_ZERO)
    assert treatment is not None
    assert control is not None
    return treatment, control
