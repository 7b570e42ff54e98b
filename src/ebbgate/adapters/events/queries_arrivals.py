"""How events arrive, by arm, written once in Ibis (RULES D4, D5, G2)."""

from collections.abc import Sequence

from ibis import _
from ibis.expr.types import Table

from ebbgate.adapters.events.queries import (
    CLOSED,
    CONTROL,
    EVENTS,
    HOLDOUT,
    OPENED,
    TREATMENT,
    VETERAN,
    closing,
    entrants,
    is_inside,
    left_out,
    microseconds,
    order_of,
)
from ebbgate.core.metrics.arrivals import patience
from ebbgate.core.metrics.definition import Metric


def arrivals(metric: Metric) -> Table:
    """arm, n, late, dropped, of units whose windows closed in `(OPENED, CLOSED]`: bind the span less the patience."""
    length = microseconds(metric.window) + microseconds(metric.lateness)
    waited = microseconds(patience(metric))
    events = EVENTS.filter(
        _.name == (metric.trial or metric.event), _.known_at > OPENED - length, _.known_at < CLOSED + waited
    )
    seen = events.join(closing(metric), "unit").filter(_.known_at < _.close + waited).filter(is_inside(metric))
    order = order_of(seen)
    first = seen.group_by("unit", "arm", "close").agg(
        known_at=seen.known_at.argmin(order), is_invalid=seen.is_invalid.argmin(order)
    )
    return first.group_by("arm").agg(n=_.count(), late=(_.known_at >= _.close).sum(), dropped=_.is_invalid.sum())


def volume(names: Sequence[str]) -> Table:
    """is_treated, n: units that sent one of these in `[OPENED, CLOSED)`, by when it was known."""
    units = entrants().filter(
        _.arm.isin([TREATMENT, VETERAN, CONTROL, HOLDOUT]),
        ~left_out(CLOSED),
        ~(_.audience_at < CLOSED).fill_null(False),
    )
    events = EVENTS.filter(_.name.isin(list(names)), _.known_at >= OPENED, _.known_at < CLOSED)
    came = events.select("unit").distinct().join(units.select("unit", "arm"), "unit")
    return came.group_by(is_treated=_.arm.isin([TREATMENT, VETERAN])).agg(n=_.count())
