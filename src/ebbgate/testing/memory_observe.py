"""From one unit's events to its one observation (RULES D2, D3)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ebbgate.core.metrics.definition import Metric, MetricKind, Reading
from ebbgate.core.metrics.values import FUNCTION_ATTRIBUTE
from ebbgate.testing.memory_phase import Entrant, SeenEvent

Events = Mapping[str, Sequence[SeenEvent]]
"""One unit's events by name."""


def observe(metric: Metric, entrant: Entrant, events: Events, on: Sequence[str]) -> float | None:
    """The unit's value, 0 or 1 for shares and rates; None without an observation. Not for ratios.

    on: values of the metric's `by` attribute that count; empty: all.
    """
    if metric.kind in (MetricKind.SHARE, MetricKind.RATE):
        return _first_trial(metric, entrant, events, on)
    counted = [event for event in _inside(metric, entrant, events, metric.event) if is_on(metric, event, on)]
    if metric.kind is MetricKind.COUNT:
        return float(len(counted))
    valued = sorted((event.at, event.seq, event.value) for event in counted if event.value is not None)
    if metric.kind is MetricKind.SURVEY and metric.scale is not None:
        low, high = metric.scale
        valued = [answer for answer in valued if low <= answer[2] <= high]
    if not valued:
        return None
    if metric.kind is MetricKind.MEAN:
        return sum(value for _, _, value in valued) / len(valued)
    if metric.kind is MetricKind.GAUGE and metric.reading is Reading.MAX:
        return max(value for _, _, value in valued)
    return valued[-1][2] if metric.kind in (MetricKind.SURVEY, MetricKind.GAUGE) else valued[0][2]


def observe_ratio(metric: Metric, entrant: Entrant, events: Events, on: Sequence[str]) -> tuple[int, int] | None:
    """The unit's (numerator, denominator); None where the denominator is 0."""
    assert metric.trial is not None
    below = sum(is_on(metric, event, on) for event in _inside(metric, entrant, events, metric.trial))
    above = sum(is_on(metric, event, on) for event in _inside(metric, entrant, events, metric.event))
    return (above, below) if below else None


def _first_trial(metric: Metric, entrant: Entrant, events: Events, on: Sequence[str]) -> float | None:
    """Did the event belong to the unit's first trial? By `of` where the event says so, else by time: until the unit's
    next trial of any kind, which is the one that a later event belongs to."""
    if metric.trial is None:  # of everybody exposed
        return float(any(is_on(metric, event, on) for event in _inside(metric, entrant, events, metric.event)))
    trials = _inside(metric, entrant, events, metric.trial)
    first = min((t for t in trials if is_on(metric, t, on)), key=lambda t: (t.at, t.seq), default=None)
    if first is None:
        return None
    next_at = min((t.at for t in trials if t.at > first.at), default=None)
    close = entrant.at + metric.window + metric.lateness
    for event in events.get(metric.event, ()):
        if event.known_at >= close:
            continue
        if event.of is not None:
            if event.of == first.id and event.at < entrant.at + metric.window:
                return 1.0
        elif first.at <= event.at and (next_at is None or event.at < next_at) and _is_inside(metric, entrant, event):
            return 1.0
    return 0.0


def _inside(metric: Metric, entrant: Entrant, events: Events, name: str) -> list[SeenEvent]:
    """Events in the unit's window that were known when it closed (RULES D4)."""
    close = entrant.at + metric.window + metric.lateness
    return [e for e in events.get(name, ()) if e.known_at < close and _is_inside(metric, entrant, e)]


def _is_inside(metric: Metric, entrant: Entrant, event: SeenEvent) -> bool:
    at: datetime | None = entrant.places(event)
    return at is not None and at < entrant.at + metric.window


def is_on(metric: Metric, event: SeenEvent, on: Sequence[str]) -> bool:
    """Whether the event's function is one of these; empty: all."""
    return not on or event.attributes.get(metric.by or FUNCTION_ATTRIBUTE) in on
