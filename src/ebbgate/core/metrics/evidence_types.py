"""The evidence kept on one metric; all of it is stored, so that a restart changes nothing (RULES E5)."""

from datetime import datetime

import msgspec

from ebbgate.core.stats import Strata

EVIDENCE_EDITION = 2
"""How blocks become evidence; replays give what a decision was made by. 2: a margin on rates is tested as one, instead
of being converted to an odds ratio; ranks with a few ties have the variance of none."""


class PhaseEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What estimates and bounds of one phase need; phases are never pooled (RULES D1).

    strata: both arms, stratified by block; of means, of capped values, and `whole` of values as they are.
    *_sketch: histograms of the phase (quantiles only). *_raw_total:
    sums of values as they are (above a plan's `cap`: as the cap), for display. cap: the largest cap so far, 0 if none.
    """

    strata: Strata = Strata()
    whole: Strata = Strata()
    treatment_sketch: dict[int, int] = {}
    control_sketch: dict[int, int] = {}
    treatment_raw_total: float = 0.0
    control_raw_total: float = 0.0
    cap: float = 0.0


class MetricEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to go on: encode it, decode it, fold the next block, and get the same value to 1e-9.

    threshold: log(1 / (weight * alpha)); None never latches (goals). The next fields are log e-values added over all
    blocks and phases: odds for each odds ratio (shares, rates), exceedance for each threshold and odds ratio,
    wealth for each bet; rank_* are summed scores. log_e: of the metric's harm e-process now. harm_*: latched at the
    first crossing: block close, phase, and lower bound of the change toward harm in the metric's unit.
    """

    metric: str
    threshold: float | None = None
    odds: tuple[float, ...] = ()
    exceedance: tuple[tuple[float, ...], ...] = ()
    wealth: tuple[float, ...] = ()
    rank_score: float = 0.0
    rank_variance: float = 0.0
    phases: dict[int, PhaseEvidence] = {}
    log_e: float = 0.0
    harm_shown_at: datetime | None = None
    harm_phase: int | None = None
    harm_bound: float | None = None
    newest_at: datetime | None = None
