"""What is measured: metrics, the guardrails that may stop a rollout, and goals that are judged at its end."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import msgspec

Quantile = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class MetricKind(StrEnum):
    """How one unit's events become one observation (RULES D2, D3)."""

    SHARE = "share"  # 0 or 1: did the unit's first trial in its window succeed within that window?
    RATE = "rate"  # 0 or 1: did the unit's first eligible request in its window have the event?
    RATIO = "ratio"  # (numerator count, denominator count) of the unit in its window, clustered by unit
    MEAN = "mean"  # average of the unit's values in its window
    QUANTILE = "quantile"  # value of the unit's first eligible request in its window
    COUNT = "count"  # number of the unit's events in its window
    SURVEY = "survey"  # the unit's answer, within the scale
    GAUGE = "gauge"  # the last (or largest) reading of the unit in its window, such as memory
    BUILD = "build"  # a number of the release itself, such as its growth: no unit, absolute limits only


_UNBOUNDED = (MetricKind.MEAN, MetricKind.COUNT, MetricKind.SURVEY, MetricKind.GAUGE)


class Direction(StrEnum):
    """Which way is worse."""

    INCREASE = "increase"
    DECREASE = "decrease"


class HarmBy(StrEnum):
    """What harm means (RULES E2): a worse arithmetic mean, or a worse distribution."""

    MEAN = "mean"
    DISTRIBUTION = "distribution"


class Reading(StrEnum):
    """Which of a gauge's readings in the window is the unit's observation."""

    LAST = "last"
    MAX = "max"  # grows with the number of readings; says something only where that is the same in both versions


class NoData(StrEnum):
    """What it means that a source says nothing."""

    HOLD = "hold"  # data are missing: the plan's `when.no_data` applies
    IGNORE = "ignore"  # the metric is not asked for


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Where a metric comes from a monitoring system or a database instead of events: request-level evidence, without
    units.

    source: name in the plan's `sources`. numerator: expression or SELECT for the bad (or good) requests of one
    interval, by arm; denominator: for all of them; None: the numerator is a number to be read, such as a percentile.
    arm: the label or column that names the arm; treatment, control: its values, "" for the plan's variants. interval:
    plan time that one reading covers. timeout: machine time.
    """

    source: str
    numerator: str
    denominator: str | None = None
    arm: str
    treatment: str = ""
    control: str = ""
    interval: timedelta = timedelta(minutes=1)
    timeout: timedelta = timedelta(seconds=2)
    no_data: NoData = NoData.HOLD


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """A difference in the metric, always >= 0. Exactly one of the two is set.

    relative: share of the control's value (0.1 = 10 %). absolute: in the metric's own unit (a share for rates: 0.005
    = 0.5 pp).
    """

    relative: float | None = None
    absolute: float | None = None


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One thing measured per unit.

    event: the event counted, or whose value is measured (numerator of shares, rates and ratios).
    trial: the event that makes a unit eligible (denominator of shares, rates and ratios); None for the other kinds.
    window: plan time from the unit's first exposure in a phase; the observation is what happened inside it.
    lateness: plan time after the window's end until which events may still arrive (RULES D4).
    by: the attribute that names the function or endpoint of an event; on: only these of its values count.
    cap: values above count as `cap`, in sums, means and ranks (fixed before the rollout); None = learned from control,
    for the bets and the guard of a mean alone (ADR 0012).
    scale: bounds of a survey's answers. asked: the event that asks for a survey's answer; None: everybody exposed is
    asked. reading: of gauges. query: where the metric comes from, if not from events; then `event` is its name.
    room: the rise that its guardrail tolerates, by which a cap that is learned lies higher; never written in a plan.
    """

    name: str
    kind: MetricKind
    event: str
    trial: str | None = None
    quantile: Quantile | None = None
    bad: Direction
    harm: HarmBy
    window: timedelta
    lateness: timedelta
    by: str | None = None
    on: tuple[str, ...] = ()
    cap: float | None = None
    scale: tuple[float, float] | None = None
    asked: str | None = None
    reading: Reading = Reading.LAST
    query: Query | None = None
    room: Margin | None = None

    @property
    def learns_cap(self) -> bool:
        """Whether its values are unbounded, and the plan says nothing of where to cut them."""
        is_scaled = self.kind is MetricKind.SURVEY and self.scale is not None
        return self.kind in _UNBOUNDED and self.cap is None and not is_scaled

    @property
    def is_of_events(self) -> bool:
        """Whether the event store can observe it."""
        return self.query is None and self.kind is not MetricKind.BUILD


class CriticalLimit(msgspec.Struct, frozen=True, kw_only=True):
    """`> 5% for 5m` (RULES G1): above `value` for at least `sustained` (plan time), for each of `on` by itself."""

    value: float
    sustained: timedelta
    on: tuple[str, ...] = ()


class Guardrail(msgspec.Struct, frozen=True, kw_only=True):
    """A metric that may stop a rollout.

    worse_by: the margin inside which it must be proven before a phase is left (RULES E6); None = it gates no phase.
    tolerate: HARM means worse than this (RULES E1). limit: absolute benchmark for the treatment; beyond it a review
    opens.
    critical: absolute limit whose breach takes the version back. weight: share of the relative tests' alpha (RULES E4).
    baseline: the control's expected value, for power and for what is guessed before it is measured; an absolute
    tolerance of a latency is taken as a share of it.
    """

    metric: Metric
    worse_by: Margin | None = None
    tolerate: Margin = Margin(relative=0.0)
    limit: float | None = None
    critical: CriticalLimit | None = None
    weight: float = 1.0
    baseline: float | None = None

    def __post_init__(self) -> None:
        """The metric knows what rise of it is tolerated: blocks are made of the metric alone, and a learned cap below
        a tolerated value would hide every harm (RULES E1)."""
        room = self.tolerate if self._may_rise() else None
        if room != self.metric.room:
            msgspec.structs.force_setattr(self, "metric", msgspec.structs.replace(self.metric, room=room))

    def _may_rise(self) -> bool:
        is_more_tolerated = bool(self.tolerate.relative or self.tolerate.absolute)
        return is_more_tolerated and self.metric.bad is Direction.INCREASE and self.metric.learns_cap


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A target against the old version, decided at the end (RULES E6). change: relative, signed (+0.3 = 30 % more)."""

    metric: Metric
    change: float
    baseline: float | None = None
