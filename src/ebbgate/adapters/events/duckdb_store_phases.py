"""Who has entered a contrast, kept up to date from new exposures alone, in temporary tables of the process.

They are derived, and rebuilt from the exposures after a restart: nothing that could part from the rows is stored.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from ebbgate.adapters.events.queries import APART, AUDIENCE, CONTROL, HOLDOUT, TREATMENT, VETERAN, microseconds
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.metrics.blocks import AFTERWARDS
from ebbgate.core.metrics.contrast import Contrast
from ebbgate.core.metrics.definition import Metric

# Arms as `ebbgate.testing.memory_phase` gives them; the contract suite holds the two together. A split audience draws
# members whose bucket says control: they are audience.
_ARM = f"""
CASE
  WHEN variant = $holdout THEN {HOLDOUT}
  WHEN variant = $treatment AND bucket >= $treatment_start AND bucket < $treatment_end THEN {TREATMENT}
  WHEN variant = $control AND bucket >= $control_start AND bucket < $control_end THEN {CONTROL}
  WHEN variant = $control THEN {APART}
  WHEN variant = $audience THEN {AUDIENCE}
  WHEN variant = $treatment AND bucket >= $control_start AND bucket < $control_end THEN {AUDIENCE}
  WHEN variant = $treatment THEN {VETERAN}
  ELSE {APART}
END
"""

_FRESH = """
SELECT unit, min(seq) FILTER (is_inside AND (is_control OR is_treated)) AS first_seq,
  min(known_at) FILTER (is_inside AND is_treated) AS treated_at,
  min(known_at) FILTER (is_inside AND is_control) AS control_at,
  min(known_at) FILTER (variant = $audience AND (is_inside OR $is_recovery)) AS audience_at,
  min(happened_at) FILTER (is_inside AND variant IN ($treatment, $audience)) AS first_treated_at
FROM (
  SELECT unit, seq, known_at, happened_at, variant,
    version >= $version_from AND version < $version_to AS is_inside,
    variant IN ($control, $holdout) AS is_control,
    variant NOT IN ($control, $holdout) AND variant IN ($treatment, $audience) AS is_treated
  FROM exposures
  WHERE seq >= $seq AND environment = $environment AND flag = $flag
    AND ($is_recovery OR (version >= $version_from AND version < $version_to))
) GROUP BY unit
"""


class DuckDbPhase:
    """The entrants of one contrast, in the temporary tables `entrants_<number>` and `audience_<number>`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, contrast: Contrast, number: int) -> None:
        self.contrast = contrast
        self.entrants = f"entrants_{number}"
        self.first_treated_at: int | None = None
        self.watched: set[Metric] = set()
        self._audience = f"audience_{number}"
        self._returning = f"returning_{number}"
        self._connection = connection
        self._exposures_read = self._events_read = 0
        self._late = {TREATMENT: 0, CONTROL: 0}
        self._dropped = {TREATMENT: 0, CONTROL: 0}
        connection.execute(
            f"""
            CREATE TEMP TABLE {self.entrants} (
              unit VARCHAR, bucket BIGINT, arm TINYINT, is_treated BOOLEAN, happened_at BIGINT, occurred_at BIGINT,
              known_at BIGINT, log_offset BIGINT, treated_at BIGINT, control_at BIGINT, audience_at BIGINT);
            CREATE TEMP TABLE {self._audience} (unit VARCHAR, known_at BIGINT);
            CREATE TEMP TABLE {self._returning} (unit VARCHAR, seq BIGINT);
            """
        )

    def read_exposures(self, total: int) -> None:
        """Take the exposures that came since the last call. total: exposures in the store."""
        if total == self._exposures_read:
            return
        connection, contrast = self._connection, self.contrast
        arguments = {
            "treatment": contrast.treatment_variant,
            "control": contrast.control_variant,
            "holdout": f"{contrast.control_variant}_holdout",
            "audience": contrast.audience_variant,
            "environment": contrast.environment,
            "flag": contrast.flag,
            "version_from": contrast.version_from,
            "version_to": 2**62 if contrast.version_to is None else contrast.version_to,
            "is_recovery": contrast.phase in AFTERWARDS,
            "seq": self._exposures_read,
        }
        connection.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS {_FRESH}", arguments)
        if contrast.returning_from is not None:
            self._note_returning(contrast.returning_from)
        self._join_fresh()
        self._enter_fresh()
        row = connection.execute("SELECT min(first_treated_at) FROM fresh").fetchone()
        if row and row[0] is not None:
            self.first_treated_at = row[0] if self.first_treated_at is None else min(self.first_treated_at, row[0])
        self._exposures_read = total

    def standings(self) -> dict[str, int]:
        """Units by what they are now."""
        rows = self._connection.execute(
            f"""
            SELECT CASE WHEN treated_at IS NOT NULL AND control_at IS NOT NULL THEN 'crossed'
              WHEN audience_at IS NOT NULL OR arm = {AUDIENCE} THEN 'audience'
              WHEN arm = {TREATMENT} THEN 'treatment' WHEN arm = {CONTROL} THEN 'control'
              WHEN arm = {VETERAN} THEN 'veteran' ELSE 'apart' END AS standing, count(*)
            FROM {self.entrants} GROUP BY standing
            """
        ).fetchall()
        return dict(rows)

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
        self._events_read = 0
        self._late = {TREATMENT: 0, CONTROL: 0}
        self._dropped = {TREATMENT: 0, CONTROL: 0}

    def count_events(self, total: int) -> tuple[dict[int, int], dict[int, int]]:
        """(late, dropped) by arm (RULES D4, D5). total: events in the store."""
        if total > self._events_read:
            arguments: dict[str, object] = {"seq": self._events_read}
            late = (
                " OR ".join(_late(metric, i, arguments) for i, metric in enumerate(_ordered(self.watched))) or "false"
            )
            rows = self._connection.execute(
                f"""
                SELECT arm, count(*) FILTER ({late}), count(*) FILTER (v.is_invalid)
                FROM events v JOIN {self.entrants} e USING (unit)
                WHERE v.seq >= $seq AND v.log_offset >= e.log_offset AND arm IN ({TREATMENT}, {CONTROL})
                  AND (v.happened_at >= e.happened_at
                    OR (v.occurred_at >= e.occurred_at AND v.known_at >= e.happened_at))
                GROUP BY arm
                """,
                arguments,
            ).fetchall()
            for arm, late_n, dropped_n in rows:
                self._late[arm] += late_n
                self._dropped[arm] += dropped_n
            self._events_read = total
        return self._late, self._dropped

    def _note_returning(self, version_from: int) -> None:
        """Units that came by before the contrast began, each with its first such exposure."""
        self._connection.execute(
            f"""
            INSERT INTO {self._returning} SELECT unit, min(seq) FROM exposures ANTI JOIN {self._returning} USING (unit)
            WHERE seq >= $seq AND environment = $environment AND flag = $flag
              AND version >= $returning_from AND version < $version_from GROUP BY unit
            """,
            {
                "seq": self._exposures_read,
                "environment": self.contrast.environment,
                "flag": self.contrast.flag,
                "returning_from": version_from,
                "version_from": self.contrast.version_from,
            },
        )

    def _join_fresh(self) -> None:
        """Units that were here already may have seen the other value, or turned out to be exposed by attribute."""
        self._connection.execute(
            f"""
            INSERT INTO {self._audience} SELECT unit, audience_at FROM fresh ANTI JOIN {self._audience} USING (unit)
            WHERE audience_at IS NOT NULL;
            UPDATE {self.entrants} AS e SET treated_at = coalesce(e.treated_at, f.treated_at),
              control_at = coalesce(e.control_at, f.control_at), audience_at = coalesce(e.audience_at, f.audience_at)
            FROM fresh f WHERE e.unit = f.unit AND ((e.treated_at IS NULL AND f.treated_at IS NOT NULL)
              OR (e.control_at IS NULL AND f.control_at IS NOT NULL)
              OR (e.audience_at IS NULL AND f.audience_at IS NOT NULL));
            """
        )

    def _enter_fresh(self) -> None:
        connection, contrast = self._connection, self.contrast
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE entering AS
            SELECT f.*, a.known_at AS noted_at FROM fresh f ANTI JOIN {self.entrants} e USING (unit)
            LEFT JOIN {self._audience} a USING (unit) WHERE f.first_seq IS NOT NULL
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
                INSERT INTO {self.entrants}
                SELECT n.unit, bucket, CASE WHEN $only_returning AND r.unit IS NULL THEN {APART} ELSE {_ARM} END,
                  CASE WHEN $is_recovery
                    THEN variant = $treatment AND bucket >= $treatment_start AND bucket < $treatment_end
                    ELSE variant NOT IN ($control, $holdout) END, x.happened_at, x.occurred_at,
                  x.known_at, x.log_offset, n.treated_at, n.control_at, n.noted_at
                FROM entering n JOIN buckets USING (unit) JOIN exposures x ON x.seq = n.first_seq
                LEFT JOIN {self._returning} r ON r.unit = n.unit AND r.seq < n.first_seq
                WHERE x.seq >= $seq ORDER BY x.happened_at
                """,
                {
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
                    "seq": self._exposures_read,
                },
            )
        finally:
            connection.unregister("buckets")


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
