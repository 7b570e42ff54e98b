"""Differences of two arms, stratified by block: contrasts inside the block, weighted by effective units, summed
(analysis.md 2).

The weight of a block, ne = nT nC / (nT + nC), is fixed before its outcomes, so a baseline that drifts, or an
allocation that changes between blocks, moves no estimate. Every observation is a pair (numerator, denominator); for a
plain mean the denominator is 1.
"""

from math import sqrt

import msgspec


class ArmBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One arm in one block: n units and the raw moments of their pairs."""

    n: int
    numerator: float
    denominator: float
    numerator_squares: float
    denominator_squares: float
    products: float

    @classmethod
    def of_mean(cls, n: int, total: float, squares: float) -> "ArmBlock":
        """n observations by their sum and sum of squares."""
        return cls(
            n=n, numerator=total, denominator=n, numerator_squares=squares, denominator_squares=n, products=total
        )


class ArmSums(msgspec.Struct, frozen=True, kw_only=True):
    """One arm over the blocks of one phase.

    weighted_*: sums over blocks of ne * block mean. spread: sum of ne^2 / n, so that spread * variance is the
    variance of the weighted numerator. within_*: sums of squares and products around each block's own mean, with
    `freedom` degrees of freedom.
    """

    n: int = 0
    numerator: float = 0.0
    denominator: float = 0.0
    numerator_squares: float = 0.0
    denominator_squares: float = 0.0
    products: float = 0.0
    weighted_numerator: float = 0.0
    weighted_denominator: float = 0.0
    spread: float = 0.0
    within_numerator: float = 0.0
    within_denominator: float = 0.0
    within_products: float = 0.0
    freedom: int = 0


class Strata(msgspec.Struct, frozen=True, kw_only=True):
    """Both arms of one phase. units: effective units, the sum of ne over the blocks in which both arms have units."""

    units: float = 0.0
    treatment: ArmSums = ArmSums()
    control: ArmSums = ArmSums()


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate with its standard error, in the metric's unit."""

    value: float
    error: float


def add_block(strata: Strata, treatment: ArmBlock, control: ArmBlock) -> Strata:
    """The strata with one more block. A block with an empty arm adds to the arms' totals only."""
    n = treatment.n + control.n
    weight = treatment.n * control.n / n if n else 0.0
    return Strata(
        units=strata.units + weight,
        treatment=_add_arm(strata.treatment, treatment, weight),
        control=_add_arm(strata.control, control, weight),
    )


class Imaginary(msgspec.Struct, frozen=True, kw_only=True):
    """One more bad observation, which goes into an arm's variance, not into its mean.

    So an arm in which a rare thing did not happen yet is not taken for one in which it cannot. value: of the
    observation, for means; residual: how far it lies from the ratio, in numerators, for ratios. One of the two is set.
    """

    value: float | None = None
    residual: float | None = None


def arm_estimate(arm: ArmSums, units: float, *, imaginary: Imaginary | None = None) -> Estimate | None:
    """The arm's stratified mean (or ratio of means). None without data, or where the denominators add up to nothing.

    units: of the strata.
    """
    if units <= 0 or arm.weighted_denominator <= 0:
        return None
    value = arm.weighted_numerator / arm.weighted_denominator
    variance = _unit_variance(arm, value)
    if imaginary is not None:
        residual = imaginary.residual if imaginary.residual is not None else (imaginary.value or 0.0) - value
        variance = variance * arm.n / (arm.n + 1) + residual**2 * arm.n / (arm.n + 1) ** 2
    return Estimate(value=value, error=sqrt(max(variance, 0.0) * arm.spread) / arm.weighted_denominator)


def effective_n(arm: ArmSums, units: float) -> float:
    """The number of observations in one heap that would give the arm's stratified mean its variance; at most n."""
    return units * units / arm.spread if arm.spread > 0 else 0.0


def difference(strata: Strata, *, factor: float = 1.0, imaginary: Imaginary | None = None) -> Estimate | None:
    """treatment - factor * control, the linear contrast that margins are tested by (no division; analysis.md 1.4)."""
    treatment = arm_estimate(strata.treatment, strata.units, imaginary=imaginary)
    control = arm_estimate(strata.control, strata.units, imaginary=imaginary)
    if treatment is None or control is None:
        return None
    error = sqrt(treatment.error**2 + (factor * control.error) ** 2)
    return Estimate(value=treatment.value - factor * control.value, error=error)


def unit_variance(arm: ArmSums) -> float:
    """Variance of one unit's value (not of a ratio), in its square unit; 0 for fewer than two units."""
    if arm.n < 2 or arm.denominator <= 0:
        return 0.0
    return (
        _unit_variance(arm, 0.0) if 2 * arm.freedom >= arm.n else _unit_variance(arm, arm.numerator / arm.denominator)
    )


def _unit_variance(arm: ArmSums, ratio: float) -> float:
    """Variance over units of numerator - ratio * denominator (the delta method's linearisation, clustered by unit).

    Around block means where blocks hold two units or more on average, so that drift is no variance; else around the
    phase's mean, which counts drift as variance and is never too small.
    """
    if 2 * arm.freedom >= arm.n:
        total = arm.within_numerator - 2 * ratio * arm.within_products + ratio**2 * arm.within_denominator
        return max(total, 0.0) / arm.freedom
    residual = (arm.numerator - ratio * arm.denominator) / arm.n
    squares = arm.numerator_squares - 2 * ratio * arm.products + ratio**2 * arm.denominator_squares
    return max(squares - arm.n * residual**2, 0.0) / max(arm.n - 1, 1)


def _add_arm(arm: ArmSums, block: ArmBlock, weight: float) -> ArmSums:
    if not block.n:
        return arm
    n = block.n
    return ArmSums(
        n=arm.n + n,
        numerator=arm.numerator + block.numerator,
        denominator=arm.denominator + block.denominator,
        numerator_squares=arm.numerator_squares + block.numerator_squares,
        denominator_squares=arm.denominator_squares + block.denominator_squares,
        products=arm.products + block.products,
        weighted_numerator=arm.weighted_numerator + weight * block.numerator / n,
        weighted_denominator=arm.weighted_denominator + weight * block.denominator / n,
        spread=arm.spread + weight * weight / n,
        within_numerator=arm.within_numerator + max(block.numerator_squares - block.numerator**2 / n, 0.0),
        within_denominator=arm.within_denominator + max(block.denominator_squares - block.denominator**2 / n, 0.0),
        within_products=arm.within_products + block.products - block.numerator * block.denominator / n,
        freedom=arm.freedom + n - 1,
    )
