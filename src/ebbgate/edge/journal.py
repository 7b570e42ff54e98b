"""What the edge itself says to the log, in the background: exposures by OFREP, reports of streams, heartbeats."""

from collections import deque

import msgspec

from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.events.types import EvaluatorReport, Exposure, Heartbeat, Record
from ebbgate.edge.http import NotReadyError
from ebbgate.edge.log_gate import LogGate
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.served import ServedSnapshots

_RECORD_ENTRIES_MAX = 5_000
_stamp = msgspec.structs.force_setattr  # entries here were made here, and nobody else holds them


class Journal:
    """Entries that wait to be written. Bounded: a full journal takes no more, and says so."""

    def __init__(
        self, gate: LogGate, snapshots: ServedSnapshots, metrics: EdgeMetrics, *, entries_max: int, source: str
    ) -> None:
        self._gate = gate
        self._snapshots = snapshots
        self._metrics = metrics
        self._entries_max = entries_max
        self._source = source
        self._pending: deque[Exposure | EvaluatorReport] = deque()

    def add(self, entry: Exposure | EvaluatorReport) -> bool:
        """Take an entry for the next write; False if there is no room."""
        if len(self._pending) >= self._entries_max:
            self._metrics.journal_dropped.inc()
            return False
        self._pending.append(entry)
        return True

    async def flush(self) -> None:
        """Write what waits. Raises StoreUnavailableError or NotReadyError; what was not written goes on waiting."""
        while self._pending:
            batch = [self._pending.popleft() for _ in range(min(len(self._pending), _RECORD_ENTRIES_MAX))]
            try:
                received_at, machine_at = self._snapshots.moment()
                for entry in batch:
                    if isinstance(entry, Exposure):
                        _stamp(entry, "sent_at", received_at)
                await self._gate.append(Record(received_at=received_at, machine_at=machine_at, entries=[*batch]))
            except (StoreUnavailableError, NotReadyError):
                # Written or not, the ids are the same next time (RULES C4), so that nothing counts twice.
                self._pending.extendleft(reversed(batch))
                raise

    async def heartbeat(self) -> None:
        """Move the log's watermark. Raises StoreUnavailableError, NotReadyError before the first snapshot."""
        received_at, machine_at = self._snapshots.moment()
        beat = Heartbeat(source=self._source, received_at=received_at)
        await self._gate.append(Record(received_at=received_at, machine_at=machine_at, entries=[beat]))
