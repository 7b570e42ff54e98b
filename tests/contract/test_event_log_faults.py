"""The file log on a disk that fails, dawdles, tears and loses (RULES C4): nothing unsynced is acknowledged."""

import asyncio
import os
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ebbgate.adapters.events import SegmentedLogReader, SegmentedLogWriter
from ebbgate.adapters.events.log_files import DiskFile, DiskOpener
from ebbgate.core.errors import LogCorruptedError, StoreUnavailableError
from ebbgate.core.events import Heartbeat, Record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FULL = OSError(28, "No space left on device")
BROKEN = OSError(5, "Input/output error")


class FaultyDisk:
    """A `FileOpener` over the real disk that can fail, and that knows which bytes a power cut would spare."""

    def __init__(self) -> None:
        self.syncs = 0
        self.failing_syncs = 0  # how many of the next syncs fail
        self.writable_bytes: int | None = None  # what fits on the disk; None: everything
        self.may_sync = threading.Event()
        self.may_sync.set()
        self.durable: dict[Path, int] = {}
        self._disk = DiskOpener()

    def open(self, path: Path) -> "FaultyFile":
        return FaultyFile(self, path)

    def publish(self, temporary: Path, final: Path) -> None:
        self._disk.publish(temporary, final)
        self.durable[final] = self.durable.pop(temporary)

    def remove(self, path: Path) -> None:
        self._disk.remove(path)
        self.durable.pop(path, None)

    def cut_power(self, chance: random.Random) -> None:
        """Of what was not synced, any pages may be lost, and the file may be shorter."""
        for path, durable in self.durable.items():
            data = bytearray(path.read_bytes())
            kept = bytearray(data[: chance.randint(durable, len(data))])
            for start in range(durable, len(kept), 64):
                if chance.random() < 0.3:
                    kept[start : start + 64] = bytes(len(kept[start : start + 64]))
            path.write_bytes(kept)


class FaultyFile(DiskFile):
    def __init__(self, disk: FaultyDisk, path: Path) -> None:
        super().__init__(path)
        self._disk, self._path = disk, path
        self._size = path.stat().st_size
        disk.durable.setdefault(path, self._size)

    def write(self, data: bytes) -> int:
        room = self._disk.writable_bytes
        if room is not None:
            if room == 0:
                raise FULL
            data = data[:room]
            self._disk.writable_bytes = room - len(data)
        self._size += len(data)
        return super().write(data)

    def sync(self) -> None:
        self._disk.may_sync.wait(timeout=10)
        if self._disk.failing_syncs:
            self._disk.failing_syncs -= 1
            raise BROKEN
        super().sync()
        self._disk.syncs += 1
        self._disk.durable[self._real_path()] = self._size

    def truncate(self, size: int) -> None:
        super().truncate(size)
        self._size = size

    def _real_path(self) -> Path:
        final = self._path.with_suffix(".log")
        return final if final in self._disk.durable else self._path


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    faulty = FaultyDisk()
    yield faulty
    faulty.may_sync.set()


def a_record(number: int) -> Record:
    return Record(received_at=NOON + timedelta(seconds=number), machine_at=NOON, entries=[a_heartbeat(number)])


def a_heartbeat(number: int) -> Heartbeat:
    return Heartbeat(source=f"edge-{number}", received_at=NOON)


def numbers_in(directory: Path, offset: int = 0) -> list[int]:
    reader = SegmentedLogReader(directory)
    found: list[int] = []
    while (result := reader.read(offset, limit_bytes=300)).records:
        for _, record in result.records:
            assert isinstance(record.entries[0], Heartbeat)
            found.append(int(record.entries[0].source.removeprefix("edge-")))
        offset = result.next_offset
    reader.close()
    return found


def segments(directory: Path, suffix: str = ".log") -> list[Path]:
    return sorted(directory.glob(f"*{suffix}"))


async def write(directory: Path, count: int, *, segment_bytes_max: int = 10_000_000) -> list[int]:
    writer = SegmentedLogWriter(directory, segment_bytes_max=segment_bytes_max)
    offsets = [await writer.append(a_record(number)) for number in range(count)]
    writer.close()
    return offsets


async def test_appends_that_wait_together_share_one_sync(tmp_path: Path, disk: FaultyDisk) -> None:
    writer = SegmentedLogWriter(tmp_path, opener=disk)
    disk.may_sync.clear()
    tasks = [asyncio.create_task(writer.append(a_record(number))) for number in range(200)]
    await asyncio.wait(tasks, timeout=0.01)
    before = disk.syncs
    disk.may_sync.set()
    await asyncio.gather(*tasks)
    assert disk.syncs - before <= 3
    writer.close()


async def test_nothing_is_acknowledged_before_its_sync(tmp_path: Path, disk: FaultyDisk) -> None:
    writer = SegmentedLogWriter(tmp_path, opener=disk)
    disk.may_sync.clear()
    task = asyncio.create_task(writer.append(a_record(0)))
    done, _ = await asyncio.wait([task], timeout=0.1)
    assert not done
    assert writer.end_offset() == 0
    disk.may_sync.set()
    assert await task == writer.end_offset()
    writer.close()


async def test_a_failed_sync_fails_every_append_that_waited_for_it(tmp_path: Path, disk: FaultyDisk) -> None:
    writer = SegmentedLogWriter(tmp_path, opener=disk)
    await writer.append(a_record(0))
    disk.failing_syncs = 1
    results = await asyncio.gather(*(writer.append(a_record(n)) for n in range(1, 4)), return_exceptions=True)
    failed = [number for number, result in enumerate(results, 1) if isinstance(result, StoreUnavailableError)]
    assert 1 in failed
    # It goes on in another segment, and what failed is neither acknowledged nor read again.
    await writer.append(a_record(9))
    writer.close()
    assert numbers_in(tmp_path) == [number for number in [0, 1, 2, 3, 9] if number not in failed]
    assert len(segments(tmp_path)) == 2


async def test_a_reader_that_saw_a_failed_append_goes_on_after_it(tmp_path: Path, disk: FaultyDisk) -> None:
    writer = SegmentedLogWriter(tmp_path, opener=disk)
    await writer.append(a_record(0))
    disk.failing_syncs = 1
    with pytest.raises(StoreUnavailableError):
        await writer.append(a_record(1))
    reader = SegmentedLogReader(tmp_path)
    seen = reader.read(0)  # whole, and durable by the reader's own sync
    assert len(seen.records) == 2
    await writer.append(a_record(2))
    assert [record for _, record in reader.read(seen.next_offset).records] == [a_record(2)]
    reader.close()
    writer.close()


async def test_a_full_disk_refuses_until_there_is_room_and_collects_no_files(tmp_path: Path, disk: FaultyDisk) -> None:
    writer = SegmentedLogWriter(tmp_path, opener=disk)
    await writer.append(a_record(0))
    for number, room in enumerate([0, 10, 28, 40, 60, 28, 0, 64, 100], 1):
        disk.writable_bytes = room
        with pytest.raises(StoreUnavailableError):
            await writer.append(a_record(number))
    disk.writable_bytes = None
    await writer.append(a_record(50))
    await writer.append(a_record(51))
    writer.close()
    assert numbers_in(tmp_path) == [0, 50, 51]
    assert (len(segments(tmp_path)), len(segments(tmp_path, ".new"))) == (2, 0)
    SegmentedLogWriter(tmp_path).close()  # and it opens again


async def test_a_disk_that_cannot_keep_up_is_said_rather_than_filling_memory(tmp_path: Path, disk: FaultyDisk) -> None:
    writer = SegmentedLogWriter(tmp_path, opener=disk, waiting_bytes_max=2_000)
    disk.may_sync.clear()
    tasks = [asyncio.create_task(writer.append(a_record(number))) for number in range(200)]
    done, _ = await asyncio.wait(tasks, timeout=0.1)
    assert done
    assert all(isinstance(task.exception(), StoreUnavailableError) for task in done)
    disk.may_sync.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    acknowledged = [number for number, task in enumerate(tasks) if task.exception() is None]
    writer.close()
    assert numbers_in(tmp_path) == acknowledged


@pytest.mark.parametrize("seed", range(40))
async def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, disk: FaultyDisk, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: list[int] = []
    number = 0
    for _ in range(4):  # lives, each ended by a power cut
        writer = SegmentedLogWriter(tmp_path, opener=disk, segment_bytes_max=1_000)
        for _ in range(chance.randint(1, 8)):
            disk.failing_syncs = chance.choice([0, 0, 0, 1])
            group = list(range(number, number + chance.randint(1, 5)))
            number += len(group)
            results = await asyncio.gather(*(writer.append(a_record(n)) for n in group), return_exceptions=True)
            acknowledged += [n for n, result in zip(group, results, strict=True) if isinstance(result, int)]
        disk.failing_syncs = 0
        writer.close()
        disk.cut_power(chance)
        assert set(acknowledged) <= set(numbers_in(tmp_path))
    SegmentedLogWriter(tmp_path).close()
    found = numbers_in(tmp_path)
    assert found == sorted(set(found))
    assert set(acknowledged) <= set(found)


async def test_a_tail_torn_at_any_byte_is_cut_off_and_the_log_goes_on(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    offsets = await write(whole, 3)
    [path] = segments(whole)
    data = path.read_bytes()
    before_last = len(data) - (offsets[-1] - offsets[-2])
    for size in range(before_last, len(data)):
        torn = tmp_path / f"torn-{size}"
        torn.mkdir()
        (torn / path.name).write_bytes(data[:size])
        writer = SegmentedLogWriter(torn)
        assert writer.end_offset() == offsets[1]
        await writer.append(a_record(7))
        writer.close()
        assert numbers_in(torn) == [0, 1, 7]


async def test_a_last_record_with_any_byte_wrong_is_a_torn_tail(tmp_path: Path) -> None:
    offsets = await write(tmp_path, 3)
    [path] = segments(tmp_path)
    data = path.read_bytes()
    for place in range(len(data) - (offsets[-1] - offsets[-2]), len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        assert numbers_in(tmp_path) == [0, 1]
        writer = SegmentedLogWriter(tmp_path)
        assert writer.end_offset() == offsets[1]
        writer.close()


async def test_damage_to_any_acknowledged_byte_is_named_with_segment_and_offset(tmp_path: Path) -> None:
    offsets = await write(tmp_path, 4)
    [path] = segments(tmp_path)
    data = path.read_bytes()
    header = len(data) - offsets[-1]
    for place in range(header, header + offsets[1]):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x01]) + data[place + 1 :])
        bad_offset = 0 if place - header < offsets[0] else offsets[0]
        with pytest.raises(LogCorruptedError, match=rf"{path.name} is damaged at log offset {bad_offset}:"):
            SegmentedLogWriter(tmp_path)
        with pytest.raises(LogCorruptedError, match=rf"{path.name} is damaged at log offset {bad_offset}:"):
            numbers_in(tmp_path)


async def test_damage_in_an_older_segment_is_found_by_the_reader(tmp_path: Path) -> None:
    await write(tmp_path, 20, segment_bytes_max=500)
    first = segments(tmp_path)[0]
    data = bytearray(first.read_bytes())
    data[-1] ^= 0xFF  # the last record of a segment that has a successor was acknowledged
    first.write_bytes(data)
    with pytest.raises(LogCorruptedError, match=first.name):
        numbers_in(tmp_path)


@pytest.mark.parametrize("what", ["shorter", "missing", "header"])
async def test_a_broken_chain_of_segments_is_refused_at_the_start(tmp_path: Path, what: str) -> None:
    await write(tmp_path, 20, segment_bytes_max=500)
    second = segments(tmp_path)[1]
    if what == "shorter":
        os.truncate(second, second.stat().st_size - 1)
    elif what == "missing":
        second.unlink()
    else:
        second.write_bytes(b"\0" * 8 + second.read_bytes()[8:])
    with pytest.raises(LogCorruptedError):
        SegmentedLogWriter(tmp_path)
    with pytest.raises(LogCorruptedError):
        numbers_in(tmp_path)


async def test_a_second_writer_is_told_that_there_is_one(tmp_path: Path) -> None:
    writer = SegmentedLogWriter(tmp_path)
    with pytest.raises(StoreUnavailableError, match="another process writes") as refusal:
        SegmentedLogWriter(tmp_path)
    assert "one edge" in refusal.value.hint
    writer.close()
    SegmentedLogWriter(tmp_path).close()


async def test_a_cancelled_append_harms_nobody_else(tmp_path: Path, disk: FaultyDisk) -> None:
    writer = SegmentedLogWriter(tmp_path, opener=disk)
    disk.may_sync.clear()
    tasks = [asyncio.create_task(writer.append(a_record(number))) for number in range(3)]
    await asyncio.wait(tasks, timeout=0.01)
    tasks[1].cancel()
    disk.may_sync.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert results[0] < results[2] == writer.end_offset()
    writer.close()
