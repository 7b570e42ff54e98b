"""Kill -9 of a process that is writing the event log (RULES C4): every acknowledged record is there."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from ebbgate.adapters.events import SegmentedLogReader, SegmentedLogWriter
from ebbgate.core.events import Heartbeat

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from ebbgate.adapters.events import SegmentedLogWriter
from ebbgate.core.events import Heartbeat, Record

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)

async def lane(writer, name):
    for number in range(1_000_000):
        entries = [Heartbeat(source=f"{name}-{number}", received_at=AT)] * (number % 50 + 1)
        offset = await writer.append(Record(received_at=AT, machine_at=AT, entries=entries))
        sys.stdout.write(f"{name}-{number} {offset}\\n")
        sys.stdout.flush()

async def main():
    writer = SegmentedLogWriter(Path(sys.argv[1]), segment_bytes_max=20_000)
    await asyncio.gather(*(lane(writer, f"{sys.argv[2]}.{n}") for n in range(8)))

asyncio.run(main())
"""


def first_sources(directory: Path) -> dict[int, str]:
    """The first source of each record, by the offset after it."""
    reader = SegmentedLogReader(directory)
    found: dict[int, str] = {}
    offset = 0
    while (result := reader.read(offset)).records:
        for end, record in result.records:
            assert isinstance(record.entries[0], Heartbeat)
            found[end] = record.entries[0].source
        offset = result.next_offset
    reader.close()
    return found


@pytest.mark.parametrize("seed", range(5))
def test_every_acknowledged_record_is_readable_after_kill_9(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: dict[int, str] = {}
    for life in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(life)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randint(20, 400))]
        process.kill()
        rest, _ = process.communicate()
        # A line that the kill cut short was no acknowledgement that anybody could read.
        for line in ("".join(lines) + rest).splitlines(keepends=True):
            if line.endswith("\n"):
                source, offset = line.split()
                acknowledged[int(offset)] = source
        found = first_sources(tmp_path)
        assert acknowledged.items() <= found.items(), f"seed {seed}, life {life}"
    SegmentedLogWriter(tmp_path).close()
    assert acknowledged.items() <= first_sources(tmp_path).items()
