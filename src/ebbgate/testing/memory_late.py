"""Late-harm blocks in plain Python (RULES E3): what `ebbgate.adapters.events.duckdb_store_late` says in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ebbgate.core.metrics.blocks import AnyBlock
from ebbgate.core.metrics.contrast import Contrast
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.late import EPOCH
from ebbgate.core.metrics.limits_delay import WINDOWED, limit_delay
from ebbgate.core.metrics.reference import REFERENCE_KEPT, THRESHOLD_SPAN, block_cap, needs_reference, thresholds
from ebbgate.testing.memory_blocks import Head, mean_block, proportion_block, quantile_block, ratio_block
from ebbgate.testing.memory_limits import first_events, is_hit
from ebbgate.testing.memory_observe import Events, observe, observe_ratio
from ebbgate.testing.memory_phase import Arm, Entrant, MemoryPhase, SeenEvent

CONTROL = (Arm.CONTROL, Arm.HOLDOUT)


class LateRow(NamedTuple):
    """One unit observed. y: the denominator of ratios."""

    close: datetime
    bucket: int
    unit: str
    is_treated: bool
    x: float
    y: float


class MemoryLate:
    """Which units were observed in the epoch that runs, by contrast and metric; derived from the events alone."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Contrast, Metric], tuple[datetime, datetime, set[str]]] = {}

    def block(
        self,
        phase: MemoryPhase,
        metric: Metric,
        events: Sequence[SeenEvent],
        events_of: Mapping[str, Events],
        ordinary: Sequence[tuple[datetime, float]],
        *,
        epoch_at: datetime,
        opened_at: datetime,
        closed_at: datetime,
        with_new: bool,
    ) -> AnyBlock | None:
        """ordinary: the phase's reference at `opened_at`, for the first day."""
        treated = (Arm.VETERAN, Arm.TREATMENT) if with_new else (Arm.VETERAN,)
        arms = {*treated, *CONTROL}

        def rows(opened: datetime, closed: datetime, wanted: set[Arm]) -> list[LateRow]:
            found = _rows(phase, metric, events, events_of, opened, closed, wanted)
            return [row._replace(is_treated=phase.entrants[row.unit].arm in treated) for row in found]

        key = (phase.contrast, metric)
        known = self._seen.get(key)
        if known is None or known[:2] != (epoch_at, opened_at):
            known = (epoch_at, opened_at, {row.unit for row in rows(epoch_at, opened_at, arms)})
        new = [row for row in rows(opened_at, closed_at, arms) if row.unit not in known[2]]
        self._seen[key] = (epoch_at, closed_at, known[2] | {row.unit for row in new})
        if not new:
            return None
        reference: list[tuple[datetime, float]] = []
        if needs_reference(metric):
            before = rows(epoch_at - EPOCH, epoch_at, set(CONTROL))
            before.sort(key=lambda row: row[:3])
            # Yesterday's control as a whole: its newest half hour is no better guide to today than the rest.
            reference = [(opened_at, row.x) for row in before[-REFERENCE_KEPT:]] or list(ordinary)
        new.sort(key=lambda row: (row.bucket, row.unit))
        head: Head = (metric.name, phase.contrast.phase, opened_at, closed_at)
        return _block(head, metric, reference, [r for r in new if r.is_treated], [r for r in new if not r.is_treated])


def _block(
    head: Head,
    metric: Metric,
    reference: Sequence[tuple[datetime, float]],
    treatment: Sequence[LateRow],
    control: Sequence[LateRow],
) -> AnyBlock:
    if metric.kind is MetricKind.RATIO:
        return ratio_block(head, [(r.x, r.y) for r in treatment], [(r.x, r.y) for r in control])
    new, old = [row.x for row in treatment], [row.x for row in control]
    if metric.kind in (MetricKind.SHARE, MetricKind.RATE):
        return proportion_block(head, new, old)
    if metric.kind is MetricKind.QUANTILE:
        return quantile_block(head, thresholds(reference, head[2] - THRESHOLD_SPAN), new, old)
    return mean_block(head, metric, block_cap(metric, reference), new, old)


def _rows(
    phase: MemoryPhase,
    metric: Metric,
    events: Sequence[SeenEvent],
    events_of: Mapping[str, Events],
    opened_at: datetime,
    closed_at: datetime,
    arms: set[Arm],
) -> list[LateRow]:
    """Each unit's first eligible event (windowed kinds: its newest window) that closes in the span."""
    if opened_at >= closed_at:
        return []
    if metric.kind in WINDOWED:
        return _windowed(phase, metric, events_of, opened_at, closed_at, arms)
    delay, rows = limit_delay(metric), []
    for first in first_events(metric, metric.on, phase, events, opened_at, closed_at):
        entrant, close = first.entrant, first.at + delay
        if entrant.arm not in arms or _is_audience(entrant, close):
            continue
        value = first.event.value
        if metric.trial is not None:
            value = float(is_hit(metric, first, events_of[entrant.unit]))
        assert value is not None
        rows.append(LateRow(close, entrant.bucket, entrant.unit, False, value, 0.0))
    return rows


def _windowed(
    phase: MemoryPhase,
    metric: Metric,
    events_of: Mapping[str, Events],
    opened_at: datetime,
    closed_at: datetime,
    arms: set[Arm],
) -> list[LateRow]:
    length, rows = limit_delay(metric), []
    for entrant in phase.entrants.values():
        place = (closed_at - length - entrant.at) // metric.window
        at = entrant.at + place * metric.window
        close = at + length
        if place < 0 or close <= opened_at or entrant.known_at >= close or entrant.arm not in arms:
            continue
        if entrant.is_left_out_by(close) or _is_audience(entrant, close):
            continue
        window, events = entrant.in_window(at) if place else entrant, events_of.get(entrant.unit, {})
        if metric.kind is MetricKind.COUNT:
            x, y = observe(metric, window, events, metric.on) or 0.0, 0.0
        elif (pair := observe_ratio(metric, window, events, metric.on)) is not None:
            x, y = pair
        else:
            continue
        rows.append(LateRow(close, entrant.bucket, entrant.unit, False, x, y))
    return rows


def _is_audience(entrant: Entrant, close: datetime) -> bool:
    return entrant.audience_at is not None and entrant.audience_at < close
