"""Two proportions against a margin on the rates themselves: is the treatment's above `offset + slope * control's`?

The conditional test (`hypergeometric`) asks for an odds ratio, and a margin on rates is another odds ratio at every
level. This one asks for the margin, so it is exact whatever the level is and however it moves: nothing is converted.
"""

from math import log, log1p, sqrt

from ebbgate.core.stats.hypergeometric import ODDS_RATIOS, odds_ratio

_ROOM = 0.995  # the tolerated rate that is assumed at most: a test has to have somewhere worse to look


def margin_log_e(
    treatment_n: int,
    treatment_y: int,
    control_n: int,
    control_y: int,
    *,
    offset: float,
    slope: float,
    level: float,
) -> tuple[float, ...]:
    """log e-values of one block for each alternative of ODDS_RATIOS against `rate T <= offset + slope * rate C`.

    y: units with the *bad* event, of n. offset: >= 0; slope: > 0 where offset < 1. level: the control's rate as it is
    guessed before the block, in (0, 1). A wrong guess costs power, never validity: twice too high or too low costs next
    to nothing, and far too low is the conditional test of two Poisson counts. Each alternative has its odds ratio times
    that of the tolerated rates at the level. An empty arm, or a margin that leaves no room below 1: 0.

    E is the likelihood ratio of rates (x, y) to the rates (t, l) = (offset + slope * level, level), where (x, y) lies
    on the normal of the null's border in (t, l):

        nT slope (x - t) / (t (1 - t)) + nC (y - l) / (l (1 - l)) = 0.

    The factors of one unit then have expectations eT, eC with nT (eT - 1) + nC (eC - 1) = 0 on the whole border, and
    < 0 below it. So the block's is at most exp(that) <= 1, for any rates of the units whose *means over the block*
    keep to the margin; at the level guessed it is exactly 1. Source: Turner, Ly, Grünwald, arXiv 2106.02693 (safe tests
    of two data streams), for convex nulls; here the null's point is chosen, and the alternative follows from it.
    """
    assert 0 <= treatment_y <= treatment_n
    assert 0 <= control_y <= control_n
    assert offset >= 0
    assert 0 < level < 1
    if not treatment_n or not control_n or offset >= _ROOM:
        return (0.0,) * len(ODDS_RATIOS)
    assert slope > 0
    level = min(level, (_ROOM - offset) / slope)
    tolerated = offset + slope * level
    steep = treatment_n * slope * level * (1 - level) / (control_n * tolerated * (1 - tolerated))
    odds = odds_ratio(tolerated, level)
    found = []
    for ratio in ODDS_RATIOS:
        rate = _rate_on_normal(level + steep * tolerated, steep, ratio * odds)
        other = _other_rate(rate, ratio * odds)
        found.append(
            treatment_y * log(rate / tolerated)
            + (treatment_n - treatment_y) * (log1p(-rate) - log1p(-tolerated))
            + control_y * log(other / level)
            + (control_n - control_y) * (log1p(-other) - log1p(-level))
        )
    return tuple(found)


def _rate_on_normal(start: float, steep: float, odds: float) -> float:
    """The x in (0, 1) for which x and y = start - steep * x have that odds ratio: steep (1 - odds) x^2 + (1 - start +
    odds (start + steep)) x - odds * start = 0."""
    a, b = steep * (1 - odds), 1 - start + odds * (start + steep)
    return 2 * odds * start / (b + sqrt(b * b + 4 * a * odds * start))  # the stable form of the smaller root


def _other_rate(rate: float, odds: float) -> float:
    """The rate whose odds are so many times lower."""
    return rate / (rate + odds * (1 - rate))
