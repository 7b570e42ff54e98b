"""Runs the block queries in DuckDB and puts their numbers into blocks (core/metrics/blocks)."""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import duckdb
import ibis
from ibis.expr.types import Table

from ebbgate.adapters.events import queries, queries_blocks
from ebbgate.adapters.events.duckdb_store_schema import from_microseconds
from ebbgate.adapters.events.queries import CONTROL, TREATMENT, microseconds
from ebbgate.adapters.events.queries_limits import limit_observations
from ebbgate.core.metrics.blocks import (
    BET_SIZES,
    AnyBlock,
    LimitBlock,
    MeanBlock,
    Moments,
    PairMoments,
    ProportionBlock,
    QuantileBlock,
    RatioBlock,
)
from ebbgate.core.metrics.contrast import LimitQuery
from ebbgate.core.metrics.definition import Direction, Metric, MetricKind
from ebbgate.core.metrics.reference import THRESHOLD_SPAN, block_cap, thresholds

Reference = list[tuple[int, float]]
"""(close, value) of control observations, oldest first."""

_NOTHING = (0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)


class BlockRunner:
    """Runs queries over the temporary tables `observations`, `terms` and `thresholds`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def is_anyone_closing(self, metric: Metric, entrants: str, opened_at: int, closed_at: int) -> bool:
        """Whether a unit of the randomised contrast closed in the span."""
        return bool(self._rows(queries.bound(_closing(metric), entrants, opened_at, closed_at)))

    def observe(
        self,
        metric: Metric,
        on: tuple[str, ...],
        entrants: str,
        opened_at: int,
        closed_at: int,
        *,
        is_limit: bool,
        events: str = "events",
    ) -> None:
        """Fill the table `observations`: of the randomised units, or against a limit (RULES G1). entrants, events: the
        tables to read."""
        compiled = _limit_observations(metric, on) if is_limit else _observations(metric, on)
        query = queries.bound(compiled, entrants, opened_at, closed_at, events=events)
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE observations AS {query}")

    def newest_control(self) -> Reference:
        """Control's part of `observations`, as much as a later block may need."""
        return [(close, value) for close, value in reversed(self._rows(_compiled(queries_blocks.newest_control)))]

    def block(self, metric: Metric, phase: int, opened_at: int, closed_at: int, reference: Reference) -> AnyBlock:
        """The block of `observations`."""
        head: dict[str, Any] = {
            "metric": metric.name,
            "phase": phase,
            "opened_at": from_microseconds(opened_at),
            "closed_at": from_microseconds(closed_at),
        }
        if metric.kind in (MetricKind.SHARE, MetricKind.RATE):
            return ProportionBlock(**head, **self._proportion())
        if metric.kind is MetricKind.RATIO:
            return self._ratio_block(head)
        if metric.kind is MetricKind.QUANTILE:
            return self._quantile_block(head, thresholds(reference, opened_at - microseconds(THRESHOLD_SPAN)))
        return self._mean_block(head, metric, block_cap(metric, reference))

    def limit_block(
        self, query: LimitQuery, function: str, phase: int, opened_at: int, closed_at: int
    ) -> LimitBlock | None:
        """The limit block of `observations`; None if there are none."""
        is_event = query.metric.kind in (MetricKind.SHARE, MetricKind.RATE)
        self._put_terms(0.0 if is_event else query.limit)
        rows = self._rows(_compiled(queries_blocks.beyond))
        if not rows:
            return None
        n = {arm: (units, int(above)) for arm, units, above in rows}
        return LimitBlock(
            metric=query.metric.name,
            phase=phase,
            opened_at=from_microseconds(opened_at),
            closed_at=from_microseconds(closed_at),
            limit=query.limit,
            function=function,
            treatment_n=n.get(TREATMENT, (0, 0))[0],
            treatment_y=n.get(TREATMENT, (0, 0))[1],
            control_n=n.get(CONTROL, (0, 0))[0],
            control_y=n.get(CONTROL, (0, 0))[1],
        )

    def _proportion(self) -> dict[str, Any]:
        by_arm = {arm: (n, int(y)) for arm, n, y in self._rows(_compiled(queries_blocks.proportions))}
        (treatment_n, treatment_y), (control_n, control_y) = (by_arm.get(arm, (0, 0)) for arm in (TREATMENT, CONTROL))
        return {
            "treatment_n": treatment_n,
            "treatment_y": treatment_y,
            "control_n": control_n,
            "control_y": control_y,
        }

    def _ratio_block(self, head: dict[str, Any]) -> RatioBlock:
        by_arm = {row[0]: row[1:] for row in self._rows(_compiled(queries_blocks.pairs))}
        treatment, control = by_arm.get(TREATMENT, _NOTHING), by_arm.get(CONTROL, _NOTHING)
        return RatioBlock(
            **head,
            treatment=_pair_moments(treatment),
            control=_pair_moments(control),
            treatment_any=treatment[0],
            treatment_any_y=int(treatment[6]),
            control_any=control[0],
            control_any_y=int(control[6]),
        )

    def _mean_block(self, head: dict[str, Any], metric: Metric, cap: float) -> MeanBlock:
        self._put_terms(cap)
        is_planned = int(metric.cap is not None)
        by_arm = {row[0]: row[1:] for row in self._rows(_compiled(queries_blocks.moments, is_planned))}
        treatment, control = by_arm.get(TREATMENT, _NOTHING), by_arm.get(CONTROL, _NOTHING)
        score, variance = self._rank_score(is_planned)
        wealth: tuple[float, ...] = (0.0,) * len(BET_SIZES)
        if cap > 0 and treatment[0] and control[0]:
            wealth = self._rows(_compiled(queries_blocks.wealth, 1 if metric.bad is Direction.INCREASE else -1))[0]
        return MeanBlock(
            **head,
            cap=cap,
            treatment=Moments(n=treatment[0], total=treatment[1], squares=treatment[2]),
            control=Moments(n=control[0], total=control[1], squares=control[2]),
            treatment_raw_total=treatment[3],
            control_raw_total=control[3],
            treatment_raw_squares=treatment[4],
            control_raw_squares=control[4],
            log_wealth=wealth,
            rank_score=score,
            rank_variance=variance,
        )

    def _quantile_block(self, head: dict[str, Any], limits: tuple[float, ...]) -> QuantileBlock:
        by_arm = {arm: n for arm, n, _ in self._rows(_compiled(queries_blocks.proportions))}
        above: dict[tuple[int, int], int] = {}
        if limits:
            self._put_thresholds(limits)
            above = {(arm, place): n for place, arm, n in self._rows(_compiled(queries_blocks.above))}
        sketches: dict[int, dict[int, int]] = {TREATMENT: {}, CONTROL: {}}
        for arm, bin_, n in self._rows(_compiled(queries_blocks.sketch)):
            sketches[arm][bin_] = n
        score, variance = self._rank_score()
        return QuantileBlock(
            **head,
            treatment_n=by_arm.get(TREATMENT, 0),
            control_n=by_arm.get(CONTROL, 0),
            thresholds=limits,
            treatment_above=tuple(above.get((TREATMENT, place), 0) for place in range(len(limits))),
            control_above=tuple(above.get((CONTROL, place), 0) for place in range(len(limits))),
            rank_score=score,
            rank_variance=variance,
            treatment_sketch=sketches[TREATMENT],
            control_sketch=sketches[CONTROL],
        )

    def _put_terms(self, number: float) -> None:
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE terms AS SELECT CAST($number AS DOUBLE) AS cap", {"number": number}
        )

    def _put_thresholds(self, limits: tuple[float, ...]) -> None:
        self._connection.execute(
            "CREATE OR REPLACE TEMP TABLE thresholds AS"
            " SELECT unnest(range(len($limits))) AS place, unnest(CAST($limits AS DOUBLE[])) AS threshold",
            {"limits": list(limits)},
        )

    def _rank_score(self, is_planned: int = 0) -> tuple[float, float]:
        """Score and exact permutation variance of the mid-ranks; (0, 0) with an empty arm. Source: analysis.md 1.7."""
        treated_n, control_n, score, squares = self._rows(_compiled(queries_blocks.ranks, is_planned))[0]
        if not treated_n or not control_n:
            return 0.0, 0.0
        n = treated_n + control_n
        return score, treated_n * control_n / (n * (n - 1)) * squares

    def _rows(self, sql: str) -> list[Any]:
        return self._connection.execute(sql).fetchall()


@lru_cache(maxsize=1024)
def _closing(metric: Metric) -> str:
    return _sql(queries.closing(metric).limit(1))


@lru_cache(maxsize=4096)
def _observations(metric: Metric, on: tuple[str, ...]) -> str:
    return _sql(queries.observations(metric, on))


@lru_cache(maxsize=4096)
def _limit_observations(metric: Metric, on: tuple[str, ...]) -> str:
    return _sql(limit_observations(metric, on))


@cache
def _compiled(query: Callable[..., Table], *arguments: int) -> str:
    return _sql(query(*arguments))


def _sql(table: Table) -> str:
    return str(ibis.to_sql(table, dialect="duckdb"))


def _pair_moments(row: Sequence[Any]) -> PairMoments:
    return PairMoments(
        n=row[0],
        numerator=row[1],
        denominator=row[2],
        numerator_squares=row[3],
        denominator_squares=row[4],
        products=row[5],
    )
