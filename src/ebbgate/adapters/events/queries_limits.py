"""From events to observations against absolute limits (RULES G1), written once in Ibis: by when things happened.

A unit that was exposed long ago is observed again in every block in which it does something, so that an outage is
seen whenever it comes. Columns are those of `queries.observations`; arm is the side that the unit saw.
"""

from collections.abc import Sequence

import ibis
from ibis import Deferred, _
from ibis.expr.types import Table

from ebbgate.adapters.events.queries import (
    CLOSED,
    CONTROL,
    EVENTS,
    OPENED,
    TREATMENT,
    entrants,
    is_on,
    left_out,
    microseconds,
    windowed_values,
)
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.limits_delay import WINDOWED, limit_delay


def limit_observations(metric: Metric, on: Sequence[str]) -> Table:
    """One row for each unit observed in the block: its first eligible event in `(OPENED - delay, CLOSED - delay]`
    after its first exposure, if known within the delay (`limit_delay`); windowed kinds: its newest window that closed.
    """
    if metric.kind in WINDOWED:
        units = _newest_windows(metric)
        values = windowed_values(metric, on, units)
        joined = units.join(values, "unit", how="left" if metric.kind is MetricKind.COUNT else "inner")
        return joined.select(
            "unit", "bucket", "arm", "close", x=_.x.cast("float64").fill_null(0.0), y=_.y.cast("float64")
        )
    first = _first_events(metric, on)
    if metric.kind not in (MetricKind.SHARE, MetricKind.RATE):
        return first.select("unit", "bucket", "arm", "close", x="value", y=ibis.null("float64"))
    hits = _hits(metric, first).mutate(hit=ibis.literal(1.0))
    return first.left_join(hits, "unit").select(
        "unit", "bucket", "arm", "close", x=_.hit.fill_null(0.0), y=ibis.null("float64")
    )


def _placed(metric: Metric, name: str) -> Table:
    """Events of that name with their unit, and `at`: when they count as having happened, never before the unit's
    first exposure (RULES C3). The first filter lets the engine skip what was known before the block."""
    delay = microseconds(limit_delay(metric))
    events = EVENTS.filter(_.name == name, _.known_at > OPENED - delay, _.known_at < CLOSED)
    units = entrants().select(
        "unit",
        "bucket",
        "treated_at",
        "control_at",
        "audience_at",
        "excluded_at",
        "is_treated",
        first_at=_.happened_at,
        first_occurred_at=_.occurred_at,
        first_known_at=_.known_at,
    )
    joined = events.join(units, "unit")
    is_moved = (_.occurred_at >= _.first_occurred_at) & (_.known_at >= _.first_at)
    at = ibis.cases((_.happened_at >= _.first_at, _.happened_at), (is_moved, _.first_at), else_=None)
    return joined.mutate(at=at.cast("int64")).filter(_.at.notnull())


def _first_events(metric: Metric, on: Sequence[str]) -> Table:
    """Each unit's first eligible event: unit, bucket, arm, close, at, happened_at, id, value."""
    delay = microseconds(limit_delay(metric))
    placed = _placed(metric, metric.trial or metric.event)
    found = placed.filter(_.at > OPENED - delay, _.at <= CLOSED - delay).mutate(close=_.at + delay)
    found = found.filter(_.known_at < _.close, _.first_known_at < _.close)
    found = found.filter(~left_out(_.close))
    if on:
        found = found.filter(is_on(metric, found, on))
    if metric.trial is None:
        found = found.filter(_.value.notnull())
    if metric.kind is MetricKind.SURVEY and metric.scale is not None:
        found = found.filter(_.value.between(*metric.scale))
    place = ibis.row_number().over(group_by="unit", order_by=["happened_at", "seq"])
    columns = ("unit", "bucket", "arm", "close", "at", "happened_at", "id", "value")
    return found.mutate(place=place, arm=_side()).filter(_.place == 0).select(*columns)


def _hits(metric: Metric, first: Table) -> Table:
    """Units whose trial had the event: named by `of`, or by time until the unit's next trial of any kind; known in
    time, and for shares within the window."""
    assert metric.trial is not None
    events = EVENTS.filter(
        _.name == metric.event, _.known_at > OPENED - microseconds(limit_delay(metric)), _.known_at < CLOSED
    )
    # Most units never have the event: which trial it would belong to is asked of the others alone.
    could = first.semi_join(events.select("unit").distinct(), "unit")
    trials = could.select("unit", "close", trial_at="happened_at", placed_at="at", first_id="id")
    later = _placed(metric, metric.trial).select("unit", "happened_at", "known_at").join(trials, "unit")
    later = later.filter(_.happened_at > _.trial_at, _.known_at < _.close)
    next_at = later.group_by("unit").agg(next_at=_.happened_at.min())
    spans = trials.left_join(next_at, "unit").select(
        "unit", "trial_at", "placed_at", "first_id", "next_at", trial_close="close"
    )
    named = events.filter(_.trial_id.notnull()).join(spans, "unit").filter(_.trial_id == _.first_id)
    timed = _placed(metric, metric.event).filter(_.trial_id.isnull()).join(spans, "unit")
    timed = timed.filter(_.happened_at >= _.trial_at, _.next_at.isnull() | (_.happened_at < _.next_at))
    columns = ("unit", "happened_at", "known_at", "placed_at", "trial_close")
    both = named.select(*columns).union(timed.select(*columns))
    hits = both.filter(_.known_at >= _.placed_at, _.known_at < _.trial_close)
    if metric.kind is MetricKind.SHARE:
        hits = hits.filter(_.happened_at < _.placed_at + microseconds(metric.window))
    return hits.select("unit").distinct()


def _side() -> Deferred:
    """Treated by what it saw; after a rollback, by what it was, the audience as soon as it is known to be one."""
    return ibis.cases((_.is_treated, TREATMENT), (_.audience_at < _.close, TREATMENT), else_=CONTROL).cast("int8")


def _newest_windows(metric: Metric) -> Table:
    """A unit's windows follow one another from its first exposure on; here the newest that closed in the block, as
    `queries.closing` gives it."""
    window, length = microseconds(metric.window), microseconds(limit_delay(metric))
    begun = entrants().filter(_.happened_at <= CLOSED - length)
    begun = begun.mutate(place=((CLOSED - length - begun.happened_at) // window).cast("int64"))
    begun = begun.mutate(first_at=_.happened_at + _.place * window)
    begun = begun.mutate(close=_.first_at + length)
    begun = begun.filter(_.close > OPENED, _.known_at < _.close)
    begun = begun.filter(~left_out(_.close))
    return begun.select(
        "unit",
        "bucket",
        "close",
        "first_at",
        arm=_side(),
        # Only what belongs to the first exposure may be moved to it.
        first_occurred_at=ibis.cases((_.place == 0, _.occurred_at), else_=None).cast("int64"),
    )
