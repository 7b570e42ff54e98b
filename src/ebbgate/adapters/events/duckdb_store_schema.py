"""The analysis store's tables in DuckDB. Times are microseconds of plan time since 1970 (UTC), as integers."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec

from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.events.roster import Roster
from ebbgate.core.metrics.values import USABLE_MAX

SCHEMA_VERSION = 1

MEMORY_LIMIT = "416MB"
"""Of the engine's buffers, beyond which it works in a directory beside the file: a look at ten million units fits, and
the whole process stays below 1 GB (benchmarks/tick.py)."""

CHECKPOINT_ROWS = 250_000
"""Rows ingested after which the engine's own log is folded into its file: while events come, never within a look."""

_LOG_MAX = "256MB"  # of the engine's own log: it would fold at 16 MB, whoever commits next

_TABLES = """
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS exposures (
  seq BIGINT NOT NULL, log_offset BIGINT NOT NULL, unit VARCHAR NOT NULL, environment VARCHAR NOT NULL,
  flag VARCHAR NOT NULL, variant VARCHAR NOT NULL, version BIGINT NOT NULL,
  happened_at BIGINT NOT NULL, occurred_at BIGINT NOT NULL, known_at BIGINT NOT NULL, id VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
  seq BIGINT NOT NULL, log_offset BIGINT NOT NULL, unit VARCHAR NOT NULL, name VARCHAR NOT NULL,
  happened_at BIGINT NOT NULL, occurred_at BIGINT NOT NULL, known_at BIGINT NOT NULL, id VARCHAR NOT NULL,
  value DOUBLE, is_invalid BOOLEAN NOT NULL, trial_id VARCHAR, attributes VARCHAR
);
CREATE TABLE IF NOT EXISTS ledger (body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS watched (contrast BLOB NOT NULL, metric BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS phases (number INTEGER NOT NULL, contrast BLOB NOT NULL, body BLOB NOT NULL);
"""

_DROP_UNUSABLE = f"""
UPDATE events SET value = NULL, is_invalid = true WHERE value > {USABLE_MAX!r} OR value < {-USABLE_MAX!r}
"""
"""Values that earlier versions kept (RULES D5). The engine orders NaN above every number."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Ledger(msgspec.Struct, kw_only=True):
    """What is small, and stored whole with every batch: so that rows and offset cannot part (RULES I1).

    exposures, events: rows so far, and the next `seq`. names: event name -> (count, newest at).
    """

    offset: int = 0
    watermark: int | None = None
    duplicates: int = 0
    exposures: int = 0
    events: int = 0
    names: dict[str, tuple[int, int]] = {}
    roster: Roster = msgspec.field(default_factory=Roster)


def open_database(path: Path | str) -> duckdb.DuckDBPyConnection:
    """Open or make the database. Raises StoreUnavailableError."""
    config: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}
    if str(path) != ":memory:":  # which has nowhere to put what does not fit
        config["memory_limit"] = MEMORY_LIMIT
        config["checkpoint_threshold"] = _LOG_MAX
    with unavailable():
        connection = duckdb.connect(str(path), config=config)
        connection.execute(_TABLES)
        connection.execute(_DROP_UNUSABLE)
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        version = row[0] if row else None
        if version is None:
            connection.execute("INSERT INTO schema_version VALUES (?)", [SCHEMA_VERSION])
            connection.execute("INSERT INTO ledger VALUES (?)", [msgspec.msgpack.encode(Ledger())])
        elif version > SCHEMA_VERSION:
            connection.close()
            raise StoreUnavailableError(
                f"the analysis store at {path} has version {version}, and this ebbgate knows {SCHEMA_VERSION}",
                hint="start the newer ebbgate that wrote it, or remove the file: it is rebuilt from the event log",
            )
    return connection


def read_ledger(connection: duckdb.DuckDBPyConnection) -> Ledger:
    row = connection.execute("SELECT body FROM ledger").fetchone()
    assert row is not None
    return msgspec.msgpack.decode(row[0], type=Ledger)


@contextmanager
def unavailable() -> Iterator[None]:
    """The engine's own errors, as the port's."""
    try:
        yield
    except duckdb.Error as error:
        raise StoreUnavailableError(
            f"the analysis store does not answer: {error}", hint="look at the disk that holds the data directory"
        ) from error


def to_microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
