"""Runs the queries on how events arrive in DuckDB, and puts their numbers into blocks (core/metrics/arrivals)."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import duckdb
import ibis
from ibis.expr.types import Table

from ebbgate.adapters.events import queries, queries_arrivals
from ebbgate.adapters.events.duckdb_store_gather import Gatherer
from ebbgate.adapters.events.duckdb_store_phases import DuckDbPhase
from ebbgate.adapters.events.duckdb_store_schema import to_microseconds
from ebbgate.adapters.events.queries import CONTROL, TREATMENT
from ebbgate.core.metrics.arrivals import ArrivalBlock, VolumeBlock, patience
from ebbgate.core.metrics.definition import Metric


class ArrivalRunner:
    """Reads only."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, gatherer: Gatherer) -> None:
        self._connection = connection
        self._gatherer = gatherer

    def arrivals(
        self, phase: DuckDbPhase, metric: Metric, opened_at: datetime, closed_at: datetime, state: tuple[int, int]
    ) -> ArrivalBlock | None:
        waited = patience(metric)
        span = to_microseconds(opened_at - waited), to_microseconds(closed_at - waited)
        read = self._gatherer.closing(phase, metric, to_microseconds(opened_at), to_microseconds(closed_at), state)
        query = queries.bound(_arrivals(metric), read.entrants, *span, events=read.events)
        rows = self._connection.execute(query).fetchall()
        if not rows:
            return None
        by_arm = {arm: (n, int(late), int(dropped)) for arm, n, late, dropped in rows}
        treatment, control = by_arm.get(TREATMENT, (0, 0, 0)), by_arm.get(CONTROL, (0, 0, 0))
        return ArrivalBlock(
            metric=metric.name,
            phase=phase.contrast.phase,
            opened_at=opened_at,
            closed_at=closed_at,
            treatment_n=treatment[0],
            treatment_late=treatment[1],
            treatment_dropped=treatment[2],
            control_n=control[0],
            control_late=control[1],
            control_dropped=control[2],
        )

    def volume(
        self,
        phase: DuckDbPhase,
        names: Sequence[str],
        opened_at: datetime,
        closed_at: datetime,
        state: tuple[int, int],
    ) -> VolumeBlock:
        span = to_microseconds(opened_at), to_microseconds(closed_at)
        read = self._gatherer.came(phase, names, 1, *span, state)
        query = queries.bound(_volume(tuple(names)), read.entrants, *span, events=read.events)
        rows = self._connection.execute(query).fetchall()
        n = {bool(is_treated): count for is_treated, count in rows}
        return VolumeBlock(
            phase=phase.contrast.phase,
            opened_at=opened_at,
            closed_at=closed_at,
            treatment_n=n.get(True, 0),
            control_n=n.get(False, 0),
        )


@lru_cache(maxsize=1024)
def _arrivals(metric: Metric) -> str:
    return _sql(queries_arrivals.arrivals(metric))


@lru_cache(maxsize=256)
def _volume(names: tuple[str, ...]) -> str:
    return _sql(queries_arrivals.volume(names))


def _sql(table: Table) -> str:
    return str(ibis.to_sql(table, dialect="duckdb"))
