"""From log records to columns: one arrow table a kind, one INSERT each. Runs inside the store's transaction.

What is the same for a whole record is written once and repeated by numpy; what differs is read off the entries by list
comprehensions: a decision for each entry would cost more than all the rest.
"""

from collections.abc import Sequence
from itertools import compress
from math import nan

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ebbgate.adapters.events.duckdb_store_ids import Hashes, RecentIds, hashes_of
from ebbgate.adapters.events.duckdb_store_schema import Ledger, to_microseconds
from ebbgate.adapters.events.queries import microseconds
from ebbgate.core.events import EvaluatorReport, Exposure, Record, TrackedEvent
from ebbgate.core.events.accept import DEDUP_HORIZON
from ebbgate.core.metrics.values import attribute_text, kept_value

HORIZON = microseconds(DEDUP_HORIZON)
ATTRIBUTES_CACHED = 20_000  # distinct sets of attributes whose JSON is remembered

Times = NDArray[np.int64]

_encode = msgspec.json.Encoder(order="deterministic").encode
_json_of: dict[tuple[tuple[str, str | float | bool], ...], str] = {}


class Arrivals:
    """Entries of one kind, in the order of the log, with what their records say of them."""

    def __init__(
        self, entries: Sequence[Exposure | TrackedEvent], records: Sequence[tuple[int, int, int, int]]
    ) -> None:
        """records: (entries of this kind, log offset, received_at, known_at) of each record."""
        counts, offsets, received_at, known_at = zip(*records, strict=True)
        self.ids = [entry.id for entry in entries]
        self.hashes: Hashes = np.zeros(0, np.int64)  # of the ids, once `hash_ids` was called
        self._entries = entries
        self._offsets: Times = np.repeat(np.array(offsets, np.int64), counts)
        self._received_at: Times = np.repeat(np.array(received_at, np.int64), counts)
        self.known_at: Times = np.repeat(np.array(known_at, np.int64), counts)

    def hash_ids(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self.ids:
            self.hashes = hashes_of(connection, self.ids)

    def keep(self, is_kept: Sequence[bool]) -> None:
        """Drop the others."""
        mask = np.array(is_kept, np.bool_)
        self._entries = list(compress(self._entries, is_kept))
        self.ids = list(compress(self.ids, is_kept))
        self._offsets, self._received_at = self._offsets[mask], self._received_at[mask]
        self.known_at, self.hashes = self.known_at[mask], self.hashes[mask]

    def times(self, seq: int) -> dict[str, pa.Array]:
        """The columns that both kinds have. seq: of the first row. RULES C3: corrected, and at most the receipt."""
        rows = self._entries
        stamps = [nan if row.received_at is None else row.received_at.timestamp() for row in rows]
        own: Times = _rounded(np.nan_to_num(np.array(stamps)))
        received_at = np.where(np.isnan(stamps), self._received_at, own)
        sent_at = _rounded(np.array([row.sent_at.timestamp() for row in rows]))
        occurred_at = _rounded(np.array([row.occurred_at.timestamp() for row in rows]))
        return {
            "seq": pa.array(np.arange(seq, seq + len(rows), dtype=np.int64)),
            "log_offset": pa.array(self._offsets),
            "happened_at": pa.array(np.minimum(occurred_at + (received_at - sent_at), received_at)),
            "occurred_at": pa.array(occurred_at),
            "known_at": pa.array(self.known_at),
            "id": pa.array(self.ids, pa.string()),
        }

    def __len__(self) -> int:
        return len(self._entries)


class Batch:
    """The rows of a run of records."""

    def __init__(self, ledger: Ledger, records: Sequence[tuple[int, Record]]) -> None:
        """Takes the records into the ledger: the offset, the watermark, and what evaluators report."""
        self._exposures: list[Exposure] = []
        self._events: list[TrackedEvent] = []
        exposure_records: list[tuple[int, int, int, int]] = []
        event_records: list[tuple[int, int, int, int]] = []
        for offset, record in records:
            before = len(self._exposures), len(self._events)
            self._sort(ledger, record)
            received_at = to_microseconds(record.received_at)
            # What comes later is never taken as known earlier, even if two appends overtook each other: so a block is
            # the same whenever it is asked for.
            known_at = received_at if ledger.watermark is None else max(ledger.watermark, received_at)
            ledger.offset, ledger.watermark = offset, known_at
            exposure_records.append((len(self._exposures) - before[0], offset, received_at, known_at))
            event_records.append((len(self._events) - before[1], offset, received_at, known_at))
        self.arrived = {
            "exposures": Arrivals(self._exposures, exposure_records),
            "events": Arrivals(self._events, event_records),
        }

    def write(self, connection: duckdb.DuckDBPyConnection, recent: dict[str, RecentIds], ledger: Ledger) -> None:
        """Insert the rows whose id did not come within the horizon (RULES C4), and the ledger with them."""
        exposures, events = self.arrived["exposures"], self.arrived["events"]
        for table, arrivals in self.arrived.items():
            arrivals.hash_ids(connection)
            is_kept = _first_times(connection, table, arrivals, recent[table])
            if is_kept is not None:
                ledger.duplicates += is_kept.count(False)
                arrivals.keep(is_kept)
                if arrivals is events:
                    self._events = list(compress(self._events, is_kept))
                else:
                    self._exposures = list(compress(self._exposures, is_kept))
        if len(exposures):
            columns = {**exposures.times(ledger.exposures), **_exposure_columns(self._exposures)}
            _insert(connection, "exposures", pa.table(columns))
            ledger.exposures += len(exposures)
        if len(events):
            rows = pa.table({**events.times(ledger.events), **_event_columns(self._events)})
            _insert(connection, "events", rows)
            ledger.events += len(events)
            _count_names(ledger, rows)
        connection.execute("UPDATE ledger SET body = ?", [msgspec.msgpack.encode(ledger)])

    def _sort(self, ledger: Ledger, record: Record) -> None:
        exposures, events = self._exposures, self._events
        for entry in record.entries:
            kind = type(entry)
            if kind is TrackedEvent:
                events.append(entry)  # type: ignore[arg-type]  # mypy does not follow `kind`
            elif kind is Exposure:
                exposures.append(entry)  # type: ignore[arg-type]
            elif kind is EvaluatorReport:
                ledger.roster.take(entry, record.machine_at)  # type: ignore[arg-type]


def _first_times(
    connection: duckdb.DuckDBPyConnection, table: str, arrivals: Arrivals, recent: RecentIds
) -> list[bool] | None:
    """Which of them come for the first time; None if all do. The hashes name suspects, the table decides."""
    suspects = recent.suspects(arrivals.hashes) if len(arrivals) else []
    if not suspects:
        return None
    ids = pa.table({"id": pa.array(sorted({arrivals.ids[place] for place in suspects}), pa.string())})
    connection.register("suspects", ids)
    try:
        rows = connection.execute(
            f"SELECT id, max(known_at) FROM {table} SEMI JOIN suspects USING (id) WHERE known_at > $since GROUP BY id",
            {"since": int(arrivals.known_at[suspects[0]]) - HORIZON},
        ).fetchall()
    finally:
        connection.unregister("suspects")
    last: dict[str, int] = dict(rows)
    is_first = [True] * len(arrivals)
    for place in suspects:
        id_, known_at = arrivals.ids[place], int(arrivals.known_at[place])
        before = last.get(id_)
        if before is not None and before > known_at - HORIZON:
            is_first[place] = False
        else:
            last[id_] = known_at
    return is_first


def _exposure_columns(rows: Sequence[Exposure]) -> dict[str, pa.Array]:
    return {
        "unit": pa.array([row.unit for row in rows], pa.string()),
        "environment": pa.array([row.environment for row in rows], pa.string()),
        "flag": pa.array([row.flag for row in rows], pa.string()),
        "variant": pa.array([row.variant for row in rows], pa.string()),
        "version": pa.array([row.snapshot_version for row in rows], pa.int64()),
    }


def _event_columns(rows: Sequence[TrackedEvent]) -> dict[str, pa.Array]:
    plain = (None, False)
    values = [plain if row.value is None and not row.invalid else kept_value(row) for row in rows]
    return {
        "unit": pa.array([row.unit for row in rows], pa.string()),
        "name": pa.array([row.name for row in rows], pa.string()),
        "value": pa.array([value for value, _ in values], pa.float64()),
        "is_invalid": pa.array([is_invalid for _, is_invalid in values], pa.bool_()),
        "trial_id": pa.array([row.of for row in rows], pa.string()),
        "attributes": pa.array([_json(row.attributes) if row.attributes else None for row in rows], pa.string()),
    }


def _json(attributes: dict[str, str | float | bool]) -> str:
    """The attributes as a JSON object of texts. Few sets are many events', so their JSON is remembered."""
    try:
        "".join(attributes.values())  # type: ignore[arg-type]  # the quickest way to ask whether all are text
    except TypeError:  # 1, 1.0 and True are equal as keys, so these are not remembered
        return _encode({key: attribute_text(value) for key, value in attributes.items()}).decode()
    key = tuple(attributes.items())
    text = _json_of.get(key)
    if text is None:
        if len(_json_of) >= ATTRIBUTES_CACHED:
            _json_of.clear()
        text = _json_of[key] = _encode(attributes).decode()
    return text


def _rounded(seconds: NDArray[np.float64]) -> Times:
    """Seconds to microseconds, exact until 2106: before that a double holds a quarter of one."""
    rounded: Times = np.rint(seconds * 1e6).astype(np.int64)
    return rounded


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    connection.register("arriving", rows)
    try:
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM arriving")  # table: one of ours
    finally:
        connection.unregister("arriving")


def _count_names(ledger: Ledger, events: pa.Table) -> None:
    counted = events.group_by("name").aggregate([("happened_at", "count"), ("happened_at", "max")])
    for row in counted.to_pylist():
        newest_at = row["happened_at_max"]
        count, before = ledger.names.get(row["name"], (0, newest_at))
        ledger.names[row["name"]] = (count + row["happened_at_count"], max(newest_at, before))
