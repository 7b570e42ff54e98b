"""Sums and averages of numbers that are known by their logarithms; every e-value in ebbgate is a natural log."""

from collections.abc import Sequence
from math import erfc, exp, fsum, log, log1p, pi, sqrt


def log_sum(logs: Sequence[float]) -> float:
    """log(sum(exp(x))) without overflow. logs: not empty, finite."""
    assert logs
    top = max(logs)
    return top + log(fsum(exp(value - top) for value in logs))


def log_average(logs: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """log of the weighted average of exp(x). weights: positive, sum 1; equal when left out.

    The average of e-processes of one metric on one block structure is an e-process (RULES E4).
    """
    if weights is None:
        return log_sum(logs) - log(len(logs))
    assert len(logs) == len(weights)
    assert all(weight > 0 for weight in weights)
    assert abs(fsum(weights) - 1) < 1e-9
    assert logs
    top = max(logs)
    return top + log(fsum(weight * exp(value - top) for value, weight in zip(logs, weights, strict=True)))


def log_normal_cdf(x: float) -> float:
    """log of the standard normal distribution function, also far in the lower tail.

    Below -12 `erfc` still has all its digits, but soon underflows; there the asymptotic series of Mills' ratio is
    exact to 1e-7 (Abramowitz and Stegun 26.2.12).
    """
    if x > 5:
        return log1p(-0.5 * erfc(x / sqrt(2)))
    if x > -12:
        return log(0.5 * erfc(-x / sqrt(2)))
    square = x * x
    return -0.5 * square - log(-x * sqrt(2 * pi)) + log1p(-1 / square + 3 / square**2 - 15 / square**3)
