"""Who has entered a contrast, kept up to date from new exposures alone.

They are derived: tables beside the rows, with the place up to which exposures were read in the same transaction, so
that a restart goes on where it was, and that any of them can be dropped and made again. A look touches all units of a
contrast twice, by 64-bit hashes of their keys: to find those of the new exposures, and those of the new events;
everything else costs what is new.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import msgspec
import pyarrow as pa

from ebbgate.adapters.events.duckdb_store_schema import to_microseconds
from ebbgate.adapters.events.duckdb_store_standing import ARM, FRESH, STANDING
from ebbgate.adapters.events.queries import APART, CONTROL, TREATMENT, microseconds
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.metrics.blocks import AFTERWARDS
from ebbgate.core.metrics.contrast import Contrast
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.rollouts.kept_out import excluded_of

CHUNK = 500_000
"""Exposures taken in one transaction: what a first look at a long history holds in memory at once."""

TABLES_VERSION = 1
"""Of a phase's tables. Those of another version are dropped, and made again from the exposures."""


class PhaseLedger(msgspec.Struct, kw_only=True):
    """What is known of a contrast beside its units. exposures_read, events_read: rows taken so far. standings: units
    by what they are. late, dropped: events by arm (RULES D4, D5). hashed: a known key's hash by the engine that hashed
    the units. tables: version of the tables; 0 in files that are older than the number. Times in microseconds.
    """

    exposures_read: int = 0
    first_treated_at: int | None = None
    standings: dict[str, int] = {}
    events_read: int = 0
    late: dict[int, int] = {}
    dropped: dict[int, int] = {}
    hashed: int = 0
    tables: int = 0


class DuckDbPhase:
    """The entrants of one contrast, in the tables `entrants_<number>`, `audience_<number>`, `excluded_<number>` and
    `returning_<number>`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, contrast: Contrast, number: int, ledger: PhaseLedger | None = None
    ) -> None:
        """ledger: as it was stored; None makes the tables."""
        self.contrast = contrast
        self.number = number
        self.entrants = f"entrants_{number}"
        self.watched: set[Metric] = set()
        self._audience = f"audience_{number}"
        self._excluded = f"excluded_{number}"
        self._returning = f"returning_{number}"
        self._connection = connection
        self._ledger = ledger or PhaseLedger(hashed=hashed_key(connection), tables=TABLES_VERSION)
        if ledger is None:
            with self._transaction():
                connection.execute(
                    f"""
                    CREATE TABLE {self.entrants} (
                      unit VARCHAR, unit_hash UBIGINT, bucket BIGINT, arm TINYINT, is_treated BOOLEAN,
                      happened_at BIGINT, occurred_at BIGINT, known_at BIGINT, log_offset BIGINT,
                      treated_at BIGINT, control_at BIGINT, audience_at BIGINT, excluded_at BIGINT);
                    CREATE TABLE {self._audience} (unit VARCHAR, known_at BIGINT);
                    CREATE TABLE {self._excluded} (unit VARCHAR, known_at BIGINT);
                    CREATE TABLE {self._returning} (unit VARCHAR, seq BIGINT);
                    """
                )
                row = [number, msgspec.json.encode(contrast), msgspec.msgpack.encode(self._ledger)]
                connection.execute("INSERT INTO phases VALUES (?, ?, ?)", row)

    @property
    def first_treated_at(self) -> int | None:
        return self._ledger.first_treated_at

    def drop(self) -> None:
        """Forget it; asked for again, it is made from the exposures."""
        with self._transaction():
            for table in (self.entrants, self._audience, self._excluded, self._returning):
                self._connection.execute(f"DROP TABLE IF EXISTS {table}")
            self._connection.execute("DELETE FROM phases WHERE number = ?", [self.number])

    def read_exposures(self, total: int) -> None:
        """Take the exposures that came since the last call. total: exposures in the store."""
        while self._ledger.exposures_read < total:
            until = min(self._ledger.exposures_read + CHUNK, total)
            with self._transaction():
                after = msgspec.structs.replace(self._ledger, standings=dict(self._ledger.standings))
                self._take(after, until)
                after.exposures_read = until
                self._store(after)
            self._ledger = after

    def standings(self) -> dict[str, int]:
        """Units by what they are now."""
        return self._ledger.standings

    def excluded_units(self) -> int:
        """Units that were seen as excluded."""
        row = self._connection.execute(f"SELECT count(*) FROM {self._excluded}").fetchone()
        return int(row[0]) if row else 0

    def entered_before(self, until: int, units: int) -> int | None:
        """When the first of the newest `units` control units that had entered by then did; None if there are fewer."""
        row = self._connection.execute(
            f"""
            SELECT min(happened_at), count(*) FROM (SELECT happened_at FROM {self.entrants}
              WHERE happened_at <= ? AND arm = {CONTROL} ORDER BY happened_at DESC LIMIT {units})
            """,
            [until],
        ).fetchone()
        return row[0] if row and row[1] == units else None

    def watch(self, metric: Metric) -> None:
        """Count this metric's late events from now on, those that came before included."""
        self.watched.add(metric)
        self._ledger = msgspec.structs.replace(self._ledger, events_read=0, late={}, dropped={})

    def count_events(self, total: int) -> tuple[dict[int, int], dict[int, int]]:
        """(late, dropped) by arm (RULES D4, D5). total: events in the store."""
        if total > self._ledger.events_read:
            late, dropped = self._count_new(total)
            after = msgspec.structs.replace(
                self._ledger,
                events_read=total,
                late=_added(self._ledger.late, late),
                dropped=_added(self._ledger.dropped, dropped),
            )
            self._store(after)
            self._ledger = after
        return _added({TREATMENT: 0, CONTROL: 0}, self._ledger.late), _added(
            {TREATMENT: 0, CONTROL: 0}, self._ledger.dropped
        )

    def _count_new(self, total: int) -> tuple[dict[int, int], dict[int, int]]:
        """An event that is late took longer to come than the shortest lateness; few do, and only they are looked up."""
        shortest = min((microseconds(metric.lateness) for metric in self.watched), default=2**62)
        arguments: dict[str, object] = {"seq": self._ledger.events_read, "total": total, "shortest": shortest}
        found = self._connection.execute(
            """
            CREATE OR REPLACE TEMP TABLE doubtful AS
            SELECT hash(unit) AS unit_hash, name, happened_at, occurred_at, known_at, log_offset,
              is_invalid FROM events
            WHERE seq >= $seq AND seq < $total AND (is_invalid OR known_at - happened_at > $shortest)
            """,
            arguments,
        ).fetchone()
        if not found or not found[0]:
            return {}, {}
        arguments = {}
        late = " OR ".join(_late(metric, i, arguments) for i, metric in enumerate(_ordered(self.watched))) or "false"
        rows = self._connection.execute(
            f"""
            SELECT arm, count(*) FILTER ({late}), count(*) FILTER (v.is_invalid)
            FROM doubtful v JOIN {self.entrants} e USING (unit_hash)
            WHERE v.log_offset >= e.log_offset AND arm IN ({TREATMENT}, {CONTROL})
              AND coalesce(e.excluded_at > v.known_at, true)
              AND (v.happened_at >= e.happened_at
                OR (v.occurred_at >= e.occurred_at AND v.known_at >= e.happened_at))
            GROUP BY arm
            """,
            arguments,
        ).fetchall()
        return {arm: late_n for arm, late_n, _ in rows}, {arm: dropped_n for arm, _, dropped_n in rows}

    def _take(self, ledger: PhaseLedger, until: int) -> None:
        """One run of exposures, into the tables and the ledger."""
        connection, contrast, seq = self._connection, self.contrast, self._ledger.exposures_read
        old_excluded, new_excluded = excluded_of(contrast)
        arguments = {
            "treatment": contrast.treatment_variant,
            "control": contrast.control_variant,
            "holdout": f"{contrast.control_variant}_holdout",
            "audience": contrast.audience_variant,
            "old_excluded": old_excluded,
            "new_excluded": new_excluded,
            "environment": contrast.environment,
            "flag": contrast.flag,
            "version_from": contrast.version_from,
            "version_to": 2**62 if contrast.version_to is None else contrast.version_to,
            "is_recovery": contrast.phase in AFTERWARDS,
            "since": 0 if contrast.since is None else to_microseconds(contrast.since),
            "seq": seq,
            "until": until,
        }
        connection.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS {FRESH}", arguments)
        if contrast.returning_from is not None:
            self._note_returning(contrast.returning_from, until)
        self._join_fresh(ledger)
        self._enter_fresh(ledger)
        row = connection.execute("SELECT min(first_treated_at) FROM fresh").fetchone()
        if row and row[0] is not None:
            known = ledger.first_treated_at
            ledger.first_treated_at = row[0] if known is None else min(known, row[0])

    def _note_returning(self, version_from: int, until: int) -> None:
        """Units that came by before the contrast began, each with its first such exposure."""
        self._connection.execute(
            f"""
            INSERT INTO {self._returning} SELECT unit, min(seq) FROM exposures ANTI JOIN {self._returning} USING (unit)
            WHERE seq >= $seq AND seq < $until AND environment = $environment AND flag = $flag
              AND version >= $returning_from AND version < $version_from GROUP BY unit
            """,
            {
                "seq": self._ledger.exposures_read,
                "until": until,
                "environment": self.contrast.environment,
                "flag": self.contrast.flag,
                "returning_from": version_from,
                "version_from": self.contrast.version_from,
            },
        )

    def _join_fresh(self, ledger: PhaseLedger) -> None:
        """Units that were here already may have seen the other value, or turned out to be exposed by attribute, or
        excluded."""
        connection = self._connection
        connection.execute(
            f"""
            INSERT INTO {self._audience} SELECT unit, audience_at FROM fresh ANTI JOIN {self._audience} USING (unit)
            WHERE audience_at IS NOT NULL;
            INSERT INTO {self._excluded} SELECT unit, excluded_at FROM fresh ANTI JOIN {self._excluded} USING (unit)
            WHERE excluded_at IS NOT NULL;
            CREATE OR REPLACE TEMP TABLE met AS
            SELECT e.rowid AS place, f.unit, e.arm, e.treated_at AS old_treated_at, e.control_at AS old_control_at,
              e.audience_at AS old_audience_at, e.excluded_at AS old_excluded_at,
              coalesce(e.treated_at, f.treated_at) AS treated_at, coalesce(e.control_at, f.control_at) AS control_at,
              coalesce(e.audience_at, f.audience_at) AS audience_at,
              coalesce(e.excluded_at, f.excluded_at) AS excluded_at
            FROM {self.entrants} e JOIN fresh f USING (unit_hash);
            CREATE OR REPLACE TEMP TABLE changed AS SELECT * FROM met
            WHERE (old_treated_at IS NULL AND treated_at IS NOT NULL)
              OR (old_control_at IS NULL AND control_at IS NOT NULL)
              OR (old_audience_at IS NULL AND audience_at IS NOT NULL)
              OR (old_excluded_at IS NULL AND excluded_at IS NOT NULL);
            """
        )
        before = (
            "SELECT arm, old_treated_at AS treated_at, old_control_at AS control_at, old_audience_at AS audience_at,"
            " old_excluded_at AS excluded_at"
        )
        lost = connection.execute(f"SELECT {STANDING} AS standing, count(*) FROM ({before} FROM changed) GROUP BY ALL")
        if not (rows := lost.fetchall()):
            return
        gained = connection.execute(f"SELECT {STANDING} AS standing, count(*) FROM changed GROUP BY ALL").fetchall()
        for standing, units in rows:
            ledger.standings[standing] = ledger.standings.get(standing, 0) - units
        for standing, units in gained:
            ledger.standings[standing] = ledger.standings.get(standing, 0) + units
        connection.execute(
            f"""
            UPDATE {self.entrants} AS e SET treated_at = c.treated_at, control_at = c.control_at,
              audience_at = c.audience_at, excluded_at = c.excluded_at FROM changed c WHERE e.rowid = c.place
            """
        )

    def _enter_fresh(self, ledger: PhaseLedger) -> None:
        connection, contrast = self._connection, self.contrast
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE entering AS
            SELECT f.*, a.known_at AS noted_at, x.known_at AS kept_out_at FROM fresh f ANTI JOIN met USING (unit)
            LEFT JOIN {self._audience} a USING (unit) LEFT JOIN {self._excluded} x USING (unit)
            WHERE f.first_seq IS NOT NULL
            """
        )
        units = [unit for (unit,) in connection.execute("SELECT unit FROM entering").fetchall()]
        if not units:
            return
        salt, bucketing = contrast.salt, contrast.bucketing
        buckets = pa.table(
            {
                "unit": pa.array(units, pa.string()),
                "bucket": pa.array([unit_bucket(salt, unit, bucketing=bucketing) for unit in units], pa.int64()),
            }
        )
        connection.register("buckets", buckets)
        try:
            connection.execute(
                f"""
                CREATE OR REPLACE TEMP TABLE entered AS
                SELECT n.unit, n.unit_hash, bucket,
                  CASE WHEN $only_returning AND r.unit IS NULL THEN {APART} ELSE {ARM} END AS arm,
                  CASE WHEN $is_recovery
                    THEN variant = $treatment AND bucket >= $treatment_start AND bucket < $treatment_end
                    ELSE variant NOT IN ($control, $holdout) END AS is_treated, x.happened_at, x.occurred_at,
                  x.known_at, x.log_offset, n.treated_at, n.control_at, n.noted_at AS audience_at,
                  n.kept_out_at AS excluded_at
                FROM entering n JOIN buckets USING (unit) JOIN exposures x ON x.seq = n.first_seq
                LEFT JOIN {self._returning} r ON r.unit = n.unit AND r.seq < n.first_seq
                WHERE x.seq >= $seq ORDER BY x.happened_at
                """,
                {
                    "is_external": contrast.is_external,
                    "only_returning": contrast.returning_from is not None,
                    # After a rollback everybody sees the control: who was treated before is told by bucket, and by
                    # `audience_at`; the holdout never was.
                    "is_recovery": contrast.phase in AFTERWARDS,
                    "treatment": contrast.treatment_variant,
                    "control": contrast.control_variant,
                    "holdout": f"{contrast.control_variant}_holdout",
                    "audience": contrast.audience_variant,
                    "treatment_start": contrast.treatment.start,
                    "treatment_end": contrast.treatment.end,
                    "control_start": contrast.control.start,
                    "control_end": contrast.control.end,
                    "seq": self._ledger.exposures_read,
                },
            )
        finally:
            connection.unregister("buckets")
        connection.execute(f"INSERT INTO {self.entrants} BY NAME SELECT * FROM entered ORDER BY happened_at")
        rows = connection.execute(f"SELECT {STANDING} AS standing, count(*) FROM entered GROUP BY ALL").fetchall()
        for standing, found in rows:
            ledger.standings[standing] = ledger.standings.get(standing, 0) + found

    def _store(self, ledger: PhaseLedger) -> None:
        body = msgspec.msgpack.encode(ledger)
        self._connection.execute("UPDATE phases SET body = ? WHERE number = ?", [body, self.number])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise


def hashed_key(connection: duckdb.DuckDBPyConnection) -> int:
    """The hash of a key that never changes: another engine may hash otherwise, and would not find its units again."""
    row = connection.execute("SELECT hash('ebbgate')").fetchone()
    assert row is not None
    return int(row[0])


def load_phases(connection: duckdb.DuckDBPyConnection) -> dict[Contrast, DuckDbPhase]:
    """The contrasts that were stored, oldest first, each with the metrics whose late events it counts. Those of an
    engine that hashed otherwise, or with other tables, are dropped, and made again when they are asked for."""
    phases: dict[Contrast, DuckDbPhase] = {}
    hashed = hashed_key(connection)
    rows = connection.execute("SELECT number, contrast, body FROM phases ORDER BY number").fetchall()
    for number, contrast, body in rows:
        ledger = msgspec.msgpack.decode(body, type=PhaseLedger)
        phase = DuckDbPhase(connection, msgspec.json.decode(contrast, type=Contrast), number, ledger)
        if ledger.hashed != hashed or ledger.tables != TABLES_VERSION:
            phase.drop()
            continue
        watched = connection.execute("SELECT metric FROM watched WHERE contrast = ?", [contrast]).fetchall()
        phase.watched = {msgspec.json.decode(metric, type=Metric) for (metric,) in watched}
        phases[phase.contrast] = phase
    return phases


def _added(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in one.keys() | other.keys()}


def _ordered(metrics: set[Metric]) -> Sequence[Metric]:
    return sorted(metrics, key=lambda metric: metric.name)


def _late(metric: Metric, number: int, arguments: dict[str, object]) -> str:
    """Whether the event is one of the metric's, in the unit's window, and came too late to count."""
    window, lateness = microseconds(metric.window), microseconds(metric.lateness)
    arguments[f"event_{number}"] = metric.event
    arguments[f"trial_{number}"] = metric.trial
    return (
        f"(coalesce(v.name = $event_{number}, false) OR coalesce(v.name = $trial_{number}, false))"
        f" AND greatest(v.happened_at, e.happened_at) < e.happened_at + {window}"
        f" AND v.known_at >= e.happened_at + {window + lateness}"
    )
