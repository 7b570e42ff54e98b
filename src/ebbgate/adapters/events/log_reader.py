"""The event log's reader, in another process than the writer. It returns whole, durable records only (RULES I1)."""

import contextlib
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec

from ebbgate.adapters.events.log_files import sync_directory
from ebbgate.adapters.events.segments import Segment, damage, list_bases, load_segment, open_segment, segment_path
from ebbgate.core.errors import LogCorruptedError, StoreUnavailableError
from ebbgate.core.events.frame import Ending, Frame, decode_record, ending, frame_at, frames
from ebbgate.ports.event_log import ReadResult

READ_BYTES = 8 * 1024 * 1024


class _Open(msgspec.Struct):
    """The segment that is being read, and the one after it, once there is one."""

    descriptor: int
    segment: Segment
    successor: Segment | None = None

    def trusted_end(self) -> int | None:
        """Where the segment ends for good; None while it is the last one."""
        return None if self.successor is None else max(self.segment.base, self.successor.previous_end)


class SegmentedLogReader:
    """Reads the log in `directory` while a writer appends; one thread at a time. Implements `EventLogReader`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: _Open | None = None
        self._whole_end = 0  # up to here, frames are known to be whole

    def read(self, from_offset: int, *, limit_bytes: int = READ_BYTES) -> ReadResult:
        with _disk_errors(self._directory):
            offset, found, data = self._next_frames(from_offset, limit_bytes)
            if found and self._open is not None and self._open.successor is None:
                os.fdatasync(self._open.descriptor)  # else a power cut could lose what is ingested already
        return _decoded(found, offset, data) if found else ReadResult(records=[], next_offset=offset)

    def end_offset(self) -> int:
        with _disk_errors(self._directory):
            bases = self._bases()
            # Up to its last segment the log is good, or reading will say that it is not.
            offset = max(self._whole_end, bases[-1]) if bases else 0
            while True:
                offset, found, _ = self._next_frames(offset, READ_BYTES)
                if not found:
                    self._whole_end = offset
                    return offset
                offset += found[-1].end

    def prune(self, before_offset: int) -> int:
        removed_bytes = 0
        bases = self._bases()
        for base, following in pairwise(bases):
            if load_segment(self._directory, following).previous_end > before_offset:
                break
            path = segment_path(self._directory, base)
            removed_bytes += path.stat().st_size
            path.unlink()
        if removed_bytes:
            sync_directory(self._directory)
        return removed_bytes

    def close(self) -> None:
        if self._open is not None:
            os.close(self._open.descriptor)
            self._open = None

    def _bases(self) -> list[int]:
        return list_bases(self._directory) if self._directory.is_dir() else []

    def _next_frames(self, offset: int, limit_bytes: int) -> tuple[int, list[Frame], bytes]:
        """The first whole frames at or after `offset`, in the bytes that they lie in, and those bytes' log offset."""
        while (current := self._locate(offset)) is not None:
            found, data = self._frames(current, offset, limit_bytes)
            if found or current.successor is None:
                return offset, found, data
            offset = current.successor.base
        return offset, [], b""

    def _locate(self, offset: int) -> _Open | None:
        """The segment whose turn it is at `offset`; None while the log has not begun."""
        while True:
            bases = self._bases()
            if not bases and not offset:
                return None
            if not bases:
                raise _beyond(self._directory, offset)
            if offset < bases[0]:
                raise LogCorruptedError(
                    f"log offset {offset} was removed by retention; the log begins at {bases[0]}",
                    hint="Read on from a cursor that was stored, or restore the older segments from a backup.",
                )
            base = max(base for base in bases if base <= offset)
            following = min((base for base in bases if base > offset), default=None)
            with contextlib.suppress(FileNotFoundError):  # removed since it was listed: list again
                return self._opened(base, following)

    def _opened(self, base: int, following: int | None) -> _Open:
        successor = None if following is None else load_segment(self._directory, following)
        if self._open is None or self._open.segment.base != base:
            self.close()
            descriptor, segment = open_segment(self._directory, base)
            self._open = _Open(descriptor, segment)
        self._open.successor = successor
        return self._open

    def _frames(self, current: _Open, offset: int, limit_bytes: int) -> tuple[list[Frame], bytes]:
        """Whole good frames of a segment from `offset` on, and the bytes that they lie in."""
        segment, end = current.segment, current.trusted_end()
        if end is not None and offset >= end:
            return [], b""
        position = segment.position(offset)
        available = (os.fstat(current.descriptor).st_size if end is None else segment.position(end)) - position
        if available < 0:
            raise _beyond(self._directory, offset)
        data = os.pread(current.descriptor, min(available, limit_bytes), position)
        found = list(frames(data))
        if not found and limit_bytes < available:  # one record is larger than the limit, or bad
            data = os.pread(current.descriptor, available, position)
            found = list(frames(data))[:1]
        if not found and available:
            self._check(current, offset, data)
        return found, data

    def _check(self, current: _Open, offset: int, data: bytes) -> None:
        """Nothing whole at `offset`: being written just now, or damaged? Raises LogCorruptedError."""
        if current.successor is None:
            if ending(data, 0, base=offset) is not Ending.DAMAGED:
                return
            # Later frames prove that this one was finished before: read it again, it may have been on its way.
            position = current.segment.position(offset)
            size = os.fstat(current.descriptor).st_size - position
            if isinstance(frame_at(os.pread(current.descriptor, size, position), 0), Frame):
                return
        raise damage(current.segment.path, offset, "a record fails its checksum")


def _decoded(found: list[Frame], offset: int, data: bytes) -> ReadResult:
    """The records of frames that lie in `data`, whose first byte is at log offset `offset`."""
    view = memoryview(data)
    records = [
        (offset + frame.end, decode_record(view[frame.end - frame.length : frame.end], offset=offset + frame.start))
        for frame in found
    ]
    return ReadResult(records=records, next_offset=records[-1][0])


@contextlib.contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailableError(
            f"the event log in {directory} cannot be read: {error}", hint="Look at the disk; reading goes on after it."
        ) from error


def _beyond(directory: Path, offset: int) -> LogCorruptedError:
    return LogCorruptedError(
        f"log offset {offset} lies beyond the end of the event log in {directory}",
        hint="The log and the store that was filled from it do not belong together: restore both from one backup.",
    )
