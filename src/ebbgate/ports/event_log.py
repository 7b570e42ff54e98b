"""The event log (RULES C4, I1): the edge appends, control reads by offset. The offset is the only cursor.

A log offset is one integer that only grows; it may skip values where a write failed. 0 is the beginning.
"""

from pathlib import Path
from typing import Protocol

import msgspec

from ebbgate.core.events.types import Record


class ReadResult(msgspec.Struct, frozen=True, kw_only=True):
    """records: with the offset after each, in order. next_offset: where to read on; with the rows, it is the cursor."""

    records: list[tuple[int, Record]]
    next_offset: int


class EventLogWriter(Protocol):
    """The only writer of a log."""

    async def append(self, record: Record) -> int:
        """Append durably; returns the offset after the record, once it is on disk (RULES C4).

        Appends that wait at the same time share one fsync. Raises StoreUnavailableError: then the record was not
        acknowledged, though a reader may see it, and the caller may try again with the same ids.
        """
        ...

    def end_offset(self) -> int:
        """The offset up to which everything is durable."""
        ...

    def close(self) -> None:
        """Finish what waits, then give the log free. Appends after it raise StoreUnavailableError."""
        ...


class EventLogReader(Protocol):
    """Reads a log while another process writes it."""

    def read(self, from_offset: int, *, limit_bytes: int = 8 * 1024 * 1024) -> ReadResult:
        """Durable records after `from_offset`, oldest first; none if there are no more now.

        limit_bytes: about how much at once; one record always fits. from_offset: 0, or one that a read gave.
        Raises LogCorruptedError for damage, for an offset beyond the end, and for one that retention has removed.
        """
        ...

    def end_offset(self) -> int:
        """The offset after the newest whole record: how far reading can get now."""
        ...

    def prune(self, before_offset: int) -> int:
        """Remove what lies wholly before `before_offset`, which must be ingested already; returns bytes removed."""
        ...

    def close(self) -> None: ...


class LogFile(Protocol):
    """A segment file open for writing at its end. Errors are OSError."""

    def write(self, data: bytes) -> int:
        """Write at the end; returns how many bytes went."""
        ...

    def sync(self) -> None:
        """Make all that was written durable."""
        ...

    def truncate(self, size: int) -> None: ...

    def close(self) -> None: ...


class FileOpener(Protocol):
    """How the writer touches the disk; tests put faults here. Errors are OSError."""

    def open(self, path: Path) -> LogFile:
        """Open for appending; the file is made if there is none."""
        ...

    def publish(self, temporary: Path, final: Path) -> None:
        """Give a synced file its final name, durably."""
        ...

    def remove(self, path: Path) -> None: ...
