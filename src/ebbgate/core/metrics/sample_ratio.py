"""Do the arms have the sizes that the hash promised? One factor a phase, multiplied, latched (analysis.md 1.6)."""

from math import fsum, log

import msgspec

from ebbgate.core.metrics.analysis import SampleRatio
from ebbgate.core.metrics.blocks import AFTERWARDS, Assignment
from ebbgate.core.stats import sample_ratio_log_e

SAMPLE_RATIO_ALPHA = 0.001
"""Chance of ever doubting sound data. Source: analysis.md 4."""


class PhaseCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one phase since it began, and the share of treatment that the intervals promise."""

    treatment: int
    control: int
    expected_share: float


class SampleRatioEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of every phase; log_e is their product's log. fired: latched at SAMPLE_RATIO_ALPHA. phase: the newest."""

    phases: dict[int, PhaseCounts] = {}
    phase: int | None = None
    log_e: float = 0.0
    fired: bool = False


def fold_assignment(evidence: SampleRatioEvidence, assignment: Assignment) -> SampleRatioEvidence:
    """The evidence with a phase's counts as they are now (they replace that phase's earlier ones). Pure.

    Phases without two random arms, and the recovery check, which draws no new units, say nothing.
    """
    share = assignment.expected_share
    if share is None or not 0 < share < 1 or assignment.phase in AFTERWARDS:
        return evidence
    counts = PhaseCounts(treatment=assignment.treatment, control=assignment.control, expected_share=share)
    phases = {**evidence.phases, assignment.phase: counts}
    log_e = fsum(sample_ratio_log_e(found.treatment, found.control, found.expected_share) for found in phases.values())
    return SampleRatioEvidence(
        phases=phases,
        phase=assignment.phase,
        log_e=log_e,
        fired=evidence.fired or log_e >= log(1 / SAMPLE_RATIO_ALPHA),
    )


def judge_sample_ratio(evidence: SampleRatioEvidence) -> SampleRatio:
    """What the counts say, with those of the newest phase."""
    counts = None if evidence.phase is None else evidence.phases[evidence.phase]
    return SampleRatio(
        log_e=evidence.log_e,
        fired=evidence.fired,
        treatment=counts.treatment if counts else 0,
        control=counts.control if counts else 0,
        expected_share=counts.expected_share if counts else None,
    )
