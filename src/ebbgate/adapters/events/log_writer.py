"""The event log's writer: an asyncio face over one thread that writes and syncs, so that the event loop never blocks.

While the thread syncs one group, the appends that arrive wait, and are the next group: they share its sync (RULES C4).
"""

import asyncio
import contextlib
import threading
from pathlib import Path

import msgspec

from ebbgate.adapters.events.log_files import DiskOpener
from ebbgate.adapters.events.log_store import SegmentStore
from ebbgate.core.errors import LimitError, StoreUnavailableError
from ebbgate.core.events.frame import PAYLOAD_BYTES_MAX, encode_record
from ebbgate.core.events.types import Record
from ebbgate.ports.event_log import FileOpener

SEGMENT_BYTES_MAX = 64 * 1024 * 1024  # the last one is read whole at a start: a tenth of a second
GROUP_BYTES_MAX = 8 * 1024 * 1024  # so that the first append of a group does not wait for a second's worth of others
WAITING_BYTES_MAX = 64 * 1024 * 1024  # memory; beyond it the disk is too slow, and callers should hear it


class _Waiting(msgspec.Struct, gc=False):
    payload: bytes
    future: asyncio.Future[int]
    loop: asyncio.AbstractEventLoop


class SegmentedLogWriter:
    """The only writer of the log in `directory`. Implements `EventLogWriter`.

    Raises StoreUnavailableError if another process writes it or the disk refuses, LogCorruptedError if it is damaged.
    """

    def __init__(
        self,
        directory: Path,
        *,
        opener: FileOpener | None = None,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
    ) -> None:
        try:
            self._store = SegmentStore(directory, opener=opener or DiskOpener(), segment_bytes_max=segment_bytes_max)
        except OSError as error:
            raise _unavailable(f"the event log in {directory} cannot be opened: {error}") from error
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._waiting_bytes_max = waiting_bytes_max
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="event-log-writer", daemon=True)
        self._thread.start()

    async def append(self, record: Record) -> int:
        payload = encode_record(record)
        del record  # thousands of objects, not to be kept warm in memory while the disk works (measured: a fifth)
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise LimitError(
                f"a record of {len(payload)} bytes, {PAYLOAD_BYTES_MAX} are allowed", hint="Send smaller batches."
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        with self._changed:
            if self._is_closed:
                raise _unavailable("the event log is closed")
            if self._waiting_bytes + len(payload) > self._waiting_bytes_max:
                raise _unavailable(f"{self._waiting_bytes} bytes wait for the disk already")
            self._waiting.append(_Waiting(payload, future, loop))
            self._waiting_bytes += len(payload)
            self._changed.notify()
        return await future

    def end_offset(self) -> int:
        return self._store.end

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()
        self._store.close()

    def _run(self) -> None:
        while group := self._next_group():
            try:
                ends = self._store.append([waiting.payload for waiting in group])
            except OSError as error:
                _tell(group, _unavailable(f"the event log cannot be written: {error}"))
            else:
                _tell(group, ends)

    def _next_group(self) -> list[_Waiting]:
        """What waits, up to the group's limit; waits for the first. Empty when closed and all is done."""
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            size = count = 0
            for waiting in self._waiting:
                if count and size + len(waiting.payload) > GROUP_BYTES_MAX:
                    break
                size += len(waiting.payload)
                count += 1
            group, self._waiting = self._waiting[:count], self._waiting[count:]
            self._waiting_bytes -= size
            return group


def _tell(group: list[_Waiting], result: list[int] | StoreUnavailableError) -> None:
    """Wake every caller of a group; one call into each event loop."""
    for loop in {id(waiting.loop): waiting.loop for waiting in group}.values():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle, loop, group, result)


def _settle(loop: asyncio.AbstractEventLoop, group: list[_Waiting], result: list[int] | StoreUnavailableError) -> None:
    for place, waiting in enumerate(group):
        if waiting.loop is not loop or waiting.future.done():  # a cancelled caller
            continue
        if isinstance(result, StoreUnavailableError):
            # One exception object in several tasks would collect all their tracebacks.
            waiting.future.set_exception(StoreUnavailableError(result.message, hint=result.hint))
        else:
            waiting.future.set_result(result[place])


def _unavailable(message: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        message, hint="Nothing of it was acknowledged: try again; look at the disk's free space."
    )
