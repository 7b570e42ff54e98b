"""Where the new version stands against an absolute limit, and whether that is its own doing (RULES F4, G1)."""

from math import log

from ebbgate.core.metrics.analysis import LimitAnalysis, LimitStanding
from ebbgate.core.metrics.limits_evidence import LimitEvidence, control_count, is_beyond, treatment_count, worth
from ebbgate.core.stats import block_log_e, log_average

WITHIN_ALPHA = 0.05
"""Chance of ever calling a version within a limit that it breaks; no multiplicity, as every limit must hold (RULES
E6)."""


def judge_limit(evidence: LimitEvidence) -> LimitAnalysis:
    """The standing now. BREACHED: shown beyond, for as long as the limit says. WITHIN: shown below. A critical breach
    is latched."""
    treatment_n, treatment_y = treatment_count(evidence.recent)
    control_n, control_y = control_count(evidence.recent)
    window = (evidence.recent[0].opened_at, evidence.recent[-1].closed_at) if evidence.recent else None
    return LimitAnalysis(
        metric=evidence.metric,
        function=evidence.function,
        limit=evidence.limit,
        is_critical=evidence.is_critical,
        standing=_standing(evidence),
        attributable=is_attributable(evidence),
        treatment_n=treatment_n,
        treatment_share=treatment_y / treatment_n if treatment_n else None,
        control_share=control_y / control_n if control_n else None,
        log_e=evidence.log_e,
        threshold=evidence.threshold,
        window_opened_at=window[0] if window else None,
    )


def is_attributable(evidence: LimitEvidence) -> bool:
    """Whether a breach would be the new version's doing: the control is not beyond the limit, or far less so.

    "Beyond" by its e-process or, with enough observations, by its share in the trailing window; "far less" by the
    exact two-sample test on that window, so that an old version slightly over a limit does not excuse a new one that
    fails every second time.
    """
    treatment_n, treatment_y = treatment_count(evidence.recent)
    control_n, control_y = control_count(evidence.recent)
    shown = worth(evidence.control_above, evidence.steps) >= evidence.threshold
    seen = control_n >= evidence.min_n and control_y > evidence.share * control_n
    if not shown and not seen:
        return True
    return log_average(block_log_e(treatment_n, treatment_y, control_n, control_y)) >= evidence.threshold


def _standing(evidence: LimitEvidence) -> LimitStanding:
    if is_beyond(evidence) or (evidence.is_critical and evidence.breached_at is not None):
        return LimitStanding.BREACHED
    n, y = treatment_count(evidence.recent)
    proven = worth(evidence.within, evidence.steps) >= log(1 / WITHIN_ALPHA)
    if proven and n >= evidence.min_n and y < evidence.share * n:
        return LimitStanding.WITHIN
    return LimitStanding.UNDECIDED
