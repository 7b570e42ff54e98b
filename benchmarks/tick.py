"""One analysis tick over a long history: 10 metrics, 100,000 new units, after 1 million units and after 10 million."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
from ebbgate.adapters.events.duckdb_store_schema import Ledger, open_database, to_microseconds
from ebbgate.control.evidence import fold_rollout
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.events import Entry, Exposure, Record, TrackedEvent
from ebbgate.core.rollouts import plan_from_data
from ebbgate.core.rollouts.plan import Mode
from ebbgate.core.rollouts.state import PhaseRecord, RolloutState, Status
from ebbgate.ports.control_store import Evidence

SIZES = (1_000_000, 10_000_000)
NEW = 100_000
SPAN = timedelta(hours=7.2)
"""How long NEW units take to come: 1 million are three days of this traffic, 10 million thirty."""

RETURNING = 20_000  # exposures of units that came before, within the span
START = datetime(2026, 1, 1, tzinfo=UTC)
SALT, TREATED = "newWidgets-1", 200_000
BATCH = 1_000  # entries of one record, as a busy server writes them

EVENTS = (
    ("api_request", 1.0, None),
    ("api_error", 0.01, None),
    ("api_ms", 1.0, 120.0),
    ("load_ms", 1.0, 900.0),
    ("widget_memory_mb", 1.0, 60.0),
    ("ticket_how_to", 0.02, None),
    ("task_started", 0.5, None),
    ("task_done", 0.3, None),
    ("widget_view", 1.0, None),
    ("widget_click", 0.1, None),
    ("dashboard_s", 1.0, 40.0),
    ("satisfaction", 0.1, 3.5),
)
"""Name, share of units with one, and the median of its value."""

PLAN: dict[str, Any] = {
    "app": "bench",
    "flag": "newWidgets",
    "phases": [{"to": "20%", "stay": "60d..90d"}, {"to": "100%"}],
    "tick": "5m",
    "guardrails": {
        "errors": {"rate": "api_error / api_request", "worse_by": "0.5pp", "critical": "> 5% for 5m"},
        "api_time": {"p95": "api_ms", "worse_by": "10%", "limit": "1s", "critical": "> 5s for 3m"},
        "load_time": {"p95": "load_ms", "worse_by": "10%", "limit": "8s"},
        "memory": {"p95": "widget_memory_mb", "worse_by": "10%"},
        "tickets": {"count": "ticket_how_to", "worse_by": "25%"},
        "completion": {"share": "task_done / task_started", "worse_by": "5%"},
    },
    "goals": {
        "clicks": {"ratio": "widget_click / widget_view", "goal": "+50%"},
        "dashboard_time": {"mean": "dashboard_s", "goal": "+30%"},
        "satisfaction": {"survey": "satisfaction", "scale": "1..5", "baseline": 3, "goal": "+10%"},
        "errors_seen": {"rate": "api_error / widget_view", "goal": "-10%"},
    },
}


def main() -> int:
    """Prepare and measure each size in processes of their own, so that memory is that of the tick alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--keep", type=Path, help="a directory to prepare the histories in, and to use again")
    parser.add_argument("--prepare", type=Path)
    parser.add_argument("--measure", type=Path)
    parser.add_argument("--units", type=int, default=0)
    parser.add_argument("--second", action="store_true", help="the look is of a second phase: late harm is read, too")
    arguments = parser.parse_args()
    if arguments.prepare:
        prepare(arguments.prepare, arguments.units)
        return 0
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.units, is_second=arguments.second)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        rows = [run(folder, units, is_second=arguments.second) for units in arguments.sizes]
    report(rows)
    return 0


def run(folder: Path, units: int, *, is_second: bool) -> dict[str, Any]:
    path = folder / f"history-{units}.duckdb"
    if not path.exists():
        child("--prepare", path, units)
    print(f"{units:,} units: {path.stat().st_size / 1e9:.2f} GB on disk", file=sys.stderr)
    work = folder / f"work-{units}.duckdb"
    work.write_bytes(b"")
    work.unlink()
    subprocess.run(["cp", str(path), str(work)], check=True)
    found: dict[str, Any] = json.loads(child("--measure", work, units, *(["--second"] if is_second else [])))
    work.unlink()
    return found


def child(what: str, path: Path, units: int, *options: str) -> str:
    command = [sys.executable, __file__, what, str(path), "--units", str(units), *options]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def report(rows: list[dict[str, Any]]) -> None:
    names = {
        "first_look": "first look ever",
        "ingest": "ingest of what is new",
        "look": "tick: all metrics, limits and the assignment",
        "reopen": "opening the store again",
        "reopened_look": "first look after that",
    }
    print("".join([f"{'seconds (processor seconds)':<50}", *(f"{row['units']:>20,}" for row in rows)]))
    for key, name in names.items():
        cells = (f"{row[key]['wall']:.2f} ({row[key]['cpu']:.2f})" for row in rows)
        print("".join([f"{name:<50}", *(f"{cell:>20}" for cell in cells)]))
    print("".join([f"{'peak memory, MB':<50}", *(f"{row['peak_mb']:>20,.0f}" for row in rows)]))
    print("".join([f"{'of it before the store is opened':<50}", *(f"{row['idle_mb']:>20,.0f}" for row in rows)]))
    print("".join([f"{'new entries':<50}", *(f"{row['entries']:>20,}" for row in rows)]))
    if len(rows) > 1:
        first, last = rows[0]["look"], rows[-1]["look"]
        history = rows[-1]["units"] / rows[0]["units"]
        print(
            f"after {history:g} times the history the tick costs {last['wall'] / first['wall']:.2f} times as much, "
            f"{last['cpu'] / first['cpu']:.2f} times by processor"
        )


class Timer:
    """Wall and processor seconds, added up over its uses: where others use the machine too, the second is the truer."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> "Timer":
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._wall
        self.cpu += time.process_time() - self._cpu

    def seconds(self) -> dict[str, float]:
        return {"wall": self.wall, "cpu": self.cpu}


def moment(unit: int) -> datetime:
    """When a unit first comes: evenly."""
    return START + SPAN * (unit / NEW)


def prepare(path: Path, units: int) -> None:
    """Write a history straight into the tables: what ingest would have stored, without the hours that it would take."""
    open_database(path).close()
    connection = duckdb.connect(str(path))
    connection.execute("SELECT setseed(0.5)").fetchall()
    step = to_microseconds(moment(1)) - to_microseconds(moment(0))
    start, chunk, events = to_microseconds(START), 500_000, 0
    for first in range(0, units, chunk):
        people = range(first, min(first + chunk, units))
        variants = ["on" if unit_bucket(SALT, f"user-{i}") < TREATED else "off" for i in people]
        arriving = pa.table({"i": pa.array(people, pa.int64()), "variant": pa.array(variants, pa.string())})
        connection.register("arriving", arriving)
        connection.execute(
            f"""
            INSERT INTO exposures SELECT i, i, 'user-' || i, 'production', 'newWidgets', variant, 1,
              {start} + i * {step}, {start} + i * {step}, {start} + i * {step}, 'x' || i FROM arriving
            """
        )
        happened = f"{start} + i * {step}"
        normal = "sqrt(-2 * ln(random() + 1e-9)) * cos(6.2832 * random())"
        selects = [
            f"""SELECT i, '{name}' AS name, {happened} + {1_000_000 * (place + 1)} AS happened,
              {"NULL" if median is None else f"{median} * exp(0.5 * {normal})"} AS value
              FROM arriving WHERE random() < {share}"""
            for place, (name, share, median) in enumerate(EVENTS)
        ]
        row = connection.execute(
            f"""
            INSERT INTO events SELECT {events} + row_number() OVER (ORDER BY happened) - 1, i, 'user-' || i, name,
              happened, happened, happened, 'e-' || i || name,
              CASE WHEN name = 'satisfaction' THEN least(5, greatest(1, round(value))) ELSE value END,
              false, NULL, NULL FROM ({" UNION ALL ".join(selects)}) ORDER BY happened
            """
        ).fetchone()
        events += row[0] if row else 0
        connection.unregister("arriving")
    ledger = Ledger(
        offset=units,
        watermark=to_microseconds(moment(units)),
        exposures=units,
        events=events,
        names={name: (units, start) for name, _, _ in EVENTS},
    )
    connection.execute("UPDATE ledger SET body = ?", [msgspec.msgpack.encode(ledger)])
    connection.execute("CHECKPOINT")
    connection.close()


def new_records(units: int) -> Iterator[tuple[int, Record]]:
    """What comes in one span: NEW units with their events, and some that came before."""
    random = np.random.default_rng(1)
    pending: list[Entry] = []
    offset, every = units, NEW // RETURNING
    for unit in range(units, units + NEW):
        at = moment(unit)
        pending += entries_of(unit, at, random)
        if unit % every == 0:
            pending.append(an_exposure(f"user-{int(random.integers(units))}", at, f"r{unit}"))
        if len(pending) >= BATCH:
            offset += 1
            at += timedelta(seconds=len(EVENTS))
            yield offset, Record(received_at=at, machine_at=at, entries=pending)
            pending = []
    yield offset + 1, Record(received_at=moment(units + NEW), machine_at=moment(units + NEW), entries=pending)


def entries_of(unit: int, at: datetime, random: np.random.Generator) -> list[Entry]:
    """A new unit's exposure, and what it then does."""
    name = f"user-{unit}"
    entries: list[Entry] = [an_exposure(name, at, f"x{unit}")]
    draws, values = random.random(len(EVENTS)), random.lognormal(0.0, 0.5, len(EVENTS))
    for place, (event, share, median) in enumerate(EVENTS):
        if draws[place] >= share:
            continue
        value = None if median is None else float(median * values[place])
        if event == "satisfaction" and value is not None:
            value = float(min(5, max(1, round(value))))
        then = at + timedelta(seconds=place + 1)
        entries.append(
            TrackedEvent(id=f"e-{unit}{event}", unit=name, name=event, occurred_at=then, sent_at=then, value=value)
        )
    return entries


def an_exposure(unit: str, at: datetime, id_: str) -> Exposure:
    return Exposure(
        id=id_,
        unit=unit,
        environment="production",
        flag_set="production",
        flag="newWidgets",
        variant="on" if unit_bucket(SALT, unit) < TREATED else "off",
        snapshot_version=1,
        occurred_at=at,
        sent_at=at,
    )


def measure(path: Path, units: int, *, is_second: bool) -> dict[str, Any]:
    idle = resident_mb()
    first_look, ingest, look, reopen, reopened = (Timer() for _ in range(5))
    with first_look:
        store = DuckDbEventStore(path)
        state = a_state(moment(units) - timedelta(minutes=5), is_second=is_second)
        first = fold_rollout(state, Evidence(), store, until=moment(units))
    entries = 0
    records = new_records(units)
    while batch := list(islice(records, 5)):  # as the log is read: some records at once
        entries += sum(len(record.entries) for _, record in batch)
        with ingest:
            store.ingest(batch)
    state, until = msgspec.structs.replace(state, summarised_to=moment(units)), store.watermark()
    assert until is not None
    with look:
        summary = fold_rollout(state, first.evidence, store, until=until)
    peak = resident_mb()
    assert len(summary.analyses) + len(summary.goals) == 10
    assert summary.assignment.treatment + summary.assignment.control >= units
    store.close()
    with reopen:
        store = DuckDbEventStore(path)
    state = msgspec.structs.replace(state, summarised_to=until - timedelta(minutes=5))
    with reopened:
        fold_rollout(state, summary.evidence, store, until=until)
    timers = {"first_look": first_look, "ingest": ingest, "look": look, "reopen": reopen, "reopened_look": reopened}
    seconds = {name: timer.seconds() for name, timer in timers.items()}
    return {"units": units, **seconds, "peak_mb": peak, "idle_mb": idle, "entries": entries}


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def a_state(summarised_to: datetime, *, is_second: bool = False) -> RolloutState:
    """is_second: one percent had the new version before, and are compared for late harm."""
    before = PhaseRecord(
        index=0, entered_at=START, snapshot_version=0, attribute_share=0.0, hash_from=0, hash_to=TREATED // 20
    )
    record = PhaseRecord(
        index=int(is_second),
        entered_at=START,
        snapshot_version=1,
        attribute_share=0.0,
        hash_from=TREATED // 20 if is_second else 0,
        hash_to=TREATED,
    )
    plan = PLAN | {"phases": [{"to": "1%", "stay": "1d..2d"}, *PLAN["phases"]]} if is_second else PLAN
    return RolloutState(
        id="newWidgets-1",
        lineage=SALT,
        attempt=1,
        release="v2",
        plan=plan_from_data(plan),
        mode=Mode.ACT,
        status=Status.RUNNING,
        created_at=START,
        phases=(before, record) if is_second else (record,),
        summarised_to=summarised_to,
    )


if __name__ == "__main__":
    raise SystemExit(main())
