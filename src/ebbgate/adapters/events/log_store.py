"""The writer's side of the segments, without threads: append a group and sync it, roll, begin anew after a failure."""

import contextlib
import fcntl
import os
from pathlib import Path

from ebbgate.adapters.events.segments import (
    TEMPORARY_SUFFIX,
    Segment,
    check_chain,
    create_segment,
    list_bases,
    load_segment,
    whole_end,
    write_all,
)
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.events.frame import FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, encode_frame_header
from ebbgate.ports.event_log import FileOpener, LogFile

LOCK_NAME = "writer.lock"


class SegmentStore:
    """Owns the last segment. One thread at a time uses it.

    end: offset up to which everything is durable; the only offset that is ever told to a caller.
    After a failed write or sync the file is never used again: Linux may drop the dirty pages and report the next sync
    as a success (Rebello et al., "Can applications recover from fsync failures?", USENIX ATC 2020).
    """

    def __init__(self, directory: Path, *, opener: FileOpener, segment_bytes_max: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._opener = opener
        self._segment_bytes_max = segment_bytes_max
        self._lock = _lock(directory)
        self._file: LogFile | None = None
        try:
            self._segment, self.end = self._recover()
        except BaseException:
            self.close()
            raise
        self._next_base = self.end  # where a segment begins that follows a failed write

    def append(self, payloads: list[bytes]) -> list[int]:
        """Write and sync a group as one; returns the offset after each. Raises OSError, and then none is durable."""
        size = sum(FRAME_HEADER_BYTES + len(payload) for payload in payloads)
        file = self._writable(size)
        offset = self.end
        parts: list[bytes] = []
        ends: list[int] = []
        for payload in payloads:
            parts += (encode_frame_header(payload, synced=self.end), payload)
            offset += FRAME_HEADER_BYTES + len(payload)
            ends.append(offset)
        self._next_base = offset  # a reader may see these frames even if the sync fails: their offsets are used up
        try:
            write_all(file, b"".join(parts))
            file.sync()
        except OSError:
            self._drop_file()
            raise
        self.end = offset
        return ends

    def close(self) -> None:
        """Give the files and the lock free."""
        self._drop_file()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _recover(self) -> tuple[Segment, int]:
        """Open the last segment and cut off a torn tail; begin the first segment if there is none."""
        for stale in self._directory.glob(f"*{TEMPORARY_SUFFIX}"):
            self._opener.remove(stale)
        bases = list_bases(self._directory)
        if not bases:
            self._file, segment = create_segment(self._opener, self._directory, SegmentHeader(base=0, previous_end=0))
            return segment, 0
        check_chain(self._directory, bases)
        segment = load_segment(self._directory, bases[-1])
        self._file = self._opener.open(segment.path)
        self._file.sync()  # whole frames that nobody acknowledged stay, and must be durable before others follow them
        end, torn_bytes = whole_end(segment)
        if torn_bytes:
            self._file.truncate(segment.position(end))
            self._file.sync()
        return segment, end

    def _writable(self, size: int) -> LogFile:
        """The file that the next group goes to."""
        if self._file is None:
            self._begin(base=self._next_base)
        elif self._is_full(size):
            self._drop_file()
            self._begin(base=self._next_base)
        assert self._file is not None
        return self._file

    def _is_full(self, size: int) -> bool:
        used = self._segment.position(self.end)
        return used > SEGMENT_HEADER_BYTES and used + size > self._segment_bytes_max

    def _begin(self, *, base: int) -> None:
        """A new segment at `base`; it says that what came before ends at `self.end`. Raises OSError."""
        last = self._segment
        void = last if last.previous_end < last.base == self.end else None
        header = SegmentHeader(base=base, previous_end=void.previous_end if void else self.end)
        self._next_base = base + 1  # if this fails halfway, the name may be taken, and a reader may have the file open
        self._file, self._segment = create_segment(self._opener, self._directory, header)
        self._next_base = self.end = base
        if void:
            # It followed a failed write, and its own first write failed: a full disk must not collect such files. Only
            # now, because a reader inside it needs a segment to go on to.
            with contextlib.suppress(OSError):
                self._opener.remove(void.path)

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # what counts was synced before
                file.close()


def _lock(directory: Path) -> int:
    """Hold the writer's lock. Raises StoreUnavailableError while another process has it."""
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreUnavailableError(
            f"another process writes the event log in {directory}",
            hint="Only one edge may run on a data directory: stop the other one, or give this one its own directory.",
        ) from error
    return descriptor
