"""Event streams: each change is encoded once, and written to every reader; a slow reader waits for itself alone."""

import asyncio
import contextlib
from collections import Counter
from http import HTTPStatus

import structlog

from ebbgate.core.errors import BadRequestError
from ebbgate.core.events.types import EvaluatorReport, EvaluatorState
from ebbgate.edge.guard import Guard
from ebbgate.edge.http import Receive, Scope, Send, query
from ebbgate.edge.journal import Journal
from ebbgate.edge.metrics import EdgeMetrics
from ebbgate.edge.proof import ProofBook
from ebbgate.edge.served import Served, ServedSnapshots, StreamEvent
from ebbgate.edge.settings import EdgeSettings
from ebbgate.ports.clock import Clock

_log = structlog.get_logger("ebbgate.edge")
_KEEPALIVE = b": keepalive\n\n"
_NAME_MAX = 128
_START = {
    "type": "http.response.start",
    "status": int(HTTPStatus.OK),
    "headers": [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ],
}


class Push:
    """One snapshot on its way to the streams that were open when it was noticed."""

    __slots__ = ("_clock", "_metrics", "_noticed_at", "left")

    def __init__(self, clock: Clock, metrics: EdgeMetrics, *, noticed_at: float, left: int) -> None:
        self._clock = clock
        self._metrics = metrics
        self._noticed_at = noticed_at
        self.left = left

    def done(self) -> None:
        """A stream was written, overtaken by a newer push, or went away."""
        self.left -= 1
        if self.left == 0:
            self._metrics.push_s.observe(self._clock.monotonic() - self._noticed_at)


class Stream:
    """One reader. Its mailbox holds one frame, the newest: a reader that misses versions has lost nothing.

    evaluator: None for a reader of notices, which evaluates elsewhere and is no evaluator to report.
    blocked_since, written_at: monotonic machine seconds; blocked while a write waits for the reader to read.
    """

    __slots__ = (
        "_frame", "_push", "_transport", "blocked_since", "environment", "evaluator", "is_closing", "is_dropped",
        "is_started", "name", "task", "token_id", "wake", "written_at",
    )  # fmt: skip

    def __init__(
        self,
        *,
        evaluator: str | None,
        name: str,
        environment: str,
        token_id: str,
        now: float,
        transport: asyncio.WriteTransport | None = None,
    ) -> None:
        """transport: the connection, where the server gives it to us."""
        self.evaluator = evaluator
        self.name = name
        self.environment = environment
        self.token_id = token_id
        self.wake = asyncio.Event()
        self.task = asyncio.current_task()
        self.is_closing = False
        self.is_dropped = False
        self.is_started = False
        self.blocked_since: float | None = None
        self.written_at = now
        self._frame: bytes | None = None
        self._push: Push | None = None
        self._transport = transport
        if transport is not None:
            transport.set_write_buffer_limits(high=0)  # what the kernel does not take at once blocks the next write

    def event_of(self, served: Served) -> StreamEvent:
        """What this reader is to be told of a snapshot."""
        return served.notice if self.evaluator is None else served.event

    def write_now(self, chunk: bytes, now: float) -> bool:
        """Write past the task and the mailbox, if the connection is idle and has taken everything so far.

        Waking a task for each of ten thousand streams would take several times as long. The server frames an answer
        without a length as chunks, and so must this.
        """
        transport = self._transport
        if transport is None or not self.is_started or self.is_closing or self.blocked_since is not None:
            return False
        if self._frame is not None or transport.is_closing() or transport.get_write_buffer_size():
            return False
        transport.write(chunk)
        self.written_at = now
        return True

    def abort(self) -> None:
        """Close the connection without waiting for what its reader has not taken."""
        if self._transport is not None:
            self._transport.abort()

    def put(self, frame: bytes, push: Push | None = None) -> None:
        """Leave a frame, in place of one that is still there."""
        self.settle()
        self._frame, self._push = frame, push
        self.wake.set()

    def keep_alive(self) -> None:
        if self._frame is None:
            self.put(_KEEPALIVE)

    def close(self) -> None:
        """End the stream when its task runs next."""
        self.is_closing = True
        self.wake.set()

    def take(self) -> tuple[bytes | None, Push | None]:
        """Empty the mailbox."""
        frame, push = self._frame, self._push
        self._frame = self._push = None
        return frame, push

    def settle(self) -> None:
        """The push that waits here will not be written."""
        if self._push is not None:
            self._push.done()
            self._push = None


class StreamHub:
    """All open streams."""

    def __init__(
        self,
        settings: EdgeSettings,
        guard: Guard,
        snapshots: ServedSnapshots,
        journal: Journal,
        proofs: ProofBook,
        metrics: EdgeMetrics,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._guard = guard
        self._snapshots = snapshots
        self._journal = journal
        self._proofs = proofs
        self._metrics = metrics
        self._clock = clock
        self._streams: set[Stream] = set()
        self._by_evaluator: dict[str, Stream] = {}
        self._is_closed = False

    def counts(self) -> dict[str, int]:
        """Open streams by environment."""
        return Counter(stream.environment for stream in self._streams)

    def push(self, served: Served, *, noticed_at: float) -> None:
        """Leave the snapshot with every stream of its environment."""
        self._proofs.change(served.environment, served.version, noticed_at=noticed_at)
        streams = [stream for stream in self._streams if stream.environment == served.environment]
        push = Push(self._clock, self._metrics, noticed_at=noticed_at, left=len(streams))
        now = self._clock.monotonic()
        for stream in streams:
            event = stream.event_of(served)
            if stream.write_now(event.chunk, now):
                push.done()
            else:
                stream.put(event.frame, push)

    def sweep(self) -> None:
        """Keep silent streams alive, and drop those whose readers do not read. Called about once a second."""
        now = self._clock.monotonic()
        for stream in self._streams:
            if stream.blocked_since is not None:
                if now - stream.blocked_since >= self._settings.stalled_s:
                    self._drop(stream)
            elif now - stream.written_at >= self._settings.keepalive_s:
                stream.keep_alive()

    def close_ungranted(self) -> None:
        """End the streams whose token was revoked since they began."""
        for stream in self._streams:
            if not self._guard.is_granted(stream.token_id):
                stream.close()

    def close(self) -> None:
        """End every stream now, so that the server can stop; readers come back by themselves."""
        self._is_closed = True
        for stream in self._streams:
            stream.close()
            if stream.blocked_since is not None:
                self._drop(stream)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET /v1/stream: the current snapshot at once, then every new one, until either side goes."""
        await self.run(self._open(scope), receive, send)

    async def run(self, stream: Stream, receive: Receive, send: Send) -> None:
        """Open a stream, and write to it until either side goes."""
        self._streams.add(stream)
        if stream.evaluator is not None:
            self._by_evaluator[stream.evaluator] = stream
            self._proofs.connect(stream.evaluator, stream.environment)
        if self._is_closed:
            stream.close()
        watcher = asyncio.create_task(_close_when_gone(stream, receive))
        self._report(stream, "connected")
        try:
            await send(_START)
            stream.is_started = True
            await self._write(stream, send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except asyncio.CancelledError:
            if not stream.is_dropped:
                raise
            stream.abort()
        finally:
            watcher.cancel()
            self._forget(stream)

    async def _write(self, stream: Stream, send: Send) -> None:
        """Write what comes into the mailbox. Nothing in here waits for another stream."""
        while not stream.is_closing:
            frame, push = stream.take()
            if frame is None:
                await stream.wake.wait()
                stream.wake.clear()
                continue
            stream.blocked_since = self._clock.monotonic()
            try:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
            finally:
                stream.written_at, stream.blocked_since = stream.blocked_since, None
                if push is not None:
                    push.done()

    def _open(self, scope: Scope) -> Stream:
        grant = self._guard.admit(scope, "read_snapshot")
        served = self._snapshots.get(self._guard.environment(scope, grant))
        asked = query(scope)
        evaluator = asked.get("evaluator", "")
        if not 0 < len(evaluator) <= _NAME_MAX:
            raise BadRequestError(
                f"`evaluator` must have 1 to {_NAME_MAX} characters", hint="Name the evaluator: ?evaluator=<id>."
            )
        stream = Stream(
            evaluator=evaluator,
            name=(asked.get("name") or evaluator)[:_NAME_MAX],
            environment=served.environment,
            token_id=grant.token.id,
            now=self._clock.monotonic(),
            transport=scope.get("state", {}).get("transport"),
        )
        stream.put(served.event.frame)
        return stream

    def _forget(self, stream: Stream) -> None:
        stream.settle()
        self._streams.discard(stream)
        # An evaluator that has connected anew is not disconnected because its old connection ends at last.
        if stream.evaluator is not None and self._by_evaluator.get(stream.evaluator) is stream:
            del self._by_evaluator[stream.evaluator]
            self._proofs.disconnect(stream.evaluator)
            self._report(stream, "disconnected")

    def _drop(self, stream: Stream) -> None:
        if stream.is_dropped:
            return
        stream.is_dropped = True
        self._metrics.streams_dropped.inc()
        _log.warning("stream_dropped", evaluator=stream.evaluator, name=stream.name)
        assert stream.task is not None
        stream.task.cancel()

    def _report(self, stream: Stream, state: EvaluatorState) -> None:
        if stream.evaluator is None:
            return
        self._journal.add(
            EvaluatorReport(
                evaluator=stream.evaluator,
                name=stream.name,
                kind="stream",
                state=state,
                reported_at=self._clock.machine_now(),
                environment=stream.environment,
            )
        )


async def _close_when_gone(stream: Stream, receive: Receive) -> None:
    """A client that goes away is only seen by asking for more of its request."""
    with contextlib.suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
        stream.close()
