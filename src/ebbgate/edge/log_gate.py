"""The event log as the edge sees it: it may fail, and come back, while flags go on being served."""

import asyncio
from collections.abc import Callable

import structlog

from ebbgate.core.errors import EbbgateError, StoreUnavailableError
from ebbgate.core.events.types import Record
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.ports.clock import Clock
from ebbgate.ports.event_log import EventLogWriter

_log = structlog.get_logger("ebbgate.edge")


class LogGate:
    """Opens the writer, and opens it again after a failure to do so. `is_writable` is what the last attempt said."""

    def __init__(self, open_writer: Callable[[], EventLogWriter], clock: Clock, metrics: EdgeMetrics) -> None:
        """open_writer: blocks, reads the tail of the log. Raises EbbgateError or OSError."""
        self._open_writer = open_writer
        self._clock = clock
        self._metrics = metrics
        self._writer: EventLogWriter | None = None
        self._opening = asyncio.Lock()
        self._reason: str | None = None  # why the last attempt failed, said once
        self.is_writable = False

    async def open(self) -> None:
        """Open the writer if it is not open. Raises StoreUnavailableError."""
        async with self._opening:
            if self._writer is not None:
                return
            try:
                self._writer = await asyncio.to_thread(self._open_writer)
            except (OSError, EbbgateError) as error:
                self._note(error)
                raise StoreUnavailableError(
                    f"the event log cannot be opened: {error}",
                    hint="Look at space and permissions of the data directory.",
                ) from error

    async def append(self, record: Record) -> None:
        """Return once the record is on disk (RULES C4). Raises StoreUnavailableError."""
        if self._writer is None:
            await self.open()
            assert self._writer is not None
        began = self._clock.monotonic()
        try:
            await self._writer.append(record)
        except StoreUnavailableError as error:
            self._note(error)
            raise
        self._metrics.append_s.observe(self._clock.monotonic() - began)
        if not self.is_writable:
            self.is_writable = True
            self._reason = None
            _log.info("log_writable")

    async def close(self) -> None:
        """Finish what waits."""
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)

    def _note(self, error: Exception) -> None:
        self.is_writable = False
        if self._reason != str(error):
            self._reason = str(error)
            _log.error("log_not_writable", reason=self._reason)
