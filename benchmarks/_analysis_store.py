"""An event store over arrays: the blocks of one run, made from its events by rules D1 to D5, fast enough for thousands.

It answers what control asks of a store while a rollout runs. `_analysis_verify` holds it to the product's stores. What
decides no rollback is left out, as it could only hold a rollout that goes on here: who comes by at all, and the
clustered rate that is shown beside the one that decides.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import numpy as np
from _analysis_stream import Happened, PhaseStream

from ebbgate.core.metrics.arrivals import ArrivalBlock, VolumeBlock, patience
from ebbgate.core.metrics.blocks import AnyBlock, Assignment, LimitBlock
from ebbgate.core.metrics.contrast import Contrast, Interval, LimitQuery
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.late import EPOCH
from ebbgate.core.metrics.limits_delay import WINDOWED, limit_delay
from ebbgate.core.metrics.reference import REFERENCE_KEPT
from ebbgate.simulation.array_blocks import EVENT_KINDS, block_of, head_of, microseconds

Array = np.ndarray
NEVER = 2**62


def firsts_of(units: Array, count: int) -> tuple[Array, Array]:
    """The units that there are, ascending, and the place of the first of each."""
    places = np.full(count, -1, dtype=np.int64)
    places[units[::-1]] = np.arange(len(units) - 1, -1, -1)
    found = np.flatnonzero(places >= 0)
    return found, places[found]


class ArrayStore:
    """begin_at: the plan time that the arrays count from. metrics: of the plan. `watermark`: how far the log was read;
    the run moves it."""

    def __init__(self, begin_at: datetime, buckets: Array, is_held: Array, metrics: frozenset[Metric]) -> None:
        self._begin_at, self._buckets, self._is_held, self._metrics = begin_at, buckets, is_held, metrics
        self._phases: dict[int, _Phase] = {}
        self.watermark = 0

    def enter(self, phase: int, stream: PhaseStream) -> None:
        """A phase has begun, and this is what happens in it."""
        self._phases[phase] = _Phase(stream, self._buckets, self._is_held)

    def microseconds(self, at: datetime) -> int:
        return microseconds(at - self._begin_at)

    def block(self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime) -> AnyBlock | None:
        if metric not in self._metrics:
            return None
        phase = self._phases[contrast.phase]
        phase.arm(contrast)
        phase.watched.add(metric)
        seen = phase.observations(metric)
        opened, closed = self.microseconds(opened_at), self.microseconds(closed_at)
        start, stop = np.searchsorted(seen.close, [opened, closed], side="right")
        if start == stop:
            return None
        units = np.sort(seen.unit[start:stop])
        units = units[seen.has[units]]
        observed = seen.pairs if metric.kind is MetricKind.RATIO else seen.x
        is_new = phase.is_treatment[units]
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
        assert not query.functions, "these nulls name no functions"
        phase = self._phases[contrast.phase]
        seen = phase.trials(query.metric)
        delay = microseconds(limit_delay(query.metric))
        span = [self.microseconds(opened_at) - delay, self.microseconds(closed_at) - delay]
        start, stop = np.searchsorted(seen.at, span, side="right")
        units, firsts = firsts_of(seen.unit[start:stop], len(self._buckets))
        if not len(units):
            return []
        value = seen.value[start:stop][firsts]
        bad = value > (0 if query.metric.kind in EVENT_KINDS else query.limit)
        treated = phase.stream.treated[units]
        return [
            LimitBlock(
                metric=query.metric.name,
                phase=contrast.phase,
                opened_at=opened_at,
                closed_at=closed_at,
                limit=query.limit,
                treatment_n=int(treated.sum()),
                treatment_y=int(bad[treated].sum()),
                control_n=int((~treated).sum()),
                control_y=int(bad[~treated].sum()),
            )
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
        phase = self._phases[contrast.phase]
        phase.arm(contrast)
        epoch, opened, closed = (self.microseconds(at) for at in (epoch_at, opened_at, closed_at))
        treated = phase.is_treatment | phase.is_veteran if with_new else phase.is_veteran
        rows = phase.late_rows(metric, treated | phase.is_never, epoch=epoch, opened=opened, closed=closed)
        if not len(rows.unit):
            return None
        observed, is_new = rows.pairs if metric.kind is MetricKind.RATIO else rows.x, treated[rows.unit]
        return block_of(
            head_of(metric, contrast.phase, opened_at, closed_at),
            metric,
            observed[is_new],
            observed[~is_new],
            opened=opened,
            reference=lambda: phase.late_reference(metric, epoch, opened),
        )

    def arrival_block(
        self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime
    ) -> ArrivalBlock | None:
        phase = self._phases[contrast.phase]
        phase.arm(contrast)
        found, waited = phase.arrivals(metric), microseconds(patience(metric))
        span = [self.microseconds(opened_at) - waited, self.microseconds(closed_at) - waited]
        start, stop = np.searchsorted(found.close, span, side="right")
        if start == stop:
            return None
        is_new, is_late = found.is_new[start:stop], found.is_late[start:stop]
        treated, late = int(is_new.sum()), int(is_late.sum())
        treated_late = int((is_new & is_late).sum())
        return ArrivalBlock(
            metric=metric.name,
            phase=contrast.phase,
            opened_at=opened_at,
            closed_at=closed_at,
            treatment_n=treated,
            treatment_late=treated_late,
            control_n=int(stop - start) - treated,
            control_late=late - treated_late,
        )

    def volume_block(
        self, contrast: Contrast, names: Sequence[str], *, opened_at: datetime, closed_at: datetime
    ) -> VolumeBlock:
        return VolumeBlock(phase=contrast.phase, opened_at=opened_at, closed_at=closed_at)

    def assignment(self, contrast: Contrast) -> Assignment:
        phase = self._phases[contrast.phase]
        phase.arm(contrast)
        here = (phase.stream.first >= 0) & (phase.stream.first_known <= self.watermark)
        late = phase.late(self.watermark)
        return Assignment(
            phase=contrast.phase,
            treatment=int((here & phase.is_treatment).sum()),
            control=int((here & phase.is_control).sum()),
            expected_share=contrast.expected_share,
            veterans=int((here & phase.stream.treated & ~phase.is_treatment).sum()),
            treatment_late=late[0],
            control_late=late[1],
        )


class _Observed:
    """Each unit's one observation of a metric. unit, close: of the randomised units that came, in order of (close,
    bucket). has, x, pairs: by unit."""

    def __init__(self, unit: Array, close: Array, has: Array, x: Array, pairs: Array, is_control: Array) -> None:
        self.unit, self.close, self.has, self.x, self.pairs = unit, close, has, x, pairs
        known = np.flatnonzero(is_control[unit] & has[unit])
        self._places, self._closes = known, close[known]
        self._values = x[unit[known]]

    def reference(self, start: int) -> tuple[Array, Array]:
        """Closes and values of the newest control observations before that place."""
        stop = int(np.searchsorted(self._places, start))
        first = max(0, stop - REFERENCE_KEPT)
        return self._closes[first:stop], self._values[first:stop]


class _Arrivals(msgspec.Struct, kw_only=True):
    """Of each randomised unit whose first eligible event came at all while it was waited for, in order of close:
    whether it was treated anew, and whether the event came after the close."""

    close: Array
    is_new: Array
    is_late: Array


class _Trials:
    """What a limit counts, in order of time: unit, at, value."""

    def __init__(self, unit: Array, at: Array, value: Array) -> None:
        order = np.argsort(at, kind="stable")
        self.unit, self.at, self.value = unit[order], at[order], value[order]


class _Rows:
    """Observations of a late-harm block, in order of bucket."""

    def __init__(self, unit: Array, close: Array, x: Array, pairs: Array) -> None:
        order = np.argsort(unit, kind="stable")
        self.unit, self.close, self.x = unit[order], close[order], x[order]
        self.pairs = pairs[order] if len(pairs) else pairs


class _Phase:
    def __init__(self, stream: PhaseStream, buckets: Array, is_held: Array) -> None:
        self.stream, self._buckets, self._is_held = stream, buckets, is_held
        self.late_seen: dict[Metric, tuple[int, int, Array]] = {}
        self._late_references: dict[Metric, tuple[int, Array]] = {}
        self._windows: dict[Metric, Array] = {}
        self.watched: set[Metric] = set()
        self._observed: dict[Metric, _Observed] = {}
        self._trials: dict[Metric, _Trials] = {}
        self._arrivals: dict[Metric, _Arrivals] = {}
        self._late: tuple[frozenset[Metric], Array, Array] | None = None
        self._armed: tuple[Interval, Interval] | None = None
        self.is_treatment = self.is_control = self.is_veteran = self.is_never = np.zeros(len(buckets), dtype=bool)

    def arm(self, contrast: Contrast) -> None:
        """Who is compared: drawn anew in this phase, and never drawn so far (RULES D1)."""
        if self._armed == (contrast.treatment, contrast.control):
            return
        self._armed = contrast.treatment, contrast.control
        treated, buckets = self.stream.treated, self._buckets
        self.is_treatment = (contrast.treatment.start <= buckets) & (buckets < contrast.treatment.end) & treated
        never = ~treated & ~self._is_held
        self.is_control = (contrast.control.start <= buckets) & (buckets < contrast.control.end) & never
        self.is_veteran = treated & ~self.is_treatment
        self.is_never = self.is_control | (self._is_held & ~treated)

    def observations(self, metric: Metric) -> _Observed:
        if metric not in self._observed:
            self._observed[metric] = self._observe(metric)
        return self._observed[metric]

    def trials(self, metric: Metric) -> _Trials:
        if metric not in self._trials:
            self._trials[metric] = self._tried(metric)
        return self._trials[metric]

    def arrivals(self, metric: Metric) -> _Arrivals:
        if metric not in self._arrivals:
            self._arrivals[metric] = self._arrived(metric)
        return self._arrivals[metric]

    def late_rows(self, metric: Metric, chosen: Array, *, epoch: int, opened: int, closed: int) -> _Rows:
        """Each unit's first observation of the epoch, if it closes in the span."""
        known = self.late_seen.get(metric)
        if known is None or known[:2] != (epoch, opened):
            seen = np.zeros(len(self._buckets), dtype=bool)
            seen[self._closing(metric, chosen, epoch, opened).unit] = True
        else:
            seen = known[2]
        rows = self._closing(metric, chosen & ~seen, opened, closed)
        seen = seen.copy()
        seen[rows.unit] = True
        self.late_seen[metric] = (epoch, closed, seen)
        return rows

    def late_reference(self, metric: Metric, epoch: int, opened: int) -> tuple[Array, Array]:
        """Yesterday's control, all as recent as the block; on a phase's first day what its comparison goes by."""
        values = self._yesterday(metric, epoch)
        if len(values):
            return np.full(len(values), opened), values
        self.watched.add(metric)
        seen = self.observations(metric)
        return seen.reference(int(np.searchsorted(seen.close, opened, side="right")))

    def _yesterday(self, metric: Metric, epoch: int) -> Array:
        """What the control of the day before had, in order of (close, bucket)."""
        known = self._late_references.get(metric)
        if known is None or known[0] != epoch:
            rows = self._closing(metric, self.is_never, epoch - microseconds(EPOCH), epoch)
            known = epoch, rows.x[np.lexsort((rows.unit, rows.close))][-REFERENCE_KEPT:]
            self._late_references[metric] = known
        return known[1]

    def _closing(self, metric: Metric, chosen: Array, opened: int, closed: int) -> _Rows:
        """Each unit's first eligible event, or its newest window, that closes in the span."""
        delay = microseconds(limit_delay(metric))
        if metric.kind in WINDOWED:
            return self._newest_windows(metric, chosen, opened, closed, delay)
        found = self.trials(metric)
        start, stop = np.searchsorted(found.at, [opened - delay, max(opened, closed) - delay], side="right")
        units, firsts = firsts_of(found.unit[start:stop], len(self._buckets))
        kept = chosen[units]
        units, places = units[kept], start + firsts[kept]
        return _Rows(units, found.at[places] + delay, found.value[places], np.zeros((0, 2)))

    def _newest_windows(self, metric: Metric, chosen: Array, opened: int, closed: int, delay: int) -> _Rows:
        first, window = self.stream.first, microseconds(metric.window)
        place = (closed - delay - first) // window
        close = first + place * window + delay
        units = np.flatnonzero(chosen & (first >= 0) & (place >= 0) & (close > opened) & (opened < closed))
        counted = self._window_counts(metric)
        place = np.minimum(place, counted.shape[1] - 1)
        pairs = counted[units, place[units]]
        if metric.kind is MetricKind.RATIO:
            units, pairs = units[pairs[:, 1] > 0], pairs[pairs[:, 1] > 0]
        return _Rows(units, close[units], pairs[:, 0], pairs)

    def _window_counts(self, metric: Metric) -> Array:
        """(events, trials) in each of a unit's consecutive windows, as far as they were known at its close."""
        if metric in self._windows:
            return self._windows[metric]
        first, window, units = self.stream.first, microseconds(metric.window), len(self._buckets)
        delay = microseconds(limit_delay(metric))
        longest = max(int(found.at.max(initial=0)) for found in self.stream.names.values())
        places = (longest - int(first[first >= 0].min(initial=longest))) // window + 2
        counted = np.zeros((units, places, 2))
        for column, name in enumerate((metric.event, metric.trial)):
            if name is None:
                continue
            found = self.stream.names[name]
            entered = first[found.unit]
            place = (found.at - entered) // window
            kept = (entered >= 0) & (found.at >= entered) & (found.known < entered + place * window + delay)
            key = found.unit[kept] * places + place[kept]
            counted[:, :, column] = np.bincount(key, minlength=units * places).reshape(units, places)
        self._windows[metric] = counted
        return counted

    def late(self, now: int) -> tuple[int, int]:
        """Events known by `now` that came after their unit's window was counted, by arm."""
        if self._late is None or self._late[0] != self.watched:
            self._late = (frozenset(self.watched), *self._late_known())
        return int(np.searchsorted(self._late[1], now, "right")), int(np.searchsorted(self._late[2], now, "right"))

    def _observe(self, metric: Metric) -> _Observed:
        first, units = self.stream.first, len(self._buckets)
        close = first + microseconds(metric.window) + microseconds(metric.lateness)
        came = np.flatnonzero((first >= 0) & (self.is_treatment | self.is_control))
        has, x, pairs = np.zeros(units, dtype=bool), np.zeros(units), np.zeros((0, 2))
        if metric.kind in EVENT_KINDS:
            has, x = self._first_trials(metric)
        elif metric.kind is MetricKind.RATIO:
            below = np.bincount(self._inside(metric, metric.trial).unit, minlength=units)
            above = np.bincount(self._inside(metric, metric.event).unit, minlength=units)
            has, pairs = below > 0, np.stack([above, below], axis=1).astype(float)
        else:
            has, x = self._values(metric, units)
        order = came[np.lexsort((came, close[came]))]
        return _Observed(order, close[order], has, x, pairs, self.is_control)

    def _values(self, metric: Metric, units: int) -> tuple[Array, Array]:
        found, x = self._inside(metric, metric.event), np.zeros(units)
        counts = np.bincount(found.unit, minlength=units)
        if metric.kind is MetricKind.COUNT:
            return np.ones(units, dtype=bool), counts.astype(float)
        if metric.kind is MetricKind.MEAN:
            return counts > 0, np.bincount(found.unit, found.value, units) / np.maximum(counts, 1)
        starts = np.flatnonzero(np.diff(found.unit, prepend=-1))
        ends = np.flatnonzero(np.diff(found.unit, append=-1))
        chosen = ends if metric.kind is MetricKind.SURVEY else starts
        x[found.unit[chosen]] = found.value[chosen]
        return counts > 0, x

    def _inside(self, metric: Metric, name: str | None, *, waited: int = 0) -> Happened:
        """Events in their unit's window that were known when it closed, or so long after."""
        assert name is not None
        found, window = self.stream.names[name], microseconds(metric.window)
        first = self.stream.first[found.unit]
        close = first + window + microseconds(metric.lateness)
        inside = (first >= 0) & (found.at >= first) & (found.at < first + window) & (found.known < close + waited)
        return found.where(inside)

    def _first_trials(self, metric: Metric) -> tuple[Array, Array]:
        units = len(self._buckets)
        trials = self._inside(metric, metric.trial)
        starts = np.flatnonzero(np.diff(trials.unit, prepend=-1))
        first_id = np.full(units, -2, dtype=np.int64)
        first_id[trials.unit[starts]] = trials.id[starts]
        x, hits = np.zeros(units), self.stream.names[metric.event]
        window = microseconds(metric.window)
        first = self.stream.first[hits.unit]
        known = hits.known < first + window + microseconds(metric.lateness)
        mine = (hits.of == first_id[hits.unit]) & known & (hits.at < first + window)
        x[hits.unit[mine]] = 1.0
        return first_id != -2, x

    def _arrived(self, metric: Metric) -> _Arrivals:
        found = self._inside(metric, metric.trial or metric.event, waited=microseconds(patience(metric)))
        found = found.where(np.diff(found.unit, prepend=-1) > 0)
        found = found.where((self.is_treatment | self.is_control)[found.unit])
        close = self.stream.first[found.unit] + microseconds(metric.window) + microseconds(metric.lateness)
        order = np.argsort(close, kind="stable")
        unit, close = found.unit[order], close[order]
        return _Arrivals(close=close, is_new=self.is_treatment[unit], is_late=found.known[order] >= close)

    def _tried(self, metric: Metric) -> _Trials:
        assert metric.kind not in WINDOWED, "these nulls have no limits on counts and ratios"
        delay = microseconds(limit_delay(metric))
        found = self.stream.names[metric.trial or metric.event]
        first = self.stream.first[found.unit]
        found = found.where((first >= 0) & (found.at >= first) & (found.known < found.at + delay))
        if metric.trial is None:
            return _Trials(found.unit, found.at, found.value)
        hits = self.stream.names[metric.event]
        order = np.argsort(found.id)
        place = np.searchsorted(found.id[order], hits.of)
        place = order[np.minimum(place, len(order) - 1)] if len(order) else place
        at = found.at[place]
        mine = (found.id[place] == hits.of) & (at <= hits.known) & (hits.known < at + delay)
        if metric.kind is MetricKind.SHARE:
            mine &= hits.at < at + microseconds(metric.window)
        value = np.zeros(len(found.unit))
        value[place[mine]] = 1.0
        return _Trials(found.unit, found.at, value)

    def _late_known(self) -> tuple[Array, Array]:
        treated: list[Array] = []
        control: list[Array] = []
        for name, found in self.stream.names.items():
            first = self.stream.first[found.unit]
            late = np.zeros(len(found.unit), dtype=bool)
            for metric in self.watched:
                if name in (metric.event, metric.trial):
                    window = microseconds(metric.window)
                    closed = found.known >= first + window + microseconds(metric.lateness)
                    late |= closed & (found.at >= first) & (found.at < first + window)
            late &= first >= 0
            treated.append(found.known[late & self.is_treatment[found.unit]])
            control.append(found.known[late & self.is_control[found.unit]])
        return np.sort(np.concatenate(treated)), np.sort(np.concatenate(control))
