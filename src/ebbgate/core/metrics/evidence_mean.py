"""The evidence that a mean has got worse: two asymptotic scores and the bets, and how they guard each other (ADR 0012).

`whole` is the score of the values as they are: it alone asks for the arithmetic mean, so no change of shape with an
equal mean can pass it (RULES E2). Its variance is estimated, and with heavy tails a low mean comes with a low variance;
`capped`, the bets and the score of values capped beforehand, is sound there, but takes a wider spread for a lower mean.
Harm is what both show; and where the ranks and the capped mean do not tell of the same change, so that the shape has
changed, more is asked of `whole`.
"""

from collections.abc import Callable, Sequence
from math import inf, log, sqrt

from ebbgate.core.metrics.blocks import BET_SIZES
from ebbgate.core.metrics.definition import Guardrail
from ebbgate.core.metrics.evidence_tolerance import sign
from ebbgate.core.metrics.evidence_types import MetricEvidence
from ebbgate.core.stats import ArmSums, Strata, betting_log_e, grid_log_e, log_average, unit_variance

SCORE_SHIFTS = (0.02, 0.045, 0.09, 0.2, 0.45)
"""Alternatives, in standard deviations of a unit."""

SCORE_WEIGHTS = (0.06, 0.47, 0.32, 0.11, 0.04)
BET_WEIGHTS = (0.02, 0.04, 0.1, 0.2, 0.24, 0.22, 0.18)
"""Of the alternatives, and of BET_SIZES. Measured in benchmarks/detection.py."""

BETS_SHARE = 0.3
"""Of the bets in `capped`; the score has the rest."""

GUARD = log(2.5)
"""How much less the capped evidence has to show than the whole one (ADR 0012): it is a guard, not the question."""

UNLIKE_FROM = 1.5
UNLIKE = log(5)
"""Standard errors between the ranks and the capped mean from which the arms' shapes are taken to differ, and how much
more `whole` has to show then. Where values only get smaller or larger, both move together."""

WHOLE_FROM = 20
CAPPED_FROM = 100
OWN_VARIANCE_FROM = 250
"""Treated units from which a score counts, and from which a phase's own variances are taken as they are. Before, the
larger of both arms' stands for the arm in which a low mean may come with too low a variance."""

FEW_CONTROLS = 1_000
"""Where a rise is harm, the arm that is low by chance is the control: of rare counts a holdout of 230 units often has
none at all, and so no variance (treatment 40 of 2,100: log e = 17). Below so many the larger variance stands for it."""


Guard = Callable[[float, float, int, bool], tuple[float, float]]
"""(treatment's variance, control's, +1 where an increase is bad, whether it is early) to the variances to be used."""


def mean_log_e(guardrail: Guardrail, evidence: MetricEvidence, contrasts: Sequence[tuple[Strata, Strata]]) -> float:
    """log of the harm e-process of a mean. contrasts: each phase's strata of values as they are, and of capped ones."""
    whole = [strata for strata, _ in contrasts]
    capped = [strata for _, strata in contrasts]
    betting = bets_log_e(evidence)
    score = _score(guardrail, capped, guard=_guarded, is_capped=True)
    guard = log_average((betting, score), (BETS_SHARE, 1 - BETS_SHARE))
    if _is_constant(whole):
        return betting  # nothing varies, so there is no score; the bets are exact
    if _is_unlike(guardrail, evidence, capped):
        return min(_score(guardrail, whole, guard=_guarded) - UNLIKE, guard + GUARD)
    return min(_score(guardrail, whole, guard=_guarded_early), guard + GUARD)


def _is_unlike(guardrail: Guardrail, evidence: MetricEvidence, capped: Sequence[Strata]) -> bool:
    """Whether the arms differ in more than their scale: the ranks say something else than the capped mean does.

    Only ever used to ask for more, so it may look at the very data that are judged. A tolerance plays no part.
    """
    gap = variance = 0.0
    for strata in capped:
        treatment, control = strata.treatment, strata.control
        gap += treatment.weighted_numerator - control.weighted_numerator
        variance += unit_variance(treatment) * treatment.spread + unit_variance(control) * control.spread
    if variance <= 0 or evidence.rank_variance <= 0:
        return False
    ranks = sign(guardrail) * evidence.rank_score / sqrt(evidence.rank_variance)  # summed toward harm
    return abs(ranks - gap / sqrt(variance)) > UNLIKE_FROM


def bets_log_e(evidence: MetricEvidence) -> float:
    """log of the bets' e-process alone: exact for values within the cap."""
    return betting_log_e(evidence.wealth, BET_WEIGHTS)


def _score(guardrail: Guardrail, phases: Sequence[Strata], *, guard: Guard, is_capped: bool = False) -> float:
    """The mixture over SCORE_SHIFTS of the stratified linear contrast beyond the tolerance, added over phases.

    Dividing by the standard deviation of one effective unit makes the intrinsic time the number of effective units.
    """
    treated = sum(strata.treatment.n for strata in phases)
    units = sum(strata.units for strata in phases)
    if units <= 0 or treated < (CAPPED_FROM if is_capped else WHOLE_FROM):
        return 0.0
    worse, tolerate = sign(guardrail), guardrail.tolerate
    factor = 1.0 if tolerate.absolute is not None else 1.0 + worse * (tolerate.relative or 0.0)
    pooled = _pooled([strata.treatment for strata in phases]), _pooled([strata.control for strata in phases])
    score = variance = 0.0
    for strata in phases:
        if strata.units <= 0:
            continue
        treatment, control = strata.treatment, strata.control
        gap = treatment.weighted_numerator - factor * control.weighted_numerator
        score += worse * gap - strata.units * (tolerate.absolute or 0.0)
        arms = pooled
        if treatment.n >= OWN_VARIANCE_FROM:
            arms = unit_variance(treatment), unit_variance(control)
        if worse > 0 and control.n < FEW_CONTROLS:
            arms = arms[0], max(arms)
        one, other = guard(*arms, worse, is_capped or treated < OWN_VARIANCE_FROM)
        variance += one * treatment.spread + factor * factor * other * control.spread
    if variance <= 0:
        return 0.0
    return grid_log_e(score / sqrt(variance / units), units, SCORE_SHIFTS, SCORE_WEIGHTS)


def _guarded_early(treatment: float, control: float, worse: int, is_early: bool) -> tuple[float, float]:
    """The arms' variances, as they are once there are enough units; before, the larger stands for a falling arm's."""
    return (max(treatment, control) if is_early and worse < 0 else treatment), control


def _guarded(treatment: float, control: float, worse: int, is_early: bool) -> tuple[float, float]:
    """The arms' variances, with that of the treatment raised where its own may be too low to be true.

    Only a fall is harm that comes with a variance that is too low: a large value that has not been drawn yet is missing
    in both. A treatment that varies less than the control is taken a quarter of the way toward it; one that varies more
    has another shape, and the more it has, the more is asked of it.
    """
    if worse > 0:
        return treatment, control
    if treatment < control:
        return (control if is_early else (3 * treatment + control) / 4), control
    return treatment * (treatment / control if control > 0 else 1.0), control


def _pooled(arms: Sequence[ArmSums]) -> float:
    """The variance of a unit around its phase's means, over all phases."""
    total = sum(unit_variance(arm) * arm.n for arm in arms if arm.n)
    n = sum(arm.n for arm in arms)
    return total / n if n else inf


def _is_constant(phases: Sequence[Strata]) -> bool:
    arms = [arm for strata in phases for arm in (strata.treatment, strata.control) if arm.n]
    return all(unit_variance(arm) <= 0 for arm in arms)


assert len(BET_WEIGHTS) == len(BET_SIZES)
