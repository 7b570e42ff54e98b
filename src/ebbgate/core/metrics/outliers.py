"""Few values that carry most of the spread: the mean of all values can hardly be told then (RULES E2, ADR 0012)."""

from ebbgate.core.metrics.analysis import Outliers
from ebbgate.core.metrics.blocks import AFTERWARDS
from ebbgate.core.metrics.definition import Guardrail, HarmBy
from ebbgate.core.metrics.evidence_types import MetricEvidence
from ebbgate.core.stats import ArmSums, unit_variance

MOST = 0.75
"""Of the spread (variance) of all values. From there on a harm needs four times the users that it would need if values
above counted as the cap. Log-normal values have 0.33 at sigma 1, 0.67 at 1.5 and 0.93 at 2; exponential ones 0.09."""


def outliers_of(guardrail: Guardrail, evidence: MetricEvidence, *, phase: int) -> Outliers | None:
    """What values above the cap that was learned do to the spread in a phase; None where it is not much, where harm is
    no matter of the mean, where the plan gives the cap, and after a rollback."""
    found = evidence.phases.get(phase)
    if found is None or phase in AFTERWARDS or found.cap <= 0:
        return None
    if guardrail.metric.cap is not None or guardrail.metric.scale is not None:
        return None
    if guardrail.metric.harm is not HarmBy.MEAN:
        return None
    arms = (found.whole.treatment, found.strata.treatment), (found.whole.control, found.strata.control)
    share = max(_carried(whole, capped) for whole, capped in arms)
    return Outliers(above=found.cap, share=share) if share >= MOST else None


def _carried(whole: ArmSums, capped: ArmSums) -> float:
    """The share of the variance that goes when values above the cap count as the cap."""
    variance = unit_variance(whole)
    return 1 - unit_variance(capped) / variance if variance > 0 else 0.0
