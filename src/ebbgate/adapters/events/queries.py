"""From events to observations, written once in Ibis (RULES D). Any engine that Ibis knows can run these.

Times are microseconds of plan time since 1970, as integers. The span of a block is two numbers, OPENED and CLOSED,
the units are in the table ENTRANTS and what they did in EVENTS: they stand for themselves until `bound` puts the real
ones into the compiled SQL, as compiling costs more than running.
"""

from collections.abc import Sequence
from datetime import timedelta

import ibis
from ibis import Deferred, _
from ibis.expr.types import BooleanValue, IntegerScalar, StructValue, Table

from ebbgate.core.metrics.definition import Metric, MetricKind, Reading
from ebbgate.core.metrics.values import FUNCTION_ATTRIBUTE

_OPENED, _CLOSED = 7_000_000_000_000_000_001, 7_000_000_000_000_000_003
OPENED, CLOSED = ibis.literal(_OPENED, type="int64"), ibis.literal(_CLOSED, type="int64")

TREATMENT, CONTROL, VETERAN, AUDIENCE, APART, HOLDOUT = range(6)
"""Arms, as they are stored. APART: control outside the control interval: in no comparison. HOLDOUT: compared for late
harm alone (RULES E3). Excluded units have none: they do not enter, and who turns out to be one has `excluded_at`."""

_EVENTS = "events_that_are_read"
EVENTS = ibis.table(
    {
        "seq": "int64",
        "log_offset": "int64",
        "unit": "string",
        "name": "string",
        "happened_at": "int64",
        "occurred_at": "int64",
        "known_at": "int64",
        "id": "string",
        "value": "float64",
        "is_invalid": "boolean",
        "trial_id": "string",
        "attributes": "string",
    },
    name=_EVENTS,
)

ENTRANTS = "entrants_of_the_contrast"
_ENTRANT_COLUMNS = {
    "unit": "string",
    "bucket": "int64",
    "arm": "int8",
    "is_treated": "boolean",
    "happened_at": "int64",
    "occurred_at": "int64",
    "known_at": "int64",
    "treated_at": "int64",
    "control_at": "int64",
    "audience_at": "int64",
    "excluded_at": "int64",
}


def microseconds(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def bound(sql: str, entrants: str, opened_at: int, closed_at: int, *, events: str = "events") -> str:
    """The compiled query for the units of that table whose windows closed in `(opened_at, closed_at]`."""
    named = of_events(sql.replace(f'"{ENTRANTS}"', f'"{entrants}"'), events)
    return named.replace(str(_OPENED), str(opened_at)).replace(str(_CLOSED), str(closed_at))


def of_events(sql: str, events: str = "events") -> str:
    """The compiled query over the events of that table."""
    return sql.replace(f'"{_EVENTS}"', f'"{events}"')


def entrants() -> Table:
    """The units of the contrast, with their first exposure."""
    return ibis.table(_ENTRANT_COLUMNS, name=ENTRANTS)


def left_out(close: Deferred | IntegerScalar) -> Deferred:
    """Of a unit: known before its close to have seen both values, or to be one that the plan excludes (RULES D5).

    A null time is never before the close: the comparison must be false then, not unknown.
    """
    return (((_.treated_at < close) & (_.control_at < close)) | (_.excluded_at < close)).fill_null(False)


def observations(metric: Metric, on: Sequence[str]) -> Table:
    """One row for each randomised unit that has an observation: unit, bucket, arm, close, x, y.

    x: the value, 0 or 1 for shares and rates, the numerator of ratios. y: the denominator of ratios, else null.
    on: values of the metric's `by` attribute that count; empty: all.
    """
    units = closing(metric)
    is_event = metric.kind in (MetricKind.SHARE, MetricKind.RATE)
    values = _first_trials(metric, on, units) if is_event else windowed_values(metric, on, units)
    how = "left" if metric.kind is MetricKind.COUNT else "inner"
    joined = units.join(values, "unit", how=how)
    return joined.select("unit", "bucket", "arm", "close", x=_.x.cast("float64").fill_null(0.0), y=_.y.cast("float64"))


def windowed_values(metric: Metric, on: Sequence[str], units: Table) -> Table:
    """unit, x, y: what the units' windows hold, for all kinds but shares and rates. units: as `closing` gives them."""
    return (_ratios if metric.kind is MetricKind.RATIO else _values)(metric, on, units)


def closing(metric: Metric) -> Table:
    """The randomised units whose windows closed in the span: unit, bucket, arm, close, first_at, first_occurred_at."""
    length = microseconds(metric.window) + microseconds(metric.lateness)
    closed = entrants().filter(
        _.happened_at > OPENED - length, _.happened_at <= CLOSED - length, _.known_at < _.happened_at + length
    )
    units = closed.select(
        "unit",
        "bucket",
        "treated_at",
        "control_at",
        "audience_at",
        "excluded_at",
        "arm",
        close=_.happened_at + length,
        first_at=_.happened_at,
        first_occurred_at=_.occurred_at,
    )
    units = units.filter(~left_out(_.close))
    units = units.filter(_.arm.isin([TREATMENT, CONTROL]), ~(_.audience_at < _.close).fill_null(False))
    return units.drop("treated_at", "control_at", "audience_at", "excluded_at")


def _known(metric: Metric, units: Table, name: str) -> Table:
    """Events of that name that were known when their unit's window closed. The first filter lets the engine skip what
    came before any of these windows opened: an event cannot be known before it happened."""
    length = microseconds(metric.window) + microseconds(metric.lateness)
    events = EVENTS.filter(_.name == name, _.known_at > OPENED - length, _.known_at < CLOSED)
    return events.join(units, "unit").filter(_.known_at < _.close)


def order_of(events: Table) -> StructValue:
    """By when they happened; of those at the same time, by when they came."""
    return ibis.struct({"happened_at": events.happened_at, "seq": events.seq})


def is_inside(metric: Metric) -> Deferred:
    """In the unit's window. RULES C3: correction must not reverse an order that the senders' own stamps agree on."""
    after = (_.happened_at >= _.first_at) & (_.happened_at < _.first_at + microseconds(metric.window))
    moved = (_.happened_at < _.first_at) & (_.occurred_at >= _.first_occurred_at) & (_.known_at >= _.first_at)
    return after | moved


def is_on(metric: Metric, events: Table, on: Sequence[str]) -> BooleanValue:
    """Whether the event's function is one of these."""
    function = events.attributes.cast("json")[metric.by or FUNCTION_ATTRIBUTE].str
    return function.isin(list(on)).fill_null(False)


def _inside(metric: Metric, on: Sequence[str], units: Table, name: str) -> Table:
    events = _known(metric, units, name).filter(is_inside(metric))
    return events.filter(is_on(metric, events, on)) if on else events


def _first_trials(metric: Metric, on: Sequence[str], units: Table) -> Table:
    if metric.trial is None:  # of everybody exposed
        did = _inside(metric, on, units, metric.event).select("unit").distinct().mutate(hit=ibis.literal(1))
        return units.select("unit").left_join(did, "unit").select("unit", x=_.hit.fill_null(0), y=ibis.null("float64"))
    trials = _inside(metric, (), units, metric.trial)
    eligible = _inside(metric, on, units, metric.trial)
    # Most units never have the event: which trial it would belong to is asked of the others alone.
    could = _known(metric, units, metric.event).select("unit").distinct()
    asked = eligible.semi_join(could, "unit")
    first = asked.group_by("unit").agg(trial_at=asked.happened_at.min(), first_id=asked.id.argmin(order_of(asked)))
    later = trials.select("unit", "happened_at").join(first, "unit").filter(_.happened_at > _.trial_at)
    next_at = later.group_by("unit").agg(next_at=_.happened_at.min())
    spans = first.left_join(next_at, "unit").select("unit", "trial_at", "first_id", "next_at")
    events = _known(metric, units, metric.event).join(spans, "unit")
    named = (_.trial_id == _.first_id) & (_.happened_at < _.first_at + microseconds(metric.window))
    timed = (
        _.trial_id.isnull()
        & (_.happened_at >= _.trial_at)
        & (_.next_at.isnull() | (_.happened_at < _.next_at))
        & is_inside(metric)
    )
    hits = events.filter(named.fill_null(False) | timed).select("unit").distinct().mutate(hit=ibis.literal(1))
    tried = eligible.select("unit").distinct()
    return tried.left_join(hits, "unit").select("unit", x=_.hit.fill_null(0), y=ibis.null("float64"))


def _ratios(metric: Metric, on: Sequence[str], units: Table) -> Table:
    assert metric.trial is not None
    below = _inside(metric, on, units, metric.trial).group_by("unit").agg(below=_.count())
    above = _inside(metric, on, units, metric.event).group_by("unit").agg(above=_.count())
    return below.left_join(above, "unit").select("unit", x=_.above.fill_null(0), y=_.below)


def _values(metric: Metric, on: Sequence[str], units: Table) -> Table:
    events = _inside(metric, on, units, metric.event)
    if metric.kind is MetricKind.COUNT:
        return events.group_by("unit").agg(x=_.count()).mutate(y=ibis.null("float64"))
    valued = events.filter(_.value.notnull())
    if metric.kind is MetricKind.SURVEY and metric.scale is not None:
        valued = valued.filter(_.value.between(*metric.scale))
    if metric.kind is MetricKind.MEAN:
        return valued.group_by("unit").agg(x=_.value.mean()).mutate(y=ibis.null("float64"))
    if metric.kind is MetricKind.GAUGE and metric.reading is Reading.MAX:
        return valued.group_by("unit").agg(x=_.value.max()).mutate(y=ibis.null("float64"))
    is_last = metric.kind in (MetricKind.SURVEY, MetricKind.GAUGE)
    order = order_of(valued)
    found = valued.value.argmax(order) if is_last else valued.value.argmin(order)
    return valued.group_by("unit").agg(x=found).mutate(y=ibis.null("float64"))
