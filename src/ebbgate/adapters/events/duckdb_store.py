"""The analysis store on DuckDB: one file that control alone opens (RULES I1), or `:memory:`.

Tables hold what was ingested, and who has entered each phase; earlier control observations live in memory, and are
found again after a restart. A look costs what is new.
"""

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from ebbgate.adapters.events.duckdb_store_arrivals import ArrivalRunner
from ebbgate.adapters.events.duckdb_store_blocks import BlockRunner, Reference
from ebbgate.adapters.events.duckdb_store_distinct import DistinctUnits
from ebbgate.adapters.events.duckdb_store_gather import Gathered, Gatherer
from ebbgate.adapters.events.duckdb_store_history import history
from ebbgate.adapters.events.duckdb_store_ids import RecentIds, load_recent
from ebbgate.adapters.events.duckdb_store_ingest import HORIZON, Batch
from ebbgate.adapters.events.duckdb_store_late import LateRunner
from ebbgate.adapters.events.duckdb_store_phases import DuckDbPhase, load_phases
from ebbgate.adapters.events.duckdb_store_schema import (
    CHECKPOINT_ROWS,
    from_microseconds,
    open_database,
    read_ledger,
    to_microseconds,
    unavailable,
)
from ebbgate.adapters.events.duckdb_store_values import AttributeValues
from ebbgate.adapters.events.queries import CONTROL, TREATMENT, microseconds
from ebbgate.core.events import Record
from ebbgate.core.metrics.arrivals import ArrivalBlock, VolumeBlock
from ebbgate.core.metrics.blocks import AnyBlock, Assignment
from ebbgate.core.metrics.contrast import Contrast, LimitQuery
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.history import History, history_until
from ebbgate.core.metrics.reference import REFERENCE_KEPT, needs_reference
from ebbgate.ports.event_store import (
    Confirmation,
    EvaluationCounts,
    EvaluatorStatus,
    NameCount,
    StoreTotals,
    statuses_of,
)

_REFERENCES_KEPT = 3  # of each metric: the newest, and those that a look repeated after a failure needs
PHASES_KEPT = 24
"""Contrasts whose units are kept. The one that nobody has asked for longest goes, and can be made again."""

_BEFORE_ALL = 0  # microseconds since 1970: nothing closes before


class DuckDbEventStore:
    """An EventStore in a file. path: a file, or `:memory:`. Safe to call from several threads, one call at a time."""

    def __init__(self, path: Path | str) -> None:
        self._lock = threading.RLock()
        self._connection = open_database(path)
        with unavailable():
            self._ledger = read_ledger(self._connection)
            self._recent = self._load_recent()
            self._runner = BlockRunner(self._connection)
            self._phases = load_phases(self._connection)  # the one that was asked for last stands last
        self._gatherer = Gatherer(self._connection)
        self._late = LateRunner(self._connection, self._runner, self._gatherer)
        self._arrivals = ArrivalRunner(self._connection, self._gatherer)
        self._references: dict[tuple[Contrast, Metric], dict[int, Reference]] = {}
        self._unfolded = 0  # rows ingested since the engine's own log was folded into its file
        self._distinct = DistinctUnits(self._connection)
        self._values = AttributeValues(self._connection)

    def offset(self) -> int:
        with self._lock:
            return self._ledger.offset

    def watermark(self) -> datetime | None:
        with self._lock:
            return None if self._ledger.watermark is None else from_microseconds(self._ledger.watermark)

    def ingest(self, records: Sequence[tuple[int, Record]]) -> None:
        with self._lock, unavailable():
            new = [(offset, record) for offset, record in records if offset > self._ledger.offset]
            if not new:
                return
            self._connection.begin()
            try:
                batch = Batch(self._ledger, new)
                batch.write(self._connection, self._recent, self._ledger)
                self._connection.commit()
            except BaseException:
                self._connection.rollback()
                self._ledger = read_ledger(self._connection)
                raise
            self._unfolded += sum(len(arrivals) for arrivals in batch.arrived.values())
            if self._unfolded >= CHECKPOINT_ROWS:
                self._connection.execute("CHECKPOINT")
                self._unfolded = 0
            assert self._ledger.watermark is not None
            for table, arrivals in batch.arrived.items():
                self._recent[table].add(arrivals.hashes, self._ledger.watermark)
                self._recent[table].forget(self._ledger.watermark - HORIZON)

    def block(self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime) -> AnyBlock | None:
        with self._lock, unavailable():
            opened, closed = to_microseconds(opened_at), to_microseconds(closed_at)
            phase, runner = self._phase(contrast), self._runner
            self._watch(phase, metric)
            reference = self._reference(phase, metric, opened) if needs_reference(metric) else []
            read = self._gatherer.closing(phase, metric, opened, closed, self._state())
            if not runner.is_anyone_closing(metric, read.entrants, opened, closed):
                return None
            runner.observe(metric, metric.on, read.entrants, opened, closed, is_limit=False, events=read.events)
            if needs_reference(metric):
                self._remember(contrast, metric, closed, [*reference, *runner.newest_control()])
            return runner.block(metric, contrast.phase, opened, closed, reference)

    def limit_blocks(
        self, contrast: Contrast, query: LimitQuery, *, opened_at: datetime, closed_at: datetime
    ) -> list[AnyBlock]:
        with self._lock, unavailable():
            opened, closed = to_microseconds(opened_at), to_microseconds(closed_at)
            phase = self._phase(contrast)
            read = Gathered(phase.entrants, "events")  # of counts, everybody's go on, whether or not anything happens
            if query.metric.kind is not MetricKind.COUNT:
                read = self._gatherer.active(phase, query.metric, opened, closed, self._state())
            out: list[AnyBlock] = []
            for function in query.functions or ("",):
                on = (function,) if function else query.metric.on
                self._runner.observe(query.metric, on, read.entrants, opened, closed, is_limit=True, events=read.events)
                block = self._runner.limit_block(query, function, contrast.phase, opened, closed)
                if block is not None:
                    out.append(block)
            return out

    def late_block(
        self,
        contrast: Contrast,
        metric: Metric,
        *,
        epoch_at: datetime,
        opened_at: datetime,
        closed_at: datetime,
        with_new: bool = False,
    ) -> AnyBlock | None:
        with self._lock, unavailable():
            epoch, opened, closed = (to_microseconds(at) for at in (epoch_at, opened_at, closed_at))
            phase = self._phase(contrast)
            reference: Reference = []
            if needs_reference(metric):
                reference = self._late.reference(phase, metric, self._state(), epoch_at=epoch, opened_at=opened)
                reference = reference or self._reference(phase, metric, opened)
            found = self._late.observe(
                phase,
                metric,
                self._state(),
                epoch_at=epoch,
                opened_at=opened,
                closed_at=closed,
                with_new=with_new,
            )
            return self._runner.block(metric, contrast.phase, opened, closed, reference) if found else None

    def arrival_block(
        self, contrast: Contrast, metric: Metric, *, opened_at: datetime, closed_at: datetime
    ) -> ArrivalBlock | None:
        with self._lock, unavailable():
            return self._arrivals.arrivals(self._phase(contrast), metric, opened_at, closed_at, self._state())

    def volume_block(
        self, contrast: Contrast, names: Sequence[str], *, opened_at: datetime, closed_at: datetime
    ) -> VolumeBlock:
        with self._lock, unavailable():
            return self._arrivals.volume(self._phase(contrast), names, opened_at, closed_at, self._state())

    def assignment(self, contrast: Contrast) -> Assignment:
        with self._lock, unavailable():
            phase = self._phase(contrast)
            standings = phase.standings()
            late, dropped = phase.count_events(self._ledger.events)
            tally = self._ledger.roster.tallies().get(contrast.flag)
            return Assignment(
                phase=contrast.phase,
                treatment=standings.get("treatment", 0),
                control=standings.get("control", 0),
                expected_share=contrast.expected_share,
                crossed=standings.get("crossed", 0),
                veterans=standings.get("veteran", 0),
                audience=standings.get("audience", 0),
                keyless=tally.keyless if tally else 0,
                treatment_dropped=dropped[TREATMENT],
                control_dropped=dropped[CONTROL],
                treatment_late=late[TREATMENT],
                control_late=late[CONTROL],
                excluded=phase.excluded_units(),
            )

    def first_treated_at(self, contrast: Contrast) -> datetime | None:
        with self._lock, unavailable():
            at = self._phase(contrast).first_treated_at
            return None if at is None else from_microseconds(at)

    def exposed_units(
        self, *, environment: str, flag: str, versions: tuple[int, int | None], variants: Sequence[str]
    ) -> int:
        with self._lock, unavailable():
            total = self._ledger.exposures
            return self._distinct.count((environment, flag, *versions, frozenset(variants)), total)

    def last_variant(self, *, environment: str, flag: str, unit: str) -> str | None:
        with self._lock, unavailable():
            row = self._connection.execute(
                """
                SELECT variant FROM exposures WHERE environment = $environment AND flag = $flag AND unit = $unit
                ORDER BY happened_at DESC, seq DESC LIMIT 1
                """,
                {"environment": environment, "flag": flag, "unit": unit},
            ).fetchone()
            return None if row is None else row[0]

    def active_units(self, *, environment: str, flag: str, versions: tuple[int, int | None]) -> int:
        with self._lock, unavailable():
            return self._distinct.count((environment, flag, *versions, None), self._ledger.exposures)

    def evaluators(self) -> list[EvaluatorStatus]:
        with self._lock:
            return statuses_of(self._ledger.roster)

    def confirmations(self, snapshot_version: int) -> list[Confirmation]:
        with self._lock:
            return [
                Confirmation(
                    evaluator=evaluator,
                    snapshot_version=confirmed.version,
                    received_at=confirmed.at,
                    connected_at=confirmed.connected_at,
                    environment=environment,
                )
                for evaluator, environment, confirmed in self._ledger.roster.confirmations(snapshot_version)
            ]

    def names(self) -> list[NameCount]:
        with self._lock:
            return [
                NameCount(name=name, count=count, newest_at=from_microseconds(at))
                for name, (count, at) in sorted(self._ledger.names.items())
            ]

    def attribute_values(self, name: str, attribute: str, *, limit: int) -> list[str]:
        with self._lock, unavailable():
            return self._values.first(name, attribute, total=self._ledger.events, limit=limit)

    def evaluation_counts(self, environment: str | None = None) -> list[EvaluationCounts]:
        with self._lock:
            return [
                EvaluationCounts(
                    flag=flag,
                    evaluations=tally.evaluations,
                    keyless=tally.keyless,
                    code_defaults=tally.code_defaults,
                    missing_attributes=tally.missing_attributes,
                )
                for flag, tally in self._ledger.roster.tallies(environment).items()
            ]

    def totals(self) -> StoreTotals:
        with self._lock, unavailable():
            return StoreTotals(
                units=self._distinct.count(None, self._ledger.exposures),
                events=self._ledger.events,
                exposures=self._ledger.exposures,
                duplicates=self._ledger.duplicates,
            )

    def history(self, metrics: Sequence[Metric], *, days: int, units: int) -> History:
        with self._lock, unavailable():
            watermark = self.watermark()
            if watermark is None:
                return History(metrics=tuple(metric.name for metric in metrics), days=days)
            until = to_microseconds(history_until(metrics, watermark))
            return history(self._connection, self._runner, metrics, until=until, days=days, units=units)

    def close(self) -> None:
        with self._lock, unavailable():
            self._connection.close()

    def _load_recent(self) -> dict[str, RecentIds]:
        """The hashes of the horizon's ids, after a start."""
        until = self._ledger.watermark
        if until is None:
            return {"exposures": RecentIds(), "events": RecentIds()}
        tables = ("exposures", "events")
        return {table: load_recent(self._connection, table, until - HORIZON, until) for table in tables}

    def _state(self) -> tuple[int, int]:
        """What the store holds: a copy of a part of it is good as long as this stays the same."""
        return self._ledger.exposures, self._ledger.events

    def _phase(self, contrast: Contrast) -> DuckDbPhase:
        phase = self._phases.pop(contrast, None)
        if phase is None:
            number = max((known.number for known in self._phases.values()), default=-1) + 1
            phase = DuckDbPhase(self._connection, contrast, number)
            rows = self._connection.execute("SELECT metric FROM watched WHERE contrast = ?", [_key(contrast)])
            for (metric,) in rows.fetchall():
                phase.watch(msgspec.json.decode(metric, type=Metric))
        self._phases[contrast] = phase
        while len(self._phases) > PHASES_KEPT:
            oldest = self._phases.pop(next(iter(self._phases)))
            oldest.drop()
            self._gatherer.forget(oldest.number)
        phase.read_exposures(self._ledger.exposures)
        return phase

    def _watch(self, phase: DuckDbPhase, metric: Metric) -> None:
        """Late events are counted for the metrics that were asked for; after a restart, too."""
        if metric not in phase.watched:
            row = [_key(phase.contrast), msgspec.json.encode(metric)]
            self._connection.execute("INSERT INTO watched VALUES (?, ?)", row)
            phase.watch(metric)

    def _reference(self, phase: DuckDbPhase, metric: Metric, until: int) -> Reference:
        """The newest control observations that closed by `until`, oldest first."""
        known = self._references.get((phase.contrast, metric), {})
        start = max((at for at in known if at <= until), default=None)
        if start == until:
            return known[until]
        if start is not None:
            self._runner.observe(metric, metric.on, phase.entrants, start, until, is_limit=False)
            reference = [*known[start], *self._runner.newest_control()][-REFERENCE_KEPT:]
        else:
            reference = self._first_reference(phase, metric, until)
        self._remember(phase.contrast, metric, until, reference)
        return reference

    def _first_reference(self, phase: DuckDbPhase, metric: Metric, until: int) -> Reference:
        """The reference from the events alone, after a start. Looks back only as far as it must."""
        length = microseconds(metric.window) + microseconds(metric.lateness)
        for units in (2 * REFERENCE_KEPT, 16 * REFERENCE_KEPT, None):
            entered = None if units is None else phase.entered_before(until - length, units)
            start = _BEFORE_ALL if entered is None else entered - 1 + length
            self._runner.observe(metric, metric.on, phase.entrants, start, until, is_limit=False)
            reference = self._runner.newest_control()
            if len(reference) == REFERENCE_KEPT or start == _BEFORE_ALL:
                break
        return reference

    def _remember(self, contrast: Contrast, metric: Metric, until: int, reference: Reference) -> None:
        """Keep it, unless it was asked ahead of the log and may still change."""
        if self._ledger.watermark is None or until > self._ledger.watermark:
            return
        known = self._references.setdefault((contrast, metric), {})
        known[until] = reference[-REFERENCE_KEPT:]
        while len(known) > _REFERENCES_KEPT:
            del known[min(known)]


def _key(contrast: Contrast) -> bytes:
    return msgspec.json.encode(contrast)
