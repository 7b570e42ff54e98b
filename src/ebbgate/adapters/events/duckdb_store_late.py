"""Late-harm observations in DuckDB (RULES E3): the limits' query over those treated before and those never treated.

Which units were observed in the running epoch is kept as hashes in a temporary table for each contrast and metric: a
look costs what is new, and a restart finds the same units again in the events. Counts alone are everybody's, whether
or not anything happened: they cost in proportion to the windows that closed.
"""

import duckdb

from ebbgate.adapters.events.duckdb_store_blocks import BlockRunner, Reference
from ebbgate.adapters.events.duckdb_store_gather import Gathered, Gatherer
from ebbgate.adapters.events.duckdb_store_phases import DuckDbPhase
from ebbgate.adapters.events.queries import CONTROL, HOLDOUT, TREATMENT, VETERAN, microseconds
from ebbgate.core.metrics.contrast import Contrast
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.late import EPOCH
from ebbgate.core.metrics.reference import REFERENCE_KEPT

_EPOCH = microseconds(EPOCH)
_NEVER = (CONTROL, HOLDOUT)

_Key = tuple[Contrast, Metric]


class LateRunner:
    """Fills `observations` of the block runner with late-harm observations. Times in microseconds."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, runner: BlockRunner, gatherer: Gatherer) -> None:
        self._connection = connection
        self._gatherer = gatherer
        self._runner = runner
        self._numbers: dict[_Key, int] = {}
        self._reached: dict[_Key, tuple[int, int]] = {}  # the epoch whose units are noted, and up to which close
        self._references: dict[_Key, tuple[int, Reference]] = {}

    def observe(
        self,
        phase: DuckDbPhase,
        metric: Metric,
        state: tuple[int, int],
        *,
        epoch_at: int,
        opened_at: int,
        closed_at: int,
        with_new: bool,
    ) -> bool:
        """Observe the units that close in `(opened_at, closed_at]` and were not observed before in the epoch; returns
        whether there are any. state: as `Gatherer` asks for it."""
        key = (phase.contrast, metric)
        treated = (VETERAN, TREATMENT) if with_new else (VETERAN,)
        # Everybody has a count. Where its windows are no shorter than an epoch, at most one of them closes in it.
        seen = None if metric.kind is MetricKind.COUNT and microseconds(metric.window) >= _EPOCH else self._seen(key)
        if seen is not None and self._reached.get(key) != (epoch_at, opened_at):
            self._connection.execute(f"DELETE FROM {seen}")
            self._reached.pop(key, None)
            if opened_at > epoch_at:
                read = self._read(phase, metric, epoch_at, opened_at, state, of="day")
                self._fill(read, metric, (*treated, *_NEVER), treated, epoch_at, opened_at, without=None)
                self._note(read, seen)
        read = self._read(phase, metric, opened_at, closed_at, state, of="look")
        self._fill(read, metric, (*treated, *_NEVER), treated, opened_at, closed_at, without=seen)
        if seen is not None:
            self._note(read, seen)
            self._reached[key] = (epoch_at, closed_at)
        row = self._connection.execute("SELECT count(*) FROM observations").fetchone()
        return bool(row and row[0])

    def reference(
        self, phase: DuckDbPhase, metric: Metric, state: tuple[int, int], *, epoch_at: int, opened_at: int
    ) -> Reference:
        """Control of the day before the epoch, all as recent as the block: its newest half hour is no better guide to
        today than the rest. Empty on a phase's first day."""
        key = (phase.contrast, metric)
        known = self._references.get(key)
        if known is None or known[0] != epoch_at:
            found: Reference = []
            # The newest counts are those of the newest windows, so that the end of the day may do.
            for part in (64, 8, 1) if metric.kind is MetricKind.COUNT else (1,):
                since = epoch_at - _EPOCH // part
                read = self._read(phase, metric, since, epoch_at, state, of="day")
                self._fill(read, metric, _NEVER, (), since, epoch_at, without=None)
                found = self._runner.newest_control()
                if len(found) == REFERENCE_KEPT:
                    break
            known = self._references[key] = (epoch_at, found)
        return [(opened_at, value) for _, value in known[1]]

    def _read(
        self, phase: DuckDbPhase, metric: Metric, opened_at: int, closed_at: int, state: tuple[int, int], *, of: str
    ) -> Gathered:
        """Of counts, everybody's windows go on, whether or not anything happens."""
        if metric.kind is MetricKind.COUNT:
            return Gathered(phase.entrants, "events")
        return self._gatherer.active(phase, metric, opened_at, closed_at, state, of=of)

    def _fill(
        self,
        read: Gathered,
        metric: Metric,
        arms: tuple[int, ...],
        treated: tuple[int, ...],
        opened_at: int,
        closed_at: int,
        *,
        without: str | None,
    ) -> None:
        is_treated = f"arm IN {_listed(treated)}" if treated else "false"
        unseen = f"AND unit_hash NOT IN (SELECT unit_hash FROM {without})" if without else ""
        self._connection.execute(
            f"""
            CREATE OR REPLACE TEMP VIEW late_entrants AS
            SELECT unit, bucket, arm, {is_treated} AS is_treated, happened_at, occurred_at, known_at, treated_at,
              control_at, CAST(NULL AS BIGINT) AS audience_at, excluded_at
            FROM {read.entrants} WHERE arm IN {_listed(arms)} {unseen}
            """
        )
        self._runner.observe(
            metric, metric.on, "late_entrants", opened_at, closed_at, is_limit=True, events=read.events
        )
        self._connection.execute(
            f"""
            DELETE FROM observations o
            USING (SELECT unit, audience_at FROM {read.entrants} WHERE audience_at IS NOT NULL) e
            WHERE o.unit = e.unit AND e.audience_at < o.close
            """
        )

    def _note(self, read: Gathered, seen: str) -> None:
        self._connection.execute(
            f"INSERT INTO {seen} SELECT unit_hash FROM observations JOIN {read.entrants} USING (unit)"
        )

    def _seen(self, key: _Key) -> str:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._numbers)
            self._connection.execute(f"CREATE TEMP TABLE late_seen_{number} (unit_hash UBIGINT)")
        return f"late_seen_{number}"


def _listed(arms: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, arms))})"
