"""The exact conditional test of two proportions: given a block's events, how many fell on the treatment (analysis.md
1.5)?

Given the total of events, the treatment's count follows Fisher's noncentral hypergeometric law, which knows only the
odds ratio: no baseline rate enters, and neither drift between blocks nor a change of allocation matters.
"""

from math import lgamma, log, sqrt

ODDS_RATIOS = (1.15, 1.3, 1.6, 2.2, 3.5, 7.0)
"""Alternatives, as multiples of the tolerated odds ratio."""

ODDS_WEIGHTS = (0.05, 0.07, 0.19, 0.31, 0.12, 0.26)
"""What each alternative has of the average; they sum to 1. Most lies where a rollout is usually decided: half as many
errors again, twice and six times as many. Measured in benchmarks/detection.py (ADR 0012)."""

_NEGLIGIBLE = 1e-17  # a term this small beside the largest is below the last digit of a double


def block_log_e(
    treatment_n: int, treatment_y: int, control_n: int, control_y: int, *, tolerated: float = 1.0
) -> tuple[float, ...]:
    """log e-values of one block for each alternative w = tolerated * g, g of ODDS_RATIOS (RULES E1).

    E(w) = (w / w0)^yT * Z(w0) / Z(w), Z(w) = sum_k C(nT, k) C(nC, m - k) w^k. y: units with the *bad* event, of n.
    tolerated: w0 > 0, the odds ratio of bad events (treatment to control) up to which nothing is called harm. By the
    law's monotone likelihood ratio the expectation is at most 1 for every true odds ratio <= w0. An empty arm, no
    event, or only events: 0.
    """
    assert 0 <= treatment_y <= treatment_n
    assert 0 <= control_y <= control_n
    assert tolerated > 0
    events = treatment_y + control_y
    if not treatment_n or not control_n or not events or events == treatment_n + control_n:
        return (0.0,) * len(ODDS_RATIOS)
    null = log_normaliser(treatment_n, control_n, events, tolerated)
    return tuple(
        treatment_y * log(ratio) + null - log_normaliser(treatment_n, control_n, events, tolerated * ratio)
        for ratio in ODDS_RATIOS
    )


def log_normaliser(treatment_n: int, control_n: int, events: int, odds_ratio: float) -> float:
    """log Z(w) = log sum_k C(nT, k) C(nC, m - k) w^k, summed outwards from its largest term until terms no longer
    matter.

    That takes some twenty standard deviations of the count, not its whole support: hundreds of terms for a block of
    100,000 units.
    """
    low, high = max(0, events - control_n), min(treatment_n, events)
    mode = _mode(treatment_n, control_n, events, odds_ratio, low, high)
    rest = control_n - events
    total = term = 1.0
    for k in range(mode, high):
        term *= odds_ratio * (treatment_n - k) * (events - k) / ((k + 1) * (rest + k + 1))
        total += term
        if term < _NEGLIGIBLE:
            break
    term = 1.0
    for k in range(mode, low, -1):
        term *= k * (rest + k) / (odds_ratio * (treatment_n - k + 1) * (events - k + 1))
        total += term
        if term < _NEGLIGIBLE:
            break
    return log_choose(treatment_n, mode) + log_choose(control_n, events - mode) + mode * log(odds_ratio) + log(total)


def log_choose(n: int, k: int) -> float:
    """log of the binomial coefficient, 0 <= k <= n."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def odds_ratio(treatment_rate: float, control_rate: float) -> float:
    """Odds of the treatment over odds of the control; both rates strictly between 0 and 1."""
    assert 0 < treatment_rate < 1
    assert 0 < control_rate < 1
    return treatment_rate * (1 - control_rate) / (control_rate * (1 - treatment_rate))


def _mode(treatment_n: int, control_n: int, events: int, w: float, low: int, high: int) -> int:
    """The k of the largest term: the root of the term ratio, a quadratic (Liao and Rosen, Am. Stat. 55(4), 2001)."""
    a = w - 1
    b = -((events + treatment_n + 2) * w + control_n - events)
    c = (treatment_n + 1) * (events + 1) * w
    root = sqrt(max(b * b - 4 * a * c, 0.0))
    guess = 2 * c / (-b + root)  # the stable form of the smaller root; a = 0 needs no case of its own
    return min(max(int(guess), low), high)
