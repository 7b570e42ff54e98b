"""One suite for every event log (RULES C4, I1): what is acknowledged is there, in order, behind one cursor."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from ebbgate.adapters.events import SegmentedLogReader, SegmentedLogWriter
from ebbgate.core.errors import LogCorruptedError, StoreUnavailableError
from ebbgate.core.events import Exposure, Heartbeat, Record, TrackedEvent
from ebbgate.ports.event_log import EventLogReader, EventLogWriter
from ebbgate.testing.memory_log import MemoryLog

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Opened = TypeVar("Opened", bound=EventLogWriter | EventLogReader)


class Log(Protocol):
    """A log that can be opened, closed and opened again."""

    def writer(self) -> EventLogWriter: ...
    def reader(self) -> EventLogReader: ...


class FileLog:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened: list[EventLogWriter | EventLogReader] = []

    def writer(self) -> EventLogWriter:
        return self._keep(SegmentedLogWriter(self._directory, segment_bytes_max=2_000))  # a few records a segment

    def reader(self) -> EventLogReader:
        return self._keep(SegmentedLogReader(self._directory))

    def close(self) -> None:
        for opened in self._opened:
            opened.close()

    def _keep(self, opened: Opened) -> Opened:
        self._opened.append(opened)
        return opened


class InMemory:
    def __init__(self) -> None:
        self._log = MemoryLog()

    def writer(self) -> EventLogWriter:
        return self._log.reopen()

    def reader(self) -> EventLogReader:
        return self._log

    def close(self) -> None:
        self._log.close()


@pytest.fixture(params=["file", "memory"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    opened = FileLog(tmp_path / "log") if request.param == "file" else InMemory()
    yield opened
    opened.close()


def a_record(number: int) -> Record:
    at = NOON + timedelta(seconds=number)
    event = TrackedEvent(
        id=f"e{number}", unit="u1", name="api_ms", value=1.5, attributes={"endpoint": "/a"}, occurred_at=at, sent_at=at
    )
    exposure = Exposure(
        id=f"x{number}",
        unit="u1",
        environment="production",
        flag_set="default",
        flag="newWidgets",
        variant="on",
        snapshot_version=3,
        occurred_at=at,
        sent_at=at,
        received_at=at,
    )
    return Record(
        received_at=at, machine_at=NOON, entries=[event, exposure, Heartbeat(source="edge-1", received_at=at)]
    )


async def append_all(writer: EventLogWriter, numbers: range) -> list[int]:
    return [await writer.append(a_record(number)) for number in numbers]


def read_all(reader: EventLogReader, offset: int = 0, *, limit_bytes: int = 1_000_000) -> list[tuple[int, Record]]:
    found: list[tuple[int, Record]] = []
    while (result := reader.read(offset, limit_bytes=limit_bytes)).records:
        found += result.records
        offset = result.next_offset
    return found


async def test_what_was_appended_is_read_in_order_with_the_offset_after_each(log: Log) -> None:
    offsets = await append_all(log.writer(), range(50))
    assert read_all(log.reader()) == [(offset, a_record(number)) for number, offset in enumerate(offsets)]
    assert offsets == sorted(set(offsets))


async def test_reading_goes_on_from_any_offset_that_it_gave(log: Log) -> None:
    offsets = await append_all(log.writer(), range(30))
    reader = log.reader()
    for number, offset in enumerate(offsets):
        assert read_all(reader, offset) == [(offsets[n], a_record(n)) for n in range(number + 1, 30)]


async def test_a_small_limit_gives_the_same_records_in_more_reads(log: Log) -> None:
    await append_all(log.writer(), range(20))
    assert read_all(log.reader(), limit_bytes=1) == read_all(log.reader())
    assert len(log.reader().read(0, limit_bytes=1).records) == 1


async def test_an_empty_log_has_nothing_to_read(log: Log) -> None:
    reader = log.reader()
    assert reader.read(0).records == []
    log.writer()
    assert reader.read(0).records == []
    assert reader.end_offset() == 0


async def test_a_reader_sees_what_is_appended_later(log: Log) -> None:
    writer, reader = log.writer(), log.reader()
    offset = 0
    for number in range(40):
        end = await writer.append(a_record(number))
        result = reader.read(offset)
        assert result.records == [(end, a_record(number))]
        offset = result.next_offset
        assert reader.read(offset).records == []
        assert reader.end_offset() == writer.end_offset() == end


async def test_what_was_acknowledged_is_there_after_reopening(log: Log) -> None:
    writer = log.writer()
    before = await append_all(writer, range(10))
    writer.close()
    after = await append_all(log.writer(), range(10, 20))
    assert before[-1] < after[0]
    assert [record for _, record in read_all(log.reader())] == [a_record(number) for number in range(20)]


async def test_a_closed_log_takes_nothing(log: Log) -> None:
    writer = log.writer()
    writer.close()
    with pytest.raises(StoreUnavailableError):
        await writer.append(a_record(1))


async def test_concurrent_appends_each_get_the_offset_of_their_own_record(log: Log) -> None:
    writer = log.writer()
    offsets = await asyncio.gather(*(writer.append(a_record(number)) for number in range(100)))
    assert dict(read_all(log.reader())) == {offset: a_record(number) for number, offset in enumerate(offsets)}


async def test_an_offset_beyond_the_end_is_refused(log: Log) -> None:
    await append_all(log.writer(), range(3))
    with pytest.raises(LogCorruptedError):
        log.reader().read(1_000_000)


async def test_pruning_removes_only_what_lies_before_the_offset(log: Log) -> None:
    offsets = await append_all(log.writer(), range(40))
    reader = log.reader()
    for ingested in (0, offsets[0], offsets[17], offsets[-1]):
        reader.prune(ingested)
        expected = [(offset, a_record(n)) for n, offset in enumerate(offsets) if offset > ingested]
        assert read_all(reader, ingested) == expected
    with pytest.raises(LogCorruptedError):
        reader.read(0)
    assert reader.end_offset() == offsets[-1]


async def test_pruning_everything_ingested_leaves_a_log_to_append_to(log: Log) -> None:
    writer, reader = log.writer(), log.reader()
    end = (await append_all(writer, range(40)))[-1]
    assert reader.prune(end) > 0
    writer.close()
    after = await log.writer().append(a_record(41))
    assert read_all(reader, end) == [(after, a_record(41))]
