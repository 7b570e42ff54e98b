"""Observations in hand, summarised by the very queries that the store runs over its events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from ebbgate.adapters.events.duckdb_store_blocks import BlockRunner, Reference
from ebbgate.adapters.events.duckdb_store_schema import to_microseconds
from ebbgate.adapters.events.queries import CONTROL, TREATMENT
from ebbgate.core.metrics.blocks import AnyBlock
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.metrics.reference import REFERENCE_KEPT, needs_reference

Pair = tuple[float, float | None]
"""A unit's observation: value and nothing, or the numerator and denominator of a ratio."""

_TABLES = """
CREATE TEMP TABLE observations (unit VARCHAR, bucket BIGINT, arm TINYINT, close BIGINT, x DOUBLE, y DOUBLE);
CREATE TEMP TABLE terms (cap DOUBLE);
INSERT INTO terms VALUES (0);
CREATE TEMP TABLE thresholds (place BIGINT, threshold DOUBLE);
"""
_FILL = "INSERT INTO observations SELECT unit, place, arm, CAST($close AS BIGINT), x, y FROM given"


class _PreparedRunner(BlockRunner):
    """The same queries, planned once: planning one costs several times what running it over a few hundred units does.

    A plan is good while the tables stay, so they are emptied, not made anew.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__(connection)
        self._planned: dict[str, str] = {}

    def _rows(self, sql: str) -> list[Any]:
        if sql not in self._planned:
            name = f"query_{len(self._planned)}"
            self._connection.execute(f"PREPARE {name} AS {sql}")
            self._planned[sql] = f"EXECUTE {name}"
        return self._connection.execute(self._planned[sql]).fetchall()

    def _put_terms(self, number: float) -> None:
        self._connection.execute("UPDATE terms SET cap = ?", [number])

    def _put_thresholds(self, limits: tuple[float, ...]) -> None:
        self._connection.execute("DELETE FROM thresholds")
        rows = ", ".join("(?, ?)" for _ in limits)
        flat = [number for row in enumerate(limits) for number in row]
        self._connection.execute(f"INSERT INTO thresholds VALUES {rows}", flat)


class BlockSummariser:
    """Blocks of units that no store holds, in a DuckDB in memory. Not safe to share between threads."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:", config={"threads": "1"})
        self._connection.execute(_TABLES)
        self._runner = _PreparedRunner(self._connection)
        self.reference: Reference = []  # what was learned from the control of earlier calls; put back, a call is undone

    def block(
        self,
        metric: Metric,
        *,
        phase: int,
        opened_at: datetime,
        closed_at: datetime,
        treatment: Sequence[Pair],
        control: Sequence[Pair],
    ) -> AnyBlock:
        """The block of these units, one observation each. Call it once a block, in order of closing: caps and
        thresholds are learned from the control of earlier calls (core/metrics/reference)."""
        closed = to_microseconds(closed_at)
        self._fill(treatment, control, closed)
        block = self._runner.block(metric, phase, to_microseconds(opened_at), closed, self.reference)
        if needs_reference(metric):
            self.reference = [*self.reference, *self._runner.newest_control()][-REFERENCE_KEPT:]
        return block

    def close(self) -> None:
        self._connection.close()

    def _fill(self, treatment: Sequence[Pair], control: Sequence[Pair], closed: int) -> None:
        pairs = [*treatment, *control]
        places = [*range(len(treatment)), *range(len(control))]
        given = pa.table(
            {
                "unit": pa.array([str(place) for place in places], pa.string()),
                "place": pa.array(places, pa.int64()),
                "arm": pa.array([TREATMENT] * len(treatment) + [CONTROL] * len(control), pa.int8()),
                "x": pa.array([x for x, _ in pairs], pa.float64()),
                "y": pa.array([y for _, y in pairs], pa.float64()),
            }
        )
        self._connection.register("given", given)
        self._connection.execute("DELETE FROM observations")
        self._connection.execute(_FILL, {"close": closed})
        self._connection.unregister("given")
