"""/evaluators, /arrivals, /totals, /clock, /history: what control sees of the world."""

import msgspec
from litestar import get, post
from litestar.params import JSONBody

from ebbgate.api.dependencies import Services
from ebbgate.control.propagation import is_connected
from ebbgate.core.events.view import (
    ArrivalsView,
    ArrivedEvent,
    ClockView,
    EvaluatorView,
    FlagEvaluations,
    RolloutSilence,
    TotalsView,
)
from ebbgate.core.metrics.history import History, HistoryRequest
from ebbgate.core.rollouts.state import LOOKED_AT


@get("/evaluators", sync_to_thread=True, operation_id="listEvaluators", tags=["observations"])
def list_evaluators(services: Services) -> list[EvaluatorView]:
    """Everything that evaluates flags, connected or not, with the version that it serves."""
    now = services.clock.machine_now()
    rows = [msgspec.structs.replace(r, is_connected=is_connected(r, now)) for r in services.events.evaluators()]
    return [msgspec.convert(row, EvaluatorView, from_attributes=True) for row in rows]


@get("/arrivals", sync_to_thread=True, operation_id="getArrivals", tags=["observations"])
def get_arrivals(services: Services) -> ArrivalsView:
    """The events that arrive, by name, and what running rollouts wait for in vain."""
    with services.store.transaction() as tx:
        running = tx.rollouts(statuses=sorted(LOOKED_AT))
    silence = [RolloutSilence(rollout_id=s.id, sentences=services.views.silence(s)) for s in running]
    counts = services.events.evaluation_counts()
    return ArrivalsView(
        watermark=services.events.watermark(),
        names=tuple(msgspec.convert(row, ArrivedEvent, from_attributes=True) for row in services.events.names()),
        evaluations=tuple(msgspec.convert(row, FlagEvaluations, from_attributes=True) for row in counts),
        silence=tuple(one for one in silence if one.sentences),
    )


@get("/totals", sync_to_thread=True, operation_id="getTotals", tags=["observations"])
def get_totals(services: Services) -> TotalsView:
    """Counts over everything ingested."""
    totals = services.events.totals()
    return TotalsView(
        units=totals.units,
        events=totals.events,
        exposures=totals.exposures,
        duplicates=totals.duplicates,
        offset=services.events.offset(),
        watermark=services.events.watermark(),
    )


@get("/clock", sync_to_thread=True, operation_id="getClock", tags=["observations"])
def get_clock(services: Services) -> ClockView:
    """Machine time, plan time, and how the one follows the other."""
    machine_at = services.clock.machine_now()
    mapping = services.clock.mapping
    return ClockView(machine_at=machine_at, plan_at=mapping.plan_time(machine_at), mapping=mapping)


@post("/history", sync_to_thread=True, status_code=200, operation_id="readHistory", tags=["observations"])
def read_history(services: Services, data: JSONBody[HistoryRequest]) -> History:
    """What units did on past days, one observation of each metric a day, under numbers instead of their keys. Changes
    nothing; it is a POST because the metrics are too long for an address."""
    return services.events.history(data.metrics, days=data.days, units=data.units)
