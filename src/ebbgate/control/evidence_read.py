"""What closed since the last look, read from the event store: all that evidence is ever made of."""

from datetime import datetime

import msgspec

from ebbgate.core.metrics import AnyBlock, Guardrail, LimitQuery, Metric, MetricKind, limit_keys
from ebbgate.core.metrics.arrivals import ArrivalBlock, VolumeBlock, promised_volume
from ebbgate.core.metrics.contrast import Contrast
from ebbgate.core.metrics.late import LateBlock, late_spans
from ebbgate.core.rollouts.late_units import late_units
from ebbgate.core.rollouts.look import LookData
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.event_store import EventStore

_VISITED = (MetricKind.RATE, MetricKind.SHARE, MetricKind.RATIO, MetricKind.QUANTILE, MetricKind.MEAN)


def read_look(state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime | None) -> LookData:
    """Everything that a look folds, of the span `(state.summarised_to, until]`."""
    if until is None or state.summarised_to is None or until <= state.summarised_to:
        return LookData(blocks=[])
    return LookData(
        blocks=read_blocks(state, contrast, events, until=until),
        late=read_late(state, contrast, events, until=until),
        arrivals=read_arrivals(state, contrast, events, until=until),
        volume=read_volume(state, contrast, events, until=until),
        clustered=read_clustered(state, contrast, events, until=until),
    )


def read_blocks(
    state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime | None
) -> list[AnyBlock]:
    """The blocks of all metrics and limits that closed in `(state.summarised_to, until]`."""
    if until is None or state.summarised_to is None or until <= state.summarised_to:
        return []
    opened_at = state.summarised_to
    blocks: list[AnyBlock] = []
    if contrast.is_randomised:
        metrics = [g.metric for g in state.plan.guardrails] + [g.metric for g in state.plan.goals]
        found = [events.block(contrast, metric, opened_at=opened_at, closed_at=until) for metric in metrics]
        blocks += [block for block in found if block is not None]
    for guardrail in state.plan.guardrails:
        for query in limit_queries(guardrail):
            blocks += events.limit_blocks(contrast, query, opened_at=opened_at, closed_at=until)
    return blocks


def limit_queries(guardrail: Guardrail) -> list[LimitQuery]:
    """One query for each absolute limit of a guardrail, with all its functions."""
    functions: dict[float, list[str]] = {}
    for limit, function in limit_keys(guardrail):
        functions.setdefault(limit, []).append(function)
    return [
        LimitQuery(metric=guardrail.metric, limit=limit, functions=tuple(name for name in names if name))
        for limit, names in functions.items()
    ]


def read_late(state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime) -> list[LateBlock]:
    """Late-harm blocks (RULES E3): of those treated before against those never treated, whether or not the phase has a
    contrast of its own."""
    units = late_units(state)
    if not units.is_compared or state.summarised_to is None:
        return []
    found: list[LateBlock] = []
    for guardrail in state.plan.guardrails:
        metric = guardrail.metric
        spans = late_spans(metric, entered_at=state.record.entered_at, opened_at=state.summarised_to, closed_at=until)
        for span in spans:
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


def read_arrivals(
    state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime
) -> list[ArrivalBlock]:
    """How events of the two arms arrived (RULES D4, D5)."""
    if not contrast.is_randomised or state.summarised_to is None:
        return []
    opened_at = state.summarised_to
    metrics = [guardrail.metric for guardrail in state.plan.guardrails]
    found = [events.arrival_block(contrast, metric, opened_at=opened_at, closed_at=until) for metric in metrics]
    return [block for block in found if block is not None]


def read_volume(state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime) -> VolumeBlock | None:
    """Who came by (RULES G2), by events that every visit brings; None where nobody is left to compare with."""
    names = sorted({g.metric.trial or g.metric.event for g in state.plan.guardrails if g.metric.kind in _VISITED})
    if not names or promised_volume(contrast, holdout=state.plan.holdout) <= 0 or state.summarised_to is None:
        return None
    return events.volume_block(contrast, names, opened_at=state.summarised_to, closed_at=until)


def read_clustered(state: RolloutState, contrast: Contrast, events: EventStore, *, until: datetime) -> list[AnyBlock]:
    """Of rates, all requests of each unit, beside the first one that decides (RULES D3)."""
    if not contrast.is_randomised or state.summarised_to is None:
        return []
    metrics = [clustered_metric(g.metric) for g in state.plan.guardrails if g.metric.kind is MetricKind.RATE]
    opened_at = state.summarised_to
    found = [events.block(contrast, metric, opened_at=opened_at, closed_at=until) for metric in metrics]
    return [block for block in found if block is not None]


def clustered_metric(metric: Metric) -> Metric:
    """A rate as the ratio of all its events to all its requests, clustered by unit."""
    return msgspec.structs.replace(metric, kind=MetricKind.RATIO)
