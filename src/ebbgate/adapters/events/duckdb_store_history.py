"""Past days in DuckDB: the units that came by, each with its one observation of a day (RULES D2, E7)."""

from collections.abc import Sequence

import duckdb

from ebbgate.adapters.events.duckdb_store_blocks import BlockRunner
from ebbgate.adapters.events.duckdb_store_schema import from_microseconds
from ebbgate.adapters.events.queries import CONTROL, microseconds
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.history import History, HistoryRow, Observation

_DAY = 86_400_000_000
_NEVER = 2**62  # by its sender's stamp, nothing was before a unit's first event of the day
_PPM = 1_000_000


def history(
    connection: duckdb.DuckDBPyConnection,
    runner: BlockRunner,
    metrics: Sequence[Metric],
    *,
    until: int,
    days: int,
    units: int,
) -> History:
    """The days before `until` (microseconds), the oldest first. One query a day and metric; no unit's key leaves."""
    since = until - days * _DAY
    found = connection.execute(
        "SELECT count(DISTINCT unit) FROM events WHERE happened_at >= ? AND happened_at < ?", [since, until]
    ).fetchone()
    total = int(found[0]) if found else 0
    ppm = _PPM if total <= units else units * _PPM // total
    numbers: dict[str, int] = {}
    rows: list[HistoryRow] = []
    for day in range(days):
        rows += _day(connection, runner, metrics, numbers, since=since, begin=since + day * _DAY, ppm=ppm)
    return History(
        metrics=tuple(metric.name for metric in metrics),
        days=days,
        sampled=ppm / _PPM,
        began_at=from_microseconds(since),
        rows=tuple(rows),
    )


def _day(
    connection: duckdb.DuckDBPyConnection,
    runner: BlockRunner,
    metrics: Sequence[Metric],
    numbers: dict[str, int],
    *,
    since: int,
    begin: int,
    ppm: int,
) -> list[HistoryRow]:
    """Everybody stands for control: the randomised comparison's own query observes them."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE history_entrants AS
        SELECT unit, CAST(0 AS BIGINT) AS bucket, CAST({CONTROL} AS TINYINT) AS arm, false AS is_treated,
          min(happened_at) AS happened_at, CAST({_NEVER} AS BIGINT) AS occurred_at, min(happened_at) AS known_at,
          CAST(NULL AS BIGINT) AS treated_at, CAST(NULL AS BIGINT) AS control_at, CAST(NULL AS BIGINT) AS audience_at,
          CAST(NULL AS BIGINT) AS excluded_at
        FROM events WHERE happened_at >= {begin} AND happened_at < {begin + _DAY} AND hash(unit) % {_PPM} < {ppm}
        GROUP BY unit
        """
    )
    values: list[dict[str, Observation]] = []
    for metric in metrics:
        if not metric.is_of_events:
            values.append({})
            continue
        length = microseconds(metric.window) + microseconds(metric.lateness)
        span = begin - 1 + length, begin + _DAY + length
        runner.observe(metric, metric.on, "history_entrants", *span, is_limit=False)
        is_ratio = metric.kind is MetricKind.RATIO
        found = connection.execute("SELECT unit, x, y FROM observations").fetchall()
        values.append({unit: (x, y) if is_ratio else x for unit, x, y in found})
    entered = connection.execute("SELECT unit, happened_at FROM history_entrants ORDER BY happened_at, unit").fetchall()
    return [
        HistoryRow(
            numbers.setdefault(unit, len(numbers)), (at - since) / 1e6, tuple(found.get(unit) for found in values)
        )
        for unit, at in entered
    ]
