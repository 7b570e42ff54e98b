"""How events arrive, compared between the arms: late ones and dropped values (RULES D4, D5), and whether the treatment
still comes by at all (RULES G2).

These are tests of the data, not of harm: they hold a rollout and take nothing from its alpha. Each unit counts once, by
its *first* event in its window, for the reason of RULES D3: a version that makes people do more would otherwise seem
to lose more.
"""

from datetime import datetime, timedelta
from math import exp, fsum, lgamma, log

import msgspec

from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.stats import block_log_e, log_average

ARRIVAL_ALPHA = 0.001
"""Chance of ever doubting sound arrivals, over all metrics and both tests; as of the sample ratio (analysis.md 4)."""

DROPPED_MAX = 0.01
"""Share of values dropped as invalid, in either arm, above which a person must look (analysis.md 5)."""

VOLUME_EXPECTED = 30
"""Visits of treated units that a window must promise; it is widened until it does (RULES G2)."""

VOLUME_TAIL = 1e-4
"""Poisson tail below which a volume is lost (RULES G2)."""

VOLUME_KEPT = 0.5
"""The part of the promised volume that a sound new version keeps. A version that asks less often is no outage: visits
are counted once a look, and only a loss of more than half of them is one."""


class ArrivalBlock(msgspec.Struct, frozen=True, kw_only=True):
    """Units whose first eligible event was waited for until `patience` after their close, which came in the span.

    *_late: of those, units whose event was known only after the close. *_dropped: units whose value was invalid.
    """

    metric: str
    phase: int
    opened_at: datetime
    closed_at: datetime
    treatment_n: int = 0
    treatment_late: int = 0
    treatment_dropped: int = 0
    control_n: int = 0
    control_late: int = 0
    control_dropped: int = 0


class ArrivalEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over blocks and phases: log e-values, on the grid of odds, of more and of fewer in the treatment."""

    metric: str
    late_more: tuple[float, ...] = ()
    late_fewer: tuple[float, ...] = ()
    dropped_more: tuple[float, ...] = ()
    dropped_fewer: tuple[float, ...] = ()
    treatment_n: int = 0
    treatment_late: int = 0
    treatment_dropped: int = 0
    control_n: int = 0
    control_late: int = 0
    control_dropped: int = 0
    late_fired: bool = False
    dropped_fired: bool = False


class ArrivalAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of units, by arm, whose first event was late, or dropped. *_differs: latched at ARRIVAL_ALPHA. n: units
    of each arm."""

    metric: str
    treatment_n: int
    control_n: int
    treatment_late: float
    control_late: float
    treatment_dropped: float
    control_dropped: float
    late_differs: bool
    dropped_differs: bool
    late_log_e: float
    dropped_log_e: float
    threshold: float

    @property
    def is_dropping(self) -> bool:
        """Whether either arm loses more of its values than a person may overlook."""
        return max(self.treatment_dropped, self.control_dropped) > DROPPED_MAX


def patience(metric: Metric) -> timedelta:
    """How long after its close a unit's first event is waited for, to tell whether it was late."""
    return metric.lateness or metric.window


def fold_arrivals(evidence: ArrivalEvidence, block: ArrivalBlock, *, tests: int) -> ArrivalEvidence:
    """The evidence with one more block. Pure. tests: how many there are over all metrics (two a metric)."""
    t, c = block.treatment_n, block.control_n
    late, dropped = (block.treatment_late, block.control_late), (block.treatment_dropped, block.control_dropped)
    evidence = msgspec.structs.replace(
        evidence,
        late_more=_added(evidence.late_more, block_log_e(t, late[0], c, late[1])),
        late_fewer=_added(evidence.late_fewer, block_log_e(c, late[1], t, late[0])),
        dropped_more=_added(evidence.dropped_more, block_log_e(t, dropped[0], c, dropped[1])),
        dropped_fewer=_added(evidence.dropped_fewer, block_log_e(c, dropped[1], t, dropped[0])),
        treatment_n=evidence.treatment_n + t,
        treatment_late=evidence.treatment_late + late[0],
        treatment_dropped=evidence.treatment_dropped + dropped[0],
        control_n=evidence.control_n + c,
        control_late=evidence.control_late + late[1],
        control_dropped=evidence.control_dropped + dropped[1],
    )
    threshold = arrival_threshold(tests)
    return msgspec.structs.replace(
        evidence,
        late_fired=evidence.late_fired or _log_e(evidence.late_more, evidence.late_fewer) >= threshold,
        dropped_fired=evidence.dropped_fired or _log_e(evidence.dropped_more, evidence.dropped_fewer) >= threshold,
    )


def judge_arrivals(evidence: ArrivalEvidence, *, tests: int) -> ArrivalAnalysis:
    """What the sums say now."""
    t, c = max(evidence.treatment_n, 1), max(evidence.control_n, 1)
    return ArrivalAnalysis(
        metric=evidence.metric,
        treatment_n=evidence.treatment_n,
        control_n=evidence.control_n,
        treatment_late=evidence.treatment_late / t,
        control_late=evidence.control_late / c,
        treatment_dropped=evidence.treatment_dropped / t,
        control_dropped=evidence.control_dropped / c,
        late_differs=evidence.late_fired,
        dropped_differs=evidence.dropped_fired,
        late_log_e=_log_e(evidence.late_more, evidence.late_fewer),
        dropped_log_e=_log_e(evidence.dropped_more, evidence.dropped_fewer),
        threshold=arrival_threshold(tests),
    )


def arrival_threshold(tests: int) -> float:
    """The log e-value at which one of so many tests has fired."""
    return log(max(tests, 1) / ARRIVAL_ALPHA)


def _log_e(more: tuple[float, ...], fewer: tuple[float, ...]) -> float:
    """Two-sided: the average of both directions, which is an e-process again."""
    return log_average((*more, *fewer)) if more else 0.0


def _added(before: tuple[float, ...], block: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(old + new for old, new in zip(before, block, strict=True)) if before else block


class VolumeBlock(msgspec.Struct, frozen=True, kw_only=True):
    """Units that sent anything in the span: of those treated by hash, newly or before, and of those never treated."""

    phase: int
    opened_at: datetime
    closed_at: datetime
    treatment_n: int = 0
    control_n: int = 0


class VolumeEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The trailing window of the current phase: blocks, oldest first. promised: visits of the treatment for each of
    the control's, by the hash alone."""

    phase: int = 0
    promised: float = 0.0
    recent: tuple[VolumeBlock, ...] = ()


class VolumeAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """Whether treated units still come by. expected: visits that the control's promise. tail: chance of as few or
    fewer, if VOLUME_KEPT of them were kept; None while the window promises too few."""

    lost: bool
    treatment_n: int
    control_n: int
    expected: float
    tail: float | None
    opened_at: datetime | None = None


def promised_volume(contrast: Contrast, *, holdout: float) -> float:
    """Treated units for each unit never treated, by hash and holdout; 0 where there is nobody to compare."""
    exposed = contrast.treatment.end * (1 - holdout)
    never = (TOTAL_PPM - contrast.treatment.end) * (1 - holdout) + TOTAL_PPM * holdout
    return exposed / never if never > 0 else 0.0


def fold_volume(evidence: VolumeEvidence, block: VolumeBlock, *, promised: float) -> VolumeEvidence:
    """The trailing window with one more block: as short as it can be while it promises enough. A new phase begins a
    new one."""
    recent = evidence.recent if evidence.phase == block.phase else ()
    windows = (*recent, block)
    expected, first = promised * sum(window.control_n for window in windows), 0
    while first + 1 < len(windows) and expected - promised * windows[first].control_n >= VOLUME_EXPECTED:
        expected -= promised * windows[first].control_n
        first += 1
    return VolumeEvidence(phase=block.phase, promised=promised, recent=windows[first:])


def judge_volume(evidence: VolumeEvidence) -> VolumeAnalysis:
    """Lost when so few treated units come by that even half of what the control promises is out of reach."""
    treatment = sum(window.treatment_n for window in evidence.recent)
    control = sum(window.control_n for window in evidence.recent)
    expected = evidence.promised * control
    tail = poisson_tail(treatment, VOLUME_KEPT * expected) if expected >= VOLUME_EXPECTED else None
    return VolumeAnalysis(
        lost=tail is not None and tail < VOLUME_TAIL,
        treatment_n=treatment,
        control_n=control,
        expected=expected,
        tail=tail,
        opened_at=evidence.recent[0].opened_at if evidence.recent else None,
    )


def poisson_tail(count: int, mean: float) -> float:
    """Chance of `count` or fewer events where `mean` > 0 are expected; 1 above the mean, where nothing is lost."""
    if count >= mean:
        return 1.0
    return fsum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(count + 1))
