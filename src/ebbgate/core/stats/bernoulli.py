"""One arm against a fixed limit: is the share of bad observations above it, or below it (analysis.md 1.5, RULES G1)?"""

from math import log, log1p

from ebbgate.core.stats.logs import log_sum

LIMIT_RATIOS = (1.3, 1.8, 2.6, 4.5, 9.0)
"""Alternatives, as multiples of the limit's odds, equally weighted. Source: analysis.md 4, measured there."""


def above_log_e(n: int, y: int, limit: float) -> tuple[float, ...]:
    """log e-values against `share <= limit`, one for each alternative with odds g times the limit's, g of LIMIT_RATIOS.

    n observations, y of them bad, new since the last block; limit in (0, 1). Add over blocks, then average
    (`log_average`).
    """
    return tuple(_log_ratio(n, y, limit, ratio) for ratio in LIMIT_RATIOS)


def below_log_e(n: int, y: int, limit: float) -> tuple[float, ...]:
    """log e-values against `share >= limit`, for alternatives with odds 1/g times the limit's; as `above_log_e`."""
    return tuple(_log_ratio(n, y, limit, 1 / ratio) for ratio in LIMIT_RATIOS)


def _log_ratio(n: int, y: int, limit: float, ratio: float) -> float:
    assert 0 <= y <= n
    assert 0 < limit < 1
    odds = ratio * limit / (1 - limit)
    share = odds / (1 + odds)
    return y * log(share / limit) + (n - y) * (log1p(-share) - log1p(-limit))


def start_weight(step: int) -> float:
    """The part of the budget given to a change that begins at block `step` (1, 2, ...): 1 / (step (step + 1)), in all
    1."""
    assert step >= 1
    return 1 / (step * (step + 1))


def restarting(before: tuple[float, ...], block: tuple[float, ...], *, step: int) -> tuple[float, ...]:
    """Carry e-values that may begin at any block, so that a good past does not hide a limit broken today.

    M_t = e_t (M_{t-1} + weight_t), as logs: the mixture over start blocks of the product since the start. With the
    weights still unspent it is a non-negative supermartingale from 1, so Ville's bound holds over all looks. before:
    () at the start. step: number of this block, from 1. Source: Shin, Ramdas, Rinaldo, arXiv 2203.03532
    (e-detectors), with a finite budget.
    """
    start = log(start_weight(step))
    if not before:
        return tuple(value + start for value in block)
    return tuple(new + log_sum((old, start)) for old, new in zip(before, block, strict=True))
