"""Bounds of a proportion by its likelihood, which are right for rare events where a normal approximation is not."""

from math import log, log1p


def upper_share(share: float, n: float, multiplier: float) -> float:
    """The largest p with 2 n KL(share, p) <= multiplier^2: `multiplier` signed-root likelihood ratios above the share.

    share: observed, in [0, 1]. n: observations (effective, > 0). With a multiplier of
    `confidence.one_sided_multiplier` it holds at all times at once, asymptotically; at no event in n it is about
    multiplier^2 / (2 n), where a standard error would be 0. Source: the sub-Bernoulli uniform boundaries of Howard,
    Ramdas, McAuliffe, Sekhon, arXiv 1810.08240.
    """
    assert 0 <= share <= 1
    assert n > 0
    allowed, low, high = multiplier * multiplier / (2 * n), share, 1.0
    for _ in range(45):
        middle = (low + high) / 2
        if _divergence(share, middle) <= allowed:
            low = middle
        else:
            high = middle
    return high


def lower_share(share: float, n: float, multiplier: float) -> float:
    """As `upper_share`, below."""
    return 1 - upper_share(1 - share, n, multiplier)


def _divergence(share: float, other: float) -> float:
    """Kullback-Leibler divergence of two Bernoulli distributions, in nats; other in (0, 1)."""
    if not 0 < other < 1:
        return 0.0 if share == other else float("inf")
    ones = share * (log(share) - log(other)) if share > 0 else 0.0
    zeros = (1 - share) * (log1p(-share) - log1p(-other)) if share < 1 else 0.0
    return ones + zeros
