"""From log records to columns: one arrow table a kind, one INSERT each. Runs inside the store's transaction."""

from collections.abc import Sequence
from datetime import datetime
from itertools import compress

import duckdb
import msgspec
import pyarrow as pa

from ebbgate.adapters.events.duckdb_store_ids import RecentIds
from ebbgate.adapters.events.duckdb_store_schema import Ledger, to_microseconds
from ebbgate.adapters.events.queries import microseconds
from ebbgate.core.events import EvaluatorReport, Exposure, Record, TrackedEvent
from ebbgate.core.events.accept import DEDUP_HORIZON
from ebbgate.core.metrics.values import attribute_text, kept_value

HORIZON = microseconds(DEDUP_HORIZON)
_encode = msgspec.json.Encoder(order="deterministic").encode

_RECENT = """
SELECT id, max(known_at) FROM (
  SELECT id, known_at FROM exposures WHERE known_at > $since
  UNION ALL SELECT id, known_at FROM events WHERE known_at > $since
) SEMI JOIN suspects USING (id) GROUP BY id
"""


class Batch:
    """The rows of a run of records, as columns in the order of the log."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.known: list[int] = []
        self.exposures: list[Exposure] = []
        self.exposure_places: list[int] = []  # in `ids`
        self.exposure_times: list[tuple[int, int, int, int]] = []  # log_offset, at, occurred_at, known_at
        self.events: list[TrackedEvent] = []
        self.event_places: list[int] = []
        self.event_times: list[tuple[int, int, int, int]] = []

    def take(self, ledger: Ledger, offset: int, record: Record) -> None:
        """Add a record's entries; reports are folded into the ledger at once."""
        received_at = to_microseconds(record.received_at)
        # What comes later is never taken as known earlier, even if two appends overtook each other: so a block is the
        # same whenever it is asked for.
        known_at = received_at if ledger.watermark is None else max(ledger.watermark, received_at)
        ledger.offset, ledger.watermark = offset, known_at
        stamps: tuple[datetime | None, datetime] | None = None
        shift = limit = 0
        ids, place = self.ids, len(self.ids)
        for entry in record.entries:
            if isinstance(entry, (Exposure, TrackedEvent)):
                if stamps != (entry.received_at, entry.sent_at):  # a batch nearly always has one pair
                    stamps = (entry.received_at, entry.sent_at)
                    limit = received_at if entry.received_at is None else to_microseconds(entry.received_at)
                    shift = limit - to_microseconds(entry.sent_at)
                occurred_at = round(entry.occurred_at.timestamp() * 1e6)  # exact to the microsecond until 2106
                times = (offset, min(occurred_at + shift, limit), occurred_at, known_at)
                if isinstance(entry, TrackedEvent):
                    self.events.append(entry)
                    self.event_places.append(place)
                    self.event_times.append(times)
                else:
                    self.exposures.append(entry)
                    self.exposure_places.append(place)
                    self.exposure_times.append(times)
                ids.append(entry.id)
                place += 1
            elif isinstance(entry, EvaluatorReport):
                ledger.roster.take(entry, record.machine_at)
        self.known.extend([known_at] * (place - len(self.known)))

    def without_repeated(self, connection: duckdb.DuckDBPyConnection, recent: RecentIds, ledger: Ledger) -> None:
        """Drop entries whose id came within the horizon, and count them."""
        suspects = recent.suspects(self.ids) if self.ids else []
        if not suspects:
            return
        table = pa.table({"id": pa.array(sorted({self.ids[place] for place in suspects}), pa.string())})
        connection.register("suspects", table)
        try:
            rows = connection.execute(_RECENT, {"since": self.known[suspects[0]] - HORIZON}).fetchall()
        finally:
            connection.unregister("suspects")
        last: dict[str, int] = dict(rows)
        keep = [True] * len(self.ids)
        for place in suspects:
            before = last.get(self.ids[place])
            if before is not None and before > self.known[place] - HORIZON:
                keep[place] = False
                ledger.duplicates += 1
            else:
                last[self.ids[place]] = self.known[place]
        is_kept = [keep[place] for place in self.exposure_places]
        self.exposures = list(compress(self.exposures, is_kept))
        self.exposure_times = list(compress(self.exposure_times, is_kept))
        is_kept = [keep[place] for place in self.event_places]
        self.events = list(compress(self.events, is_kept))
        self.event_times = list(compress(self.event_times, is_kept))
        self.ids = list(compress(self.ids, keep))
        self.known = list(compress(self.known, keep))

    def write(self, connection: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
        """Insert the rows, and bring the ledger up to them."""
        if self.exposures:
            _insert(connection, "exposures", self._exposure_table(ledger.exposures))
            ledger.exposures += len(self.exposures)
        if self.events:
            table = self._event_table(ledger.events)
            _insert(connection, "events", table)
            ledger.events += len(self.events)
            _count_names(ledger, table)
        connection.execute("UPDATE ledger SET body = ?", [msgspec.msgpack.encode(ledger)])

    def _exposure_table(self, seq: int) -> pa.Table:
        rows = self.exposures
        return pa.table(
            {
                **_times(seq, self.exposure_times),
                "unit": pa.array([row.unit for row in rows], pa.string()),
                "environment": pa.array([row.environment for row in rows], pa.string()),
                "flag": pa.array([row.flag for row in rows], pa.string()),
                "variant": pa.array([row.variant for row in rows], pa.string()),
                "version": pa.array([row.snapshot_version for row in rows], pa.int64()),
                "id": pa.array([row.id for row in rows], pa.string()),
            }
        )

    def _event_table(self, seq: int) -> pa.Table:
        rows = self.events
        values = [kept_value(row) for row in rows]
        return pa.table(
            {
                **_times(seq, self.event_times),
                "unit": pa.array([row.unit for row in rows], pa.string()),
                "name": pa.array([row.name for row in rows], pa.string()),
                "id": pa.array([row.id for row in rows], pa.string()),
                "value": pa.array([value for value, _ in values], pa.float64()),
                "is_invalid": pa.array([is_invalid for _, is_invalid in values], pa.bool_()),
                "trial_id": pa.array([row.of for row in rows], pa.string()),
                "attributes": pa.array([_attributes(row) if row.attributes else None for row in rows], pa.string()),
            }
        )


def _times(seq: int, times: Sequence[tuple[int, int, int, int]]) -> dict[str, pa.Array]:
    offsets, at, occurred_at, known_at = zip(*times, strict=True)
    return {
        "seq": pa.array(range(seq, seq + len(times)), pa.int64()),
        "log_offset": pa.array(offsets, pa.int64()),
        "happened_at": pa.array(at, pa.int64()),
        "occurred_at": pa.array(occurred_at, pa.int64()),
        "known_at": pa.array(known_at, pa.int64()),
    }


def _attributes(event: TrackedEvent) -> str:
    return _encode({key: attribute_text(value) for key, value in event.attributes.items()}).decode()


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    connection.register("arriving", rows)
    try:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM arriving")  # table: one of ours
    finally:
        connection.unregister("arriving")


def _count_names(ledger: Ledger, events: pa.Table) -> None:
    counted = events.group_by("name").aggregate([("happened_at", "count"), ("happened_at", "max")])
    for row in counted.to_pylist():
        count, newest_at = ledger.names.get(row["name"], (0, row["happened_at_max"]))
        ledger.names[row["name"]] = (count + row["happened_at_count"], max(newest_at, row["happened_at_max"]))
