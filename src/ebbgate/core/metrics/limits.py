"""Where the new version stands against an absolute limit, and whether that is its own doing (RULES F4, G1)."""

from math import log

from ebbgate.core.metrics.analysis import LimitAnalysis, LimitStanding
from ebbgate.core.metrics.limits_evidence import (
    LimitEvidence,
    control_count,
    is_attributable,
    onset,
    treatment_count,
    worth,
)

WITHIN_ALPHA = 0.05
"""Chance of ever calling a version within a limit that it breaks; no multiplicity, as every limit must hold (RULES
E6)."""


def judge_limit(evidence: LimitEvidence) -> LimitAnalysis:
    """The standing now. BREACHED: shown beyond, for as long as the limit says. WITHIN: shown below. A critical breach
    of the new version's own doing is latched, and whose doing it is was decided when it began (RULES F4)."""
    treatment_n, treatment_y = treatment_count(evidence.recent)
    control_n, control_y = control_count(evidence.recent)
    is_breach = evidence.breached_at is not None
    began_at = evidence.began_at or (onset(evidence) if evidence.recent else None)
    return LimitAnalysis(
        metric=evidence.metric,
        function=evidence.function,
        limit=evidence.limit,
        is_critical=evidence.is_critical,
        standing=_standing(evidence),
        attributable=evidence.is_own if is_breach else is_attributable(evidence),
        treatment_n=treatment_n,
        treatment_share=treatment_y / treatment_n if treatment_n else None,
        control_share=control_y / control_n if control_n else None,
        log_e=evidence.log_e,
        threshold=evidence.threshold,
        window_opened_at=began_at,
    )


def _standing(evidence: LimitEvidence) -> LimitStanding:
    if evidence.breached_at is not None:
        return LimitStanding.BREACHED
    n, y = treatment_count(evidence.recent)
    proven = worth(evidence.within, evidence.steps) >= log(1 / WITHIN_ALPHA)
    if proven and n >= evidence.min_n and y < evidence.share * n:
        return LimitStanding.WITHIN
    return LimitStanding.UNDECIDED
