"""What closed since the last look, read from the event store: all that evidence is ever made of."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import msgspec

from ebbgate.control.evidence_broken import Isolation
from ebbgate.control.readings import Readings
from ebbgate.core.metrics import AnyBlock, Guardrail, LimitQuery, Metric, MetricKind, limit_keys
from ebbgate.core.metrics.arrivals import ArrivalBlock, VolumeBlock, promised_volume
from ebbgate.core.metrics.contrast import Contrast
from ebbgate.core.metrics.derived import PARTS_KEPT, derived_metrics, is_parted
from ebbgate.core.metrics.late import LateBlock, late_spans
from ebbgate.core.rollouts.late_units import late_units
from ebbgate.core.rollouts.look import LookData
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.event_store import EventStore

NOTHING = Readings()

_VISITED = (MetricKind.RATE, MetricKind.SHARE, MetricKind.RATIO, MetricKind.QUANTILE, MetricKind.MEAN)


def read_look(
    state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime | None, readings: Readings = NOTHING
) -> LookData:
    """Everything that a look folds, of the span `(state.summarised_to, until]`. readings: what is not of events."""
    if until is None or state.summarised_to is None or until <= state.summarised_to:
        return LookData(blocks=[*readings.counted], readings=readings.read, failures=readings.failures)
    unread = Isolation()
    return LookData(
        blocks=[*read_blocks(state, contrast, events, until=until, unread=unread), *readings.counted],
        late=read_late(state, contrast, events, until=until, unread=unread),
        arrivals=read_arrivals(state, contrast, events, until=until, unread=unread),
        volume=read_volume(state, contrast, events, until=until),
        clustered=read_clustered(state, contrast, events, until=until, unread=unread),
        parts=read_parts(state, contrast, events, until=until, unread=unread),
        readings=readings.read,
        failures=readings.failures,
        broken=[*unread.found],
    )


def read_blocks(
    state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime | None, unread: Isolation
) -> list[AnyBlock]:
    """The blocks of all metrics and limits that closed in `(state.summarised_to, until]`. unread: told what breaks."""
    if until is None or state.summarised_to is None or until <= state.summarised_to:
        return []
    opened_at = state.summarised_to
    blocks: list[AnyBlock] = []
    if contrast.is_randomised:
        metrics = [metric for metric in state.plan.metrics if metric.is_of_events]
        blocks += _blocks(contrast, metrics, events, opened_at=opened_at, until=until, unread=unread)
    for guardrail in of_events(state.plan):
        name = guardrail.metric.name
        work = partial(_limit_blocks, contrast, guardrail, events, opened_at=opened_at, until=until)
        blocks += unread.read(name, contrast.phase, until, work)
    return blocks


def _blocks(
    contrast: Contrast,
    metrics: Sequence[Metric],
    events: EventStore,
    *,
    opened_at: datetime,
    until: datetime,
    unread: Isolation,
) -> list[AnyBlock]:
    """One block of each metric that has any."""

    def read(metric: Metric) -> list[AnyBlock]:
        block = events.block(contrast, metric, opened_at=opened_at, closed_at=until)
        return [] if block is None else [block]

    return [
        block for metric in metrics for block in unread.read(metric.name, contrast.phase, until, partial(read, metric))
    ]


def _limit_blocks(
    contrast: Contrast, guardrail: Guardrail, events: EventStore, *, opened_at: datetime, until: datetime
) -> list[AnyBlock]:
    return [
        block
        for query in limit_queries(guardrail, values_of(guardrail.metric, events))
        for block in events.limit_blocks(contrast, query, opened_at=opened_at, closed_at=until)
    ]


def of_events(plan: Plan) -> list[Guardrail]:
    """The guardrails that the event store can observe."""
    return [guardrail for guardrail in plan.guardrails if guardrail.metric.is_of_events]


def values_of(metric: Metric, events: EventStore) -> list[str]:
    """Values of the metric's `by`, in the order in which they first came; none without it."""
    if metric.by is None or not metric.is_of_events:
        return []
    return events.attribute_values(metric.trial or metric.event, metric.by, limit=PARTS_KEPT)


def read_parts(
    state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime, unread: Isolation
) -> list[AnyBlock]:
    """Of derived metrics: who answers a survey, and each value of `by` alone."""
    if not contrast.is_randomised or state.summarised_to is None:
        return []
    metrics = state.plan.metrics
    guarded = {guardrail.metric.name for guardrail in state.plan.guardrails}
    values = {metric.name: values_of(metric, events) for metric in metrics if metric.name in guarded}
    derived = derived_metrics(metrics, values)
    return _blocks(contrast, derived, events, opened_at=state.summarised_to, until=until, unread=unread)


def limit_queries(guardrail: Guardrail, values: Sequence[str] = ()) -> list[LimitQuery]:
    """One query for each absolute limit of a guardrail, with all its functions. values: of `by`, so far."""
    functions: dict[float, list[str]] = {}
    for limit, function in limit_keys(guardrail):
        functions.setdefault(limit, []).append(function)
    return [
        LimitQuery(metric=guardrail.metric, limit=limit, functions=_functions(guardrail.metric, names, values))
        for limit, names in functions.items()
    ]


def _functions(metric: Metric, names: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
    """Those that the limit names; where it names none, all together and each value by itself."""
    named = tuple(name for name in names if name)
    if "" in names and is_parted(metric) and not metric.on and values:
        return ("", *dict.fromkeys((*named, *values)))
    return named


def read_late(
    state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime, unread: Isolation
) -> list[LateBlock]:
    """Late-harm blocks (RULES E3): of those treated before against those never treated, whether or not the phase has a
    contrast of its own."""
    units = late_units(state)
    if not units.is_compared or state.summarised_to is None:
        return []
    opened_at = state.summarised_to

    def read(metric: Metric) -> list[LateBlock]:
        found: list[LateBlock] = []
        for span in late_spans(metric, entered_at=state.record.entered_at, opened_at=opened_at, closed_at=until):
            block = events.late_block(
                contrast,
                metric,
                epoch_at=span.epoch_at,
                opened_at=span.opened_at,
                closed_at=span.closed_at,
                with_new=units.with_new,
            )
            if block is not None:
                found.append(LateBlock(day=span.day, block=block))
        return found

    return [
        block
        for guardrail in of_events(state.plan)
        for block in unread.read(guardrail.metric.name, contrast.phase, until, partial(read, guardrail.metric))
    ]


def read_arrivals(
    state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime, unread: Isolation
) -> list[ArrivalBlock]:
    """How events of the two arms arrived (RULES D4, D5)."""
    if not contrast.is_randomised or state.summarised_to is None:
        return []
    opened_at = state.summarised_to

    def read(metric: Metric) -> list[ArrivalBlock]:
        block = events.arrival_block(contrast, metric, opened_at=opened_at, closed_at=until)
        return [] if block is None else [block]

    return [
        block
        for guardrail in of_events(state.plan)
        for block in unread.read(guardrail.metric.name, contrast.phase, until, partial(read, guardrail.metric))
    ]


def read_volume(state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime) -> VolumeBlock | None:
    """Who came by (RULES G2), by events that every visit brings; None where nobody is left to compare with."""
    names = sorted({g.metric.trial or g.metric.event for g in of_events(state.plan) if g.metric.kind in _VISITED})
    if not names or promised_volume(contrast, holdout=state.plan.holdout) <= 0 or state.summarised_to is None:
        return None
    return events.volume_block(contrast, names, opened_at=state.summarised_to, closed_at=until)


def read_clustered(
    state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime, unread: Isolation
) -> list[AnyBlock]:
    """Of rates, all requests of each unit, beside the first one that decides (RULES D3)."""
    if not contrast.is_randomised or state.summarised_to is None:
        return []
    metrics = [clustered_metric(g.metric) for g in of_events(state.plan) if g.metric.kind is MetricKind.RATE]
    return _blocks(contrast, metrics, events, opened_at=state.summarised_to, until=until, unread=unread)


def clustered_metric(metric: Metric) -> Metric:
    """A rate as the ratio of all its events to all its requests, clustered by unit."""
    return msgspec.structs.replace(metric, kind=MetricKind.RATIO)
