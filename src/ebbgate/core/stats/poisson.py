"""Counts of events over exposure time, two arms of a common rate that may move with time (analysis.md 1.6).

Source: Lindon and Malek, arXiv 2011.03567 (NeurIPS 2022). Events must come independently; where people have several,
count the people with one or more, or use the linearised mean (analysis.md 1.4).
"""

from math import log

from ebbgate.core.stats.hypergeometric import ODDS_RATIOS


def count_log_e(
    treatment_y: int,
    treatment_exposure: float,
    control_y: int,
    control_exposure: float,
    *,
    tolerated: float = 1.0,
    increase: bool = True,
) -> tuple[float, ...]:
    """log e-values of one block, for each alternative w = tolerated * g (or / g), g of ODDS_RATIOS.

    y: events. exposure: unit-minutes (any unit, the same for both arms), >= 0. tolerated: w0 > 0, the ratio of rates,
    treatment to control, up to which (or down to which, without `increase`) nothing is called harm (RULES E1). Given
    the block's events each falls on the treatment with chance q(w) = w eT / (w eT + eC), so no rate enters:
    E(w) = (w / w0)^yT ((w0 eT + eC) / (w eT + eC))^m, whose expectation is at most 1 on the tolerated side, as the
    binomial's likelihood ratio is monotone. An arm without exposure, or no event: 0. Add over blocks, then average
    with ODDS_WEIGHTS.
    """
    assert treatment_y >= 0
    assert control_y >= 0
    assert treatment_exposure >= 0
    assert control_exposure >= 0
    assert tolerated > 0
    events = treatment_y + control_y
    if not events or treatment_exposure == 0 or control_exposure == 0:
        return (0.0,) * len(ODDS_RATIOS)
    null = log(tolerated * treatment_exposure + control_exposure)
    ratios = [ratio if increase else 1 / ratio for ratio in ODDS_RATIOS]
    return tuple(
        treatment_y * log(ratio) + events * (null - log(tolerated * ratio * treatment_exposure + control_exposure))
        for ratio in ratios
    )
