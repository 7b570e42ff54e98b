"""Bounded means by betting (analysis.md 1.8). Source: Waudby-Smith and Ramdas, arXiv 2010.09686."""

from collections.abc import Sequence
from math import log1p

from ebbgate.core.stats.logs import log_average


def shifted_wealth(
    log_wealth: Sequence[float], bets: Sequence[float], *, pairs: int, tolerated: float
) -> tuple[float, ...]:
    """One block's log wealth, shifted to what is tolerated (RULES E1), for each bet.

    log_wealth: for each bet b the sum of log(1 + b * D) over the block's pairs, D in [-1, 1] toward harm. tolerated:
    the mean of D up to which nothing is called harm, in [0, 1). Under `E D <= d` the product of (1 + b D) / (1 + b d)
    has an expectation of at most 1, exactly. pairs: number of factors (or more, which is only slower).
    """
    assert len(log_wealth) == len(bets)
    assert pairs >= 0
    assert 0 <= tolerated < 1
    return tuple(wealth - pairs * log1p(bet * tolerated) for wealth, bet in zip(log_wealth, bets, strict=True))


def betting_log_e(total_wealth: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """log e-value of the average bettor. total_wealth: `shifted_wealth` added over blocks, one for each bet; empty
    gives 0. weights: of the bettors, sum 1; equal when left out."""
    return log_average(total_wealth, weights) if total_wealth else 0.0
