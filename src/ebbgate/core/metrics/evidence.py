"""The evidence on one metric: a fold over its blocks, which goes on after a restart as if there had been none (RULES
E5)."""

from math import isfinite, log

import msgspec

from ebbgate.core.metrics.blocks import AFTERWARDS, AnyBlock
from ebbgate.core.metrics.definition import Goal, Guardrail
from ebbgate.core.metrics.evidence_change import harm_bound
from ebbgate.core.metrics.evidence_phase import add_to_phase
from ebbgate.core.metrics.evidence_steps import add_evidence, harm_log_e
from ebbgate.core.metrics.evidence_types import EVIDENCE_EDITION, MetricEvidence, PhaseEvidence
from ebbgate.core.metrics.limits_evidence import LimitEvidence
from ebbgate.core.stats.strata import ArmSums

__all__ = [
    "EVIDENCE_EDITION",
    "LimitEvidence",
    "MetricEvidence",
    "NotFiniteError",
    "PhaseEvidence",
    "fold",
    "goal_guardrail",
    "start",
]


class NotFiniteError(ArithmeticError):
    """A block would have left evidence that is not a finite number, and that no later block could mend."""


def start(guardrail: Guardrail, *, alpha: float | None) -> MetricEvidence:
    """No evidence yet. alpha: this metric's own share (`relative_alphas`), in (0, 1); None where nothing may be
    called harm."""
    assert alpha is None or 0 < alpha < 1
    return MetricEvidence(metric=guardrail.metric.name, threshold=None if alpha is None else log(1 / alpha))


def fold(
    guardrail: Guardrail, evidence: MetricEvidence, block: AnyBlock, *, edition: int = EVIDENCE_EDITION
) -> MetricEvidence:
    """The evidence with one more block; call it once a block, in order of closing. Pure. Raises NotFiniteError.

    Blocks of the recovery check change that phase's estimates only, never the e-process. Limit blocks have their own
    fold. edition: of a replay, that of the decision (EVIDENCE_EDITION).
    """
    assert block.metric == evidence.metric == guardrail.metric.name
    phase = evidence.phases.get(block.phase, PhaseEvidence())
    evidence = msgspec.structs.replace(
        evidence,
        phases={**evidence.phases, block.phase: add_to_phase(phase, block)},
        newest_at=block.closed_at if evidence.newest_at is None else max(evidence.newest_at, block.closed_at),
    )
    if block.phase in AFTERWARDS:
        return _finite(evidence, block.phase)
    evidence = add_evidence(guardrail, evidence, block, edition=edition)
    evidence = _finite(msgspec.structs.replace(evidence, log_e=harm_log_e(guardrail, evidence)), block.phase)
    crossed = evidence.threshold is not None and evidence.log_e >= evidence.threshold
    if not crossed or evidence.harm_shown_at is not None:
        return evidence
    return msgspec.structs.replace(
        evidence,
        harm_shown_at=block.closed_at,
        harm_phase=block.phase,
        harm_bound=harm_bound(guardrail, evidence.phases[block.phase]),
    )


def _finite(evidence: MetricEvidence, phase: int) -> MetricEvidence:
    """The evidence itself, where each of its numbers and of the phase's is finite. Sound sums are nowhere near the
    largest float, so that their sum is finite exactly if all of them are."""
    found = evidence.phases[phase]
    arms = (found.strata.treatment, found.strata.control, found.whole.treatment, found.whole.control)
    total = sum(map(_total, arms)) + found.treatment_raw_total + found.control_raw_total + found.cap
    total += evidence.rank_score + evidence.rank_variance + sum(evidence.odds) + sum(evidence.wealth)
    total += sum(map(sum, evidence.exceedance)) + evidence.log_e
    if not isfinite(total):
        raise NotFiniteError(f"the evidence on {evidence.metric} would not be finite")
    return evidence


def _total(arm: ArmSums) -> float:
    return (
        arm.numerator
        + arm.denominator
        + arm.numerator_squares
        + arm.denominator_squares
        + arm.products
        + arm.weighted_numerator
        + arm.weighted_denominator
        + arm.spread
        + arm.within_numerator
        + arm.within_denominator
        + arm.within_products
    )


def goal_guardrail(goal: Goal) -> Guardrail:
    """A goal's metric in the form that `start` and `fold` take. It gates nothing; start it with `alpha=None`."""
    return Guardrail(metric=goal.metric, baseline=goal.baseline)
