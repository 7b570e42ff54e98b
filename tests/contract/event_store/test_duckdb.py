"""What only an engine with a file can get wrong: half a batch, a process that is killed, a file that is not ours."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
from ebbgate.adapters.events.duckdb_store_phases import PhaseLedger
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.metrics.contrast import TOTAL_PPM, Interval
from ebbgate.core.metrics.definition import MetricKind
from ebbgate.testing.event_script import EventScript

INGEST_FOR_EVER = """
    import sys
    from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
    from ebbgate.testing.event_script import EventScript
    store, script = DuckDbEventStore(sys.argv[1]), EventScript()
    while True:
        script.expose(f"u{len(script.records)}", "off", 0)
        script.track("u1", "api_request", 1)
        store.ingest(script.records[-2:])
        print(store.offset(), flush=True)
"""


def test_rows_and_offset_are_kept_together_or_not_at_all(tmp_path: Path) -> None:
    script = EventScript()
    script.expose("u1", "off", 0)
    script.track("u1", "api_request", 1)
    store = DuckDbEventStore(tmp_path / "analysis.duckdb")
    store.ingest(script.records)
    script.expose("u2", "off", 2)
    script.track("not text: \ud800", "api_request", 2)  # exposures go in first, then this cannot
    with pytest.raises(UnicodeEncodeError):
        store.ingest(script.records)
    assert (store.offset(), store.totals().exposures, store.totals().units) == (200, 1, 1)
    del script.records[3:]
    store.ingest(script.records)
    store.close()
    again = DuckDbEventStore(tmp_path / "analysis.duckdb")
    assert (again.offset(), again.totals().exposures, again.totals().events) == (300, 2, 1)
    again.close()


def test_d5_values_that_an_earlier_version_kept_are_dropped_when_the_file_is_opened(tmp_path: Path, phase: Any) -> None:
    script, path = EventScript(), tmp_path / "analysis.duckdb"
    (new,) = phase.treated()
    script.expose(new, "on", 0)
    for at, value in ((1, 3.0), (2, 4.0), (3, 5.0)):
        script.track(new, "api_ms", at, value)
    store = DuckDbEventStore(path)
    store.ingest(script.records)
    store.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "UPDATE events SET value = 1e200 WHERE value = 4; UPDATE events SET value = 'nan' WHERE value = 5"
        )
    again = DuckDbEventStore(path)
    got = phase.block(again, phase.metric(MetricKind.MEAN))
    assert (got.treatment.n, got.treatment.total) == (1, 3.0)
    again.close()


def test_units_that_another_engine_hashed_are_entered_again(tmp_path: Path, phase: Any) -> None:
    script, path = EventScript(), tmp_path / "analysis.duckdb"
    for i in range(8):
        script.expose(f"u{i}", "off", 0)
    contrast = phase.contrast(
        phase=0, treatment=Interval(start=0, end=500_000), control=Interval(start=500_000, end=TOTAL_PPM)
    )
    store = DuckDbEventStore(path)
    store.ingest(script.records)
    expected = store.assignment(contrast)
    assert expected.control > 0
    store.close()
    with duckdb.connect(str(path)) as connection:
        ((body,),) = connection.execute("SELECT body FROM phases").fetchall()
        ledger = msgspec.structs.replace(msgspec.msgpack.decode(body, type=PhaseLedger), hashed=1)
        connection.execute("UPDATE phases SET body = ?", [msgspec.msgpack.encode(ledger)])
        connection.execute("UPDATE entrants_0 SET unit_hash = unit_hash - 1")
    again = DuckDbEventStore(path)
    for i in range(8):
        script.expose(f"u{i}", "off", 2)
    again.ingest(script.records)
    assert again.assignment(contrast) == expected
    again.close()


def test_a_killed_process_leaves_each_acknowledged_batch_once(tmp_path: Path) -> None:
    path = tmp_path / "analysis.duckdb"
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INGEST_FOR_EVER), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    said = [int(child.stdout.readline()) for _ in range(20)]
    child.send_signal(signal.SIGKILL)
    said += [int(line) for line in child.stdout.read().splitlines() if line]
    child.stdout.close()
    child.wait()
    store = DuckDbEventStore(path)
    assert store.offset() >= said[-1]
    rows = store.offset() // 200
    totals = store.totals()
    assert (totals.exposures, totals.events, totals.duplicates) == (rows, rows, 0)
    store.close()


def test_a_file_of_a_newer_ebbgate_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "analysis.duckdb"
    DuckDbEventStore(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreUnavailableError, match="version 99"):
        DuckDbEventStore(path)


def test_a_file_that_is_no_database_is_an_answer_and_not_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "analysis.duckdb"
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(StoreUnavailableError):
        DuckDbEventStore(path)
