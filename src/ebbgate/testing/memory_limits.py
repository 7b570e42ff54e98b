"""From events to observations against absolute limits (RULES G1), in plain Python: by when things happened.

What `ebbgate.adapters.events.queries_limits` says in SQL; the contract suite holds the two together.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.limits_delay import WINDOWED, limit_delay
from ebbgate.testing.memory_observe import Events, is_on, observe, observe_ratio
from ebbgate.testing.memory_phase import Entrant, MemoryPhase, SeenEvent


class First(NamedTuple):
    """A unit's first eligible event of a span."""

    entrant: Entrant
    event: SeenEvent
    at: datetime  # when it counts as having happened: never before the unit's first exposure


def limit_values(
    metric: Metric,
    on: Sequence[str],
    phase: MemoryPhase,
    events: Sequence[SeenEvent],
    events_of: Mapping[str, Events],
    *,
    opened_at: datetime,
    closed_at: datetime,
) -> Iterator[tuple[bool, float]]:
    """(whether treated, value) of each unit observed in the block. events: all, in the order of the log."""
    if metric.kind in WINDOWED:
        yield from _windowed(metric, on, phase, events_of, opened_at, closed_at)
        return
    for first in first_events(metric, on, phase, events, opened_at, closed_at):
        is_treated = first.entrant.is_treated_by(first.at + limit_delay(metric))
        if metric.trial is None:
            assert first.event.value is not None
            yield is_treated, first.event.value
        else:
            yield is_treated, float(is_hit(metric, first, events_of[first.event.unit]))


def first_events(
    metric: Metric,
    on: Sequence[str],
    phase: MemoryPhase,
    events: Sequence[SeenEvent],
    opened_at: datetime,
    closed_at: datetime,
) -> list[First]:
    """Each unit's first eligible event in `(opened_at - delay, closed_at - delay]`, known within the delay."""
    delay, found = limit_delay(metric), dict[str, First]()
    # What was known before cannot have happened in the block: an event is never known before it happened.
    start = bisect_right(events, opened_at - delay, key=lambda event: event.known_at)
    for event in islice(events, start, None):
        if event.known_at >= closed_at:
            break
        entrant = phase.entrants.get(event.unit)
        if entrant is None or not _is_eligible(metric, event, on):
            continue
        at = entrant.places(event)
        if at is None or not opened_at - delay < at <= closed_at - delay:
            continue
        close = at + delay
        if event.known_at >= close or entrant.known_at >= close or entrant.is_left_out_by(close):
            continue
        known = found.get(event.unit)
        if known is None or (event.at, event.seq) < (known.event.at, known.event.seq):
            found[event.unit] = First(entrant, event, at)
    return list(found.values())


def _is_eligible(metric: Metric, event: SeenEvent, on: Sequence[str]) -> bool:
    if event.name != (metric.trial or metric.event) or not is_on(metric, event, on):
        return False
    if metric.trial is not None:
        return True
    if event.value is None:
        return False
    if metric.kind is MetricKind.SURVEY and metric.scale is not None:
        return metric.scale[0] <= event.value <= metric.scale[1]
    return True


def is_hit(metric: Metric, first: First, events: Events) -> bool:
    """Did the event belong to that trial? By `of`, or by time until the unit's next trial of any kind; known in time,
    and for shares within the window."""
    assert metric.trial is not None
    entrant, trial, at = first
    close = at + limit_delay(metric)
    later = (
        t.at for t in events[metric.trial] if t.at > trial.at and t.known_at < close and entrant.places(t) is not None
    )
    next_at = min(later, default=None)
    for event in events.get(metric.event, ()):
        if not at <= event.known_at < close:
            continue
        if metric.kind is MetricKind.SHARE and event.at >= at + metric.window:
            continue
        if event.of is not None:
            if event.of == trial.id:
                return True
        elif trial.at <= event.at and (next_at is None or event.at < next_at) and entrant.places(event) is not None:
            return True
    return False


def _windowed(
    metric: Metric,
    on: Sequence[str],
    phase: MemoryPhase,
    events_of: Mapping[str, Events],
    opened_at: datetime,
    closed_at: datetime,
) -> Iterator[tuple[bool, float]]:
    """A unit's windows follow one another from its first exposure on; here the newest that closed in the block."""
    length = limit_delay(metric)
    stop = bisect_right(phase.by_time, closed_at - length, key=lambda entry: entry[0])
    for first_at, _, unit in phase.by_time[:stop]:
        place = (closed_at - length - first_at) // metric.window
        at = first_at + place * metric.window
        entrant, close = phase.entrants[unit], at + length
        if close <= opened_at or entrant.known_at >= close or entrant.is_left_out_by(close):
            continue
        window = entrant.in_window(at) if place else entrant
        is_treated, events = entrant.is_treated_by(close), events_of.get(unit, {})
        if metric.kind is MetricKind.COUNT:
            yield is_treated, observe(metric, window, events, on) or 0.0
        elif (pair := observe_ratio(metric, window, events, on)) is not None:
            yield is_treated, pair[0] / pair[1]
