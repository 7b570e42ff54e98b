"""An event store over the past of the client's units: the blocks of one simulated rollout (RULES D1, D2, E3, G1).

It answers what control asks while a rollout runs. Every unit-day of the past is one observation; what only tells of the
data's fitness is left out, as the past was counted already.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from ebbgate.core.metrics.arrivals import VolumeBlock
from ebbgate.core.metrics.blocks import AnyBlock, Assignment, LimitBlock
from ebbgate.core.metrics.contrast import Contrast, LimitQuery
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.limits_delay import limit_delay
from ebbgate.core.metrics.reference import REFERENCE_KEPT
from ebbgate.simulation.array_blocks import EVENT_KINDS, block_of, head_of, microseconds
from ebbgate.simulation.past_people import Array, Crowd, Flags, Planted, Whole


class PastStore:
    """begin_at: plan time of the rollout's start. metrics: those that are of events. `exposed` counts the units that
    were newly exposed by hash or attribute up to a time."""

    def __init__(self, crowd: Crowd, harm: Planted | None, begin_at: datetime, metrics: frozenset[Metric]) -> None:
        self._crowd, self._harm, self._begin_at, self._metrics = crowd, harm, begin_at, metrics
        self._phases: dict[int, _PastPhase] = {}
        self._exposed_before: Flags = np.zeros(len(crowd.bucket), dtype=bool)
        self.now = 0

    def enter(self, phase: int, *, begin: int, hash_to: int, attribute_share: float) -> None:
        """A phase begins: who is treated follows from buckets, membership and holdout."""
        crowd = self._crowd
        if phase - 1 in self._phases:
            self._exposed_before |= self._phases[phase - 1].exposed(begin)
        audience = ~crowd.is_held & (crowd.rank < attribute_share)
        treated = ~crowd.is_held & (audience | (crowd.bucket < hash_to))
        self._phases[phase] = _PastPhase(crowd, self._harm, begin=begin, treated=treated, audience=audience)

    def exposed(self) -> int:
        """Units that have had the new version by now."""
        newest = self._phases[max(self._phases)]
        return int((self._exposed_before | newest.exposed(self.now)).sum())

    def microseconds(self, at: datetime) -> int:
        """Since the rollout's beginning."""
        return microseconds(at - self._begin_at)

    def block(self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime) -> AnyBlock | None:
        if metric not in self._metrics:
            return None
        phase = self._phases[contrast.phase]
        phase.arm(contrast)
        opened, closed = self.microseconds(opened_at), self.microseconds(closed_at)
        seen = phase.observations(metric)
        start, stop = (int(place) for place in np.searchsorted(seen.close, [opened, closed], side="right"))
        if start == stop:
            return None
        units = np.sort(seen.unit[start:stop])
        units = units[~np.isnan(seen.x[units])]
        is_new, observed = phase.is_treatment[units], seen.observed(metric)
        return block_of(
            head_of(metric, contrast.phase, opened_at, closed_at),
            metric,
            observed[units[is_new]],
            observed[units[~is_new]],
            opened=opened,
            reference=lambda: seen.reference(start),
        )

    def limit_blocks(
        self, contrast: Contrast, query: LimitQuery, *, opened_at: datetime, closed_at: datetime
    ) -> list[AnyBlock]:
        if query.metric not in self._metrics:
            return []
        phase = self._phases[contrast.phase]
        span = self.microseconds(opened_at), self.microseconds(closed_at)
        x, treated, _ = phase.visited(query.metric, *span, delay=microseconds(limit_delay(query.metric)))
        seen = ~np.isnan(x)
        bad = x > (0 if query.metric.kind in EVENT_KINDS else query.limit)
        sizes = [int((seen & who).sum()) for who in (treated, ~treated)]
        if not sum(sizes):
            return []
        counts = [int((seen & bad & who).sum()) for who in (treated, ~treated)]
        return [
            LimitBlock(
                metric=query.metric.name,
                phase=contrast.phase,
                opened_at=opened_at,
                closed_at=closed_at,
                limit=query.limit,
                function=function,
                treatment_n=sizes[0],
                treatment_y=counts[0],
                control_n=sizes[1],
                control_y=counts[1],
            )
            for function in query.functions or ("",)
        ]

    def late_block(
        self,
        contrast: Contrast,
        metric: Metric,
        *,
        epoch_at: datetime,
        opened_at: datetime,
        closed_at: datetime,
        with_new: bool = False,
    ) -> AnyBlock | None:
        if metric not in self._metrics:
            return None
        phase = self._phases[contrast.phase]
        phase.arm(contrast)
        epoch, opened, closed = (self.microseconds(at) for at in (epoch_at, opened_at, closed_at))
        treated = phase.is_treatment | phase.is_veteran if with_new else phase.is_veteran
        return phase.late(contrast, metric, treated, epoch, opened, closed, opened_at, closed_at)

    def arrival_block(self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime) -> None:
        return None

    def volume_block(
        self, contrast: Contrast, names: Sequence[str], *, opened_at: datetime, closed_at: datetime
    ) -> VolumeBlock:
        return VolumeBlock(phase=contrast.phase, opened_at=opened_at, closed_at=closed_at)

    def attribute_values(self, name: str, attribute: str, *, limit: int) -> list[str]:
        """None: the past says nothing of single functions or endpoints."""
        return []

    def assignment(self, contrast: Contrast) -> Assignment:
        phase = self._phases[contrast.phase]
        phase.arm(contrast)
        here = phase.entered <= self.now
        return Assignment(
            phase=contrast.phase,
            treatment=int((here & phase.is_treatment).sum()),
            control=int((here & phase.is_control).sum()),
            expected_share=contrast.expected_share,
            veterans=int((here & phase.is_veteran).sum()),
            audience=int((here & phase.audience).sum()),
        )


class _Seen:
    """Each unit's one observation of a metric. unit, close: of the randomised units, in order of (close, bucket)."""

    def __init__(self, unit: Whole, close: Whole, x: Array, pairs: Array, is_control: Flags) -> None:
        self.unit, self.close, self.x, self.pairs = unit, close, x, pairs
        self._places: Whole = np.flatnonzero(is_control[unit] & ~np.isnan(x[unit]))

    def observed(self, metric: Metric) -> Array:
        """By unit: one value, or of ratios the pair."""
        return self.pairs if metric.kind is MetricKind.RATIO else self.x

    def reference(self, start: int) -> tuple[Whole, Array]:
        """Closes and values of the newest control observations before that place."""
        places = self._places[: int(np.searchsorted(self._places, start))][-REFERENCE_KEPT:]
        return self.close[places], self.x[self.unit[places]]


class _PastPhase:
    def __init__(self, crowd: Crowd, harm: Planted | None, *, begin: int, treated: Flags, audience: Flags) -> None:
        self._crowd, self._harm, self.treated, self.audience = crowd, harm, treated, audience
        self._at: Whole = crowd.after(begin)
        rows = crowd.first_rows(self._at)
        self._rows: Whole = rows[crowd.base]
        self.entered: Whole = self._at[self._rows]
        self._observed: dict[Metric, _Seen] = {}
        self._late_seen: dict[Metric, tuple[int, Flags]] = {}
        self._armed: Contrast | None = None
        nobody: Flags = np.zeros(len(treated), dtype=bool)
        self.is_treatment = self.is_control = self.is_veteran = self.is_never = nobody

    def exposed(self, until: int) -> Flags:
        """Who has had the new version in this phase by then."""
        return self.treated & (self.entered <= until)

    def arm(self, contrast: Contrast) -> None:
        """RULES D1: newly exposed against never exposed, both drawn by hash."""
        if self._armed == contrast:
            return
        self._armed, bucket, drawn = contrast, self._crowd.bucket, ~self.audience
        new = (contrast.treatment.start <= bucket) & (bucket < contrast.treatment.end)
        never = (contrast.control.start <= bucket) & (bucket < contrast.control.end)
        self.is_treatment = new & self.treated & drawn
        self.is_veteran = self.treated & drawn & ~new
        self.is_control = never & ~self.treated & ~self._crowd.is_held
        self.is_never = self.is_control | self._crowd.is_held
        self._observed.clear()

    def observations(self, metric: Metric) -> _Seen:
        if metric not in self._observed:
            x, pairs = self._crowd.observed(metric, self._rows, self.treated, self._harm)
            close = self.entered + microseconds(metric.window) + microseconds(metric.lateness)
            units = np.flatnonzero(self.is_treatment | self.is_control)
            order = units[np.argsort(close[units], kind="stable")]
            self._observed[metric] = _Seen(order, close[order], x, pairs, self.is_control)
        return self._observed[metric]

    def visited(self, metric: Metric, opened: int, closed: int, *, delay: int) -> tuple[Array, Flags, Array]:
        """(values, treated, pairs) by unit, of those who came by so that it is counted in the span; else NaN.

        The past goes round: a row happens again after each period.
        """
        crowd = self._crowd
        turns = np.maximum(0, (closed - delay - self._at) // crowd.past.period)
        at = self._at + turns * crowd.past.period
        inside = np.flatnonzero((at > opened - delay) & (at <= closed - delay))
        rows: Whole = np.full(crowd.past.units, -1, dtype=np.int64)
        rows[crowd.past.unit[inside]] = inside
        x, pairs = crowd.observed(metric, rows[crowd.base], self.treated, self._harm)
        return x, self.treated, pairs

    def late(
        self,
        contrast: Contrast,
        metric: Metric,
        treated: Flags,
        epoch: int,
        opened: int,
        closed: int,
        opened_at: datetime,
        closed_at: datetime,
    ) -> AnyBlock | None:
        """Treated before against never treated, each unit once an epoch (RULES E3)."""
        known = self._late_seen.get(metric)
        before: Flags = known[1] if known is not None and known[0] == epoch else np.zeros(len(treated), dtype=bool)
        x, _, pairs = self.visited(metric, opened, closed, delay=microseconds(limit_delay(metric)))
        here = ~np.isnan(x) & ~before & (treated | self.is_never)
        self._late_seen[metric] = epoch, before | here
        units = np.flatnonzero(here)
        if not len(units):
            return None
        observed, is_new = pairs if metric.kind is MetricKind.RATIO else x, treated[units]
        return block_of(
            head_of(metric, contrast.phase, opened_at, closed_at),
            metric,
            observed[units[is_new]],
            observed[units[~is_new]],
            opened=opened,
            reference=lambda: self._late_reference(metric, opened),
        )

    def _late_reference(self, metric: Metric, opened: int) -> tuple[Whole, Array]:
        """Of units that were never treated, what they had when they came first: all as recent as the block."""
        earlier = self.is_never & (self.entered + microseconds(metric.window) + microseconds(metric.lateness) <= opened)
        values = self._crowd.past.x[metric.name][self._rows[earlier]]
        values = values[~np.isnan(values)][-REFERENCE_KEPT:]
        return np.full(len(values), opened, dtype=np.int64), values
