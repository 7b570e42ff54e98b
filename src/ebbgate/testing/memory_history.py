"""Past days in plain Python: what `ebbgate.adapters.events.duckdb_store_history` says in SQL."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from ebbgate.core.audiences import unit_bucket
from ebbgate.core.metrics.contrast import TOTAL_PPM
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.history import History, HistoryRow, Observation
from ebbgate.testing.memory_observe import Events, observe, observe_ratio
from ebbgate.testing.memory_phase import Arm, Entrant, SeenEvent, SeenExposure

_DAY = timedelta(days=1)


def history(
    metrics: Sequence[Metric],
    events: Sequence[SeenEvent],
    events_of: Mapping[str, Events],
    *,
    until: datetime,
    days: int,
    units: int,
) -> History:
    """The days before `until`, the oldest first."""
    since = until - days * _DAY
    firsts: dict[tuple[int, str], datetime] = {}
    for event in events:
        if since <= event.at < until:
            key = ((event.at - since) // _DAY, event.unit)
            firsts[key] = min(event.at, firsts.get(key, event.at))
    total = len({unit for _, unit in firsts})
    ppm = TOTAL_PPM if total <= units else units * TOTAL_PPM // total
    numbers: dict[str, int] = {}
    rows = []
    for (_, unit), at in sorted(firsts.items(), key=lambda entry: (entry[0][0], entry[1], entry[0][1])):
        if unit_bucket("history", unit) < ppm:
            values = tuple(_observation(metric, unit, at, events_of.get(unit, {})) for metric in metrics)
            number = numbers.setdefault(unit, len(numbers))
            rows.append(HistoryRow(number, (at - since) / timedelta(seconds=1), values))
    names = tuple(metric.name for metric in metrics)
    return History(metrics=names, days=days, sampled=ppm / TOTAL_PPM, began_at=since, rows=tuple(rows))


def _observation(metric: Metric, unit: str, at: datetime, events: Events) -> Observation:
    if not metric.is_of_events:
        return None
    never = datetime.max.replace(tzinfo=UTC)
    first = SeenExposure(unit=unit, variant="", version=0, at=at, occurred_at=never, known_at=at, offset=0)
    entrant = Entrant(first, 0, Arm.CONTROL, is_treated=False)
    if metric.kind is MetricKind.RATIO:
        return observe_ratio(metric, entrant, events, metric.on)
    return observe(metric, entrant, events, metric.on)
