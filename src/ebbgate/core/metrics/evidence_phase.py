"""One phase's sums, from which estimates and bounds are made (RULES D1)."""

import msgspec

from ebbgate.core.metrics.blocks import (
    AnyBlock,
    MeanBlock,
    Moments,
    PairMoments,
    ProportionBlock,
    QuantileBlock,
    RatioBlock,
)
from ebbgate.core.metrics.evidence_types import PhaseEvidence
from ebbgate.core.stats import ArmBlock, add_block


def add_to_phase(phase: PhaseEvidence, block: AnyBlock) -> PhaseEvidence:
    """The phase with one more block of a metric. Limit blocks have no place here."""
    if isinstance(block, ProportionBlock):
        treatment = ArmBlock.of_mean(block.treatment_n, block.treatment_y, block.treatment_y)
        control = ArmBlock.of_mean(block.control_n, block.control_y, block.control_y)
        return _with_block(phase, treatment, control, block.treatment_y, block.control_y)
    if isinstance(block, MeanBlock):
        phase = msgspec.structs.replace(phase, cap=max(phase.cap, block.cap))
        raw = block.treatment_raw_total, block.control_raw_total
        treatment = ArmBlock.of_mean(block.treatment.n, raw[0], block.treatment_raw_squares)
        control = ArmBlock.of_mean(block.control.n, raw[1], block.control_raw_squares)
        phase = msgspec.structs.replace(phase, whole=add_block(phase.whole, treatment, control))
        return _with_block(phase, _mean_arm(block.treatment), _mean_arm(block.control), *raw)
    if isinstance(block, RatioBlock):
        return _with_block(phase, _pair_arm(block.treatment), _pair_arm(block.control), 0.0, 0.0)
    assert isinstance(block, QuantileBlock), block
    # The arms' sizes alone: they give the effective units that the bounds are timed by.
    treatment = ArmBlock.of_mean(block.treatment_n, 0.0, 0.0)
    control = ArmBlock.of_mean(block.control_n, 0.0, 0.0)
    phase = _with_block(phase, treatment, control, 0.0, 0.0)
    return msgspec.structs.replace(
        phase,
        treatment_sketch=_merged(phase.treatment_sketch, block.treatment_sketch),
        control_sketch=_merged(phase.control_sketch, block.control_sketch),
    )


def _with_block(
    phase: PhaseEvidence, treatment: ArmBlock, control: ArmBlock, treatment_raw: float, control_raw: float
) -> PhaseEvidence:
    return msgspec.structs.replace(
        phase,
        strata=add_block(phase.strata, treatment, control),
        treatment_raw_total=phase.treatment_raw_total + treatment_raw,
        control_raw_total=phase.control_raw_total + control_raw,
    )


def _mean_arm(moments: Moments) -> ArmBlock:
    return ArmBlock.of_mean(moments.n, moments.total, moments.squares)


def _pair_arm(moments: PairMoments) -> ArmBlock:
    return ArmBlock(
        n=moments.n,
        numerator=moments.numerator,
        denominator=moments.denominator,
        numerator_squares=moments.numerator_squares,
        denominator_squares=moments.denominator_squares,
        products=moments.products,
    )


def _merged(sketch: dict[int, int], block: dict[int, int]) -> dict[int, int]:
    merged = dict(sketch)
    for bin_, units in block.items():
        merged[bin_] = merged.get(bin_, 0) + units
    return merged
