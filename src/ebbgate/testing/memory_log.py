"""The event log in memory, for simulations and unit tests. Durable as long as the object lives."""

from bisect import bisect_right

from ebbgate.core.errors import LogCorruptedError, StoreUnavailableError
from ebbgate.core.events.frame import FRAME_HEADER_BYTES, decode_record, encode_record
from ebbgate.core.events.types import Record
from ebbgate.ports.event_log import ReadResult


class MemoryLog:
    """Writer and reader in one; implements `EventLogWriter` and `EventLogReader`. Offsets are those of the file log."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._payloads: list[bytes] = []  # encoded, so that what is read is equal to what was written, not the same
        self._begin = 0
        self._is_closed = False
        self.is_failing = False  # appends are refused, as by a full disk

    async def append(self, record: Record) -> int:
        return self.append_now(record)

    def append_now(self, record: Record) -> int:
        """`append` for callers without an event loop."""
        if self.is_failing or self._is_closed:
            raise StoreUnavailableError(
                "the event log is closed" if self._is_closed else "the event log cannot be written",
                hint="Nothing of it was acknowledged: try again.",
            )
        payload = encode_record(record)
        self._payloads.append(payload)
        self._ends.append(self.end_offset() + FRAME_HEADER_BYTES + len(payload))
        return self._ends[-1]

    def read(self, from_offset: int, *, limit_bytes: int = 8 * 1024 * 1024) -> ReadResult:
        if from_offset < self._begin or from_offset > self.end_offset():
            raise LogCorruptedError(
                f"log offset {from_offset} lies outside [{self._begin}, {self.end_offset()}]",
                hint="Read on from a cursor that came from this log.",
            )
        records: list[tuple[int, Record]] = []
        for place in range(bisect_right(self._ends, from_offset), len(self._ends)):
            end = self._ends[place]
            if records and end - from_offset > limit_bytes:
                break
            records.append((end, decode_record(self._payloads[place], offset=end)))
        return ReadResult(records=records, next_offset=records[-1][0] if records else from_offset)

    def end_offset(self) -> int:
        return self._ends[-1] if self._ends else self._begin

    def prune(self, before_offset: int) -> int:
        count = min(bisect_right(self._ends, before_offset), len(self._ends) - 1)
        if count <= 0:
            return 0
        removed_bytes = self._ends[count - 1] - self._begin
        self._begin = self._ends[count - 1]
        del self._ends[:count], self._payloads[:count]
        return removed_bytes

    def reopen(self) -> "MemoryLog":
        """The same log after a restart."""
        self._is_closed = False
        return self

    def close(self) -> None:
        self._is_closed = True
