"""How events arrive, by arm, in plain Python: what `ebbgate.adapters.events.queries_arrivals` says in SQL."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice

from ebbgate.core.metrics.arrivals import ArrivalBlock, VolumeBlock, patience
from ebbgate.core.metrics.definition import Metric
from ebbgate.testing.memory_observe import Events
from ebbgate.testing.memory_phase import Arm, Entrant, MemoryPhase, SeenEvent


def arrival_block(
    phase: MemoryPhase, metric: Metric, events_of: Mapping[str, Events], opened_at: datetime, closed_at: datetime
) -> ArrivalBlock | None:
    """Of the units whose close and patience ended in the span, the first eligible event of each."""
    waited, found = patience(metric), Counter[str]()
    for close, entrant in phase.closing(metric, opened_at - waited, closed_at - waited):
        first = _first(metric, entrant, events_of.get(entrant.unit, {}), close + waited)
        if first is None or not entrant.is_compared_by(close):
            continue
        found[f"{entrant.arm.value}_n"] += 1
        found[f"{entrant.arm.value}_late"] += first.known_at >= close
        found[f"{entrant.arm.value}_dropped"] += first.is_invalid
    if not found:
        return None
    return ArrivalBlock(
        metric=metric.name, phase=phase.contrast.phase, opened_at=opened_at, closed_at=closed_at, **found
    )


def _first(metric: Metric, entrant: Entrant, events: Events, until: datetime) -> SeenEvent | None:
    inside = []
    for event in events.get(metric.trial or metric.event, ()):
        at = entrant.places(event)
        if at is not None and at < entrant.at + metric.window and event.known_at < until:
            inside.append(event)
    return min(inside, key=lambda event: (event.at, event.seq), default=None)


def volume_block(
    phase: MemoryPhase, names: Sequence[str], events: Sequence[SeenEvent], opened_at: datetime, closed_at: datetime
) -> VolumeBlock:
    """Units that sent one of these in the span, by when it was known. events: all, in the order of the log."""
    start = bisect_left(events, opened_at, key=lambda event: event.known_at)
    stop = bisect_left(events, closed_at, key=lambda event: event.known_at)
    units = {event.unit for event in islice(events, start, stop) if event.name in names}
    came = [phase.entrants[unit] for unit in units if unit in phase.entrants]
    counted = [
        entrant.arm
        for entrant in came
        if not entrant.is_left_out_by(closed_at) and (entrant.audience_at is None or entrant.audience_at >= closed_at)
    ]
    return VolumeBlock(
        phase=phase.contrast.phase,
        opened_at=opened_at,
        closed_at=closed_at,
        treatment_n=sum(arm in (Arm.TREATMENT, Arm.VETERAN) for arm in counted),
        control_n=sum(arm in (Arm.CONTROL, Arm.HOLDOUT) for arm in counted),
    )
