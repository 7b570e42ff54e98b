"""What one block adds to a metric's harm e-process, and what the e-process is worth (RULES D, E)."""

from collections.abc import Sequence
from math import floor, fsum, log, sqrt

import msgspec

from ebbgate.core.metrics.blocks import (
    AFTERWARDS,
    BET_SIZES,
    SKETCH_BASE,
    SKETCH_ZERO,
    AnyBlock,
    MeanBlock,
    ProportionBlock,
    QuantileBlock,
    RatioBlock,
)
from ebbgate.core.metrics.definition import Guardrail, HarmBy, MetricKind
from ebbgate.core.metrics.evidence_change import excess
from ebbgate.core.metrics.evidence_mean import bets_log_e, mean_log_e
from ebbgate.core.metrics.evidence_tolerance import (
    guessed_level,
    is_zero,
    sign,
    tolerated_bins,
    tolerated_odds,
    tolerated_rate,
    tolerated_wealth,
)
from ebbgate.core.metrics.evidence_types import EVIDENCE_EDITION, MetricEvidence, PhaseEvidence
from ebbgate.core.stats import (
    EXCEEDANCE_ODDS,
    EXCEEDANCE_WEIGHTS,
    LATENCY_SHIFTS,
    MEAN_SHIFTS,
    ODDS_WEIGHTS,
    RANK_WEIGHT,
    TUNED_UNITS,
    Shifts,
    block_log_e,
    count_above,
    exceedance_log_e,
    log_average,
    margin_log_e,
    one_sided_log_e,
    rank_block,
    rank_log_e,
    shifted_wealth,
    tuned_r,
    untied_variance,
)

# Evidence that is not exact counts only from these many treated units on (analysis.md 4).
RANK_BURN_IN = 10
RATE_BURN_IN = 200  # before edition 2: control units before the measured rate takes part in converting a tolerance
RATIO_BURN_IN = 200
RATIO_EVENTS = 20

RANKS_OF_MEANS = 0.9
"""Of the ranks in the average, where harm is a worse distribution; the bets have the rest."""

_SCORE_R = tuned_r(TUNED_UNITS, 0.05)


def add_evidence(
    guardrail: Guardrail, evidence: MetricEvidence, block: AnyBlock, *, edition: int = EVIDENCE_EDITION
) -> MetricEvidence:
    """The e-process's sums with one more block. The block is in the evidence's phases already."""
    if isinstance(block, ProportionBlock):
        return _add_odds(guardrail, evidence, block, edition)
    if isinstance(block, RatioBlock):
        # The counts of units with any event are no test: 50 % more activity at equal ratios called harm in 73 % of
        # 2,000 rollouts (RULES D3). The evidence is the score of the linearised ratio, made from the phases' sums.
        return evidence
    if isinstance(block, MeanBlock):
        return _add_mean(guardrail, evidence, block, edition)
    assert isinstance(block, QuantileBlock), block
    return _add_quantile(guardrail, evidence, block, edition)


def harm_log_e(guardrail: Guardrail, evidence: MetricEvidence) -> float:
    """log of the metric's harm e-process. Parts are averaged inside this one metric only (RULES E4)."""
    odds = log_average(evidence.odds, ODDS_WEIGHTS) if evidence.odds else 0.0
    match guardrail.metric.kind:
        case MetricKind.SHARE | MetricKind.RATE:
            return odds
        case MetricKind.RATIO:
            return _ratio_score(guardrail, evidence)
        case MetricKind.QUANTILE:
            ranks = _rank(evidence, LATENCY_SHIFTS)
            if not evidence.exceedance:
                return ranks  # the tails take over from where the ranks are when there are thresholds
            tails = [log_average(values, EXCEEDANCE_ODDS) for values in evidence.exceedance]
            return log_average((ranks, *tails), (RANK_WEIGHT, *EXCEEDANCE_WEIGHTS))
    contrasts = [(phase.whole, phase.strata) for phase in _contrasts(evidence)]
    mean = mean_log_e(guardrail, evidence, contrasts)
    # Ranks of means cannot be shifted once they are summed; a tolerated change is then asked of the mean.
    if guardrail.metric.harm is HarmBy.MEAN or not is_zero(guardrail.tolerate):
        return mean
    return log_average((_rank(evidence, MEAN_SHIFTS), bets_log_e(evidence)), (RANKS_OF_MEANS, 1 - RANKS_OF_MEANS))


def _add_odds(guardrail: Guardrail, evidence: MetricEvidence, block: ProportionBlock, edition: int) -> MetricEvidence:
    treatment, control = block.treatment_y, block.control_y
    if sign(guardrail) < 0:  # a share that must not fall: failures are the bad events
        treatment, control = block.treatment_n - treatment, block.control_n - control
    counts = block.treatment_n, treatment, block.control_n, control
    if is_zero(guardrail.tolerate):
        step = block_log_e(*counts)
    elif edition >= 2:
        offset, slope = tolerated_rate(guardrail)
        level = guessed_level(guardrail, evidence.phases, block)
        step = margin_log_e(*counts, offset=offset, slope=slope, level=level)
    else:
        seen = evidence.phases[block.phase].strata.control
        rate = seen.numerator / seen.n if seen.n >= RATE_BURN_IN else None
        step = block_log_e(*counts, tolerated=tolerated_odds(guardrail, control_rate=rate))
    return msgspec.structs.replace(evidence, odds=_added(evidence.odds, step))


def _add_mean(guardrail: Guardrail, evidence: MetricEvidence, block: MeanBlock, edition: int) -> MetricEvidence:
    arms = block.treatment.n, block.control.n
    evidence = msgspec.structs.replace(
        evidence,
        rank_score=evidence.rank_score + sign(guardrail) * block.rank_score,
        rank_variance=evidence.rank_variance
        + untied_variance(*arms, block.rank_variance, MEAN_SHIFTS, may_tie=edition < 2),
    )
    if not block.log_wealth or block.cap <= 0 or not block.treatment.n or not block.control.n:
        return evidence
    control = evidence.phases[block.phase].strata.control
    tolerated = tolerated_wealth(guardrail, control_mean=control.numerator / control.n, cap=block.cap)
    pairs = min(block.treatment.n, block.control.n)  # the larger arm is dealt over the units of the smaller one
    wealth = shifted_wealth(block.log_wealth, BET_SIZES, pairs=pairs, tolerated=tolerated)
    return msgspec.structs.replace(evidence, wealth=_added(evidence.wealth, wealth))


def _add_quantile(guardrail: Guardrail, evidence: MetricEvidence, block: QuantileBlock, edition: int) -> MetricEvidence:
    worse = sign(guardrail)
    shift = tolerated_bins(guardrail)
    score, variance, above = block.rank_score, block.rank_variance, block.treatment_above
    control_above = block.control_above
    if shift:
        # The engine compares what it saw; what is tolerated is taken off here, on the histograms, in whole bins.
        score, variance = rank_block(block.treatment_sketch, block.control_sketch, shift=shift)
        bins = [_bin(threshold) for threshold in block.thresholds]
        above = tuple(count_above(block.treatment_sketch, bin_, shift=shift) for bin_ in bins)
        control_above = tuple(count_above(block.control_sketch, bin_) for bin_ in bins)
    before = evidence.exceedance or ((_rank(evidence, LATENCY_SHIFTS),) * len(ODDS_WEIGHTS),) * len(EXCEEDANCE_WEIGHTS)
    evidence = msgspec.structs.replace(
        evidence,
        rank_score=evidence.rank_score + worse * score,
        rank_variance=evidence.rank_variance
        + untied_variance(block.treatment_n, block.control_n, variance, LATENCY_SHIFTS, may_tie=edition < 2),
    )
    if not block.thresholds:
        return evidence
    assert len(block.thresholds) == len(EXCEEDANCE_WEIGHTS), "one threshold for each of THRESHOLD_QUANTILES"
    steps = exceedance_log_e(block.treatment_n, above, block.control_n, control_above, increase=worse > 0)
    added = tuple(_added(old, new) for old, new in zip(before, steps, strict=True))
    return msgspec.structs.replace(evidence, exceedance=added)


def _rank(evidence: MetricEvidence, shifts: Shifts) -> float:
    treated = sum(phase.strata.treatment.n for phase in _contrasts(evidence))
    return rank_log_e(evidence.rank_score, evidence.rank_variance, shifts) if treated >= RANK_BURN_IN else 0.0


def _ratio_score(guardrail: Guardrail, evidence: MetricEvidence) -> float:
    arms = [(phase.strata.treatment, phase.strata.control) for phase in _contrasts(evidence)]
    treated = sum(treatment.n for treatment, _ in arms)
    events = fsum(treatment.numerator + control.numerator for treatment, control in arms)
    return _score(guardrail, evidence) if treated >= RATIO_BURN_IN and events >= RATIO_EVENTS else 0.0


def _score(guardrail: Guardrail, evidence: MetricEvidence) -> float:
    """The one-sided mixture on the stratified linear contrast beyond the tolerance, added over phases.

    Each phase's excess is weighted by its effective units; dividing by the standard deviation of one effective unit
    makes the intrinsic time the number of effective units, for which the mixture is tuned.
    """
    units = score = variance = 0.0
    for phase in _contrasts(evidence):
        estimate = excess(guardrail, phase, guardrail.tolerate)
        if estimate is None:
            continue
        units += phase.strata.units
        score += phase.strata.units * estimate.value
        variance += (phase.strata.units * estimate.error) ** 2
    if units <= 0 or variance <= 0:
        return 0.0
    return one_sided_log_e(score / sqrt(variance / units), units, _SCORE_R)


def _contrasts(evidence: MetricEvidence) -> list[PhaseEvidence]:
    """The phases of the rollout itself, in order, so that sums come out the same after a restart."""
    return [evidence.phases[index] for index in sorted(evidence.phases) if index not in AFTERWARDS]


def _added(before: Sequence[float], block: Sequence[float]) -> tuple[float, ...]:
    return tuple(old + new for old, new in zip(before, block, strict=True)) if before else tuple(block)


def _bin(value: float) -> int:
    return floor(log(value) / log(SKETCH_BASE)) if value > 0 else SKETCH_ZERO
