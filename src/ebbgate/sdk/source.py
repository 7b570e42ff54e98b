"""The stream thread: follows snapshots, and polls for them while the stream cannot be had."""

import threading
from collections.abc import Callable

from ebbgate.sdk.event_stream import EventStreamParser, StreamFormatError
from ebbgate.sdk.holder import SnapshotHolder
from ebbgate.sdk.notices import Notice
from ebbgate.sdk.timing import Backoff
from ebbgate.sdk.transport import RefusedError, Stream, Transport, UnreachableError


class SnapshotSource:
    """`run` is the thread's body, and `stop` ends it. applied: called after a snapshot from the server is in force."""

    def __init__(
        self,
        *,
        transport: Transport,
        holder: SnapshotHolder,
        backoff: Backoff,
        environment: str,
        evaluator: str,
        name: str,
        applied: Callable[[int], None],
    ) -> None:
        self.connections = 0
        self._transport = transport
        self._holder = holder
        self._backoff = backoff
        self._environment = environment
        self._evaluator = evaluator
        self._name = name
        self._applied = applied
        self._stopping = threading.Event()
        self._stream: Stream | None = None
        self._etag: str | None = None

    def run(self) -> None:
        while not self._stopping.is_set():
            reason = self._contained(self._follow)
            if self._stopping.is_set():
                break
            self._holder.lost(reason)
            self._contained(self._poll)
            self._stopping.wait(self._backoff.next_s())
        self._holder.contact.is_live = False

    def stop(self) -> None:
        """End the thread soon; it may be waiting in a read or in a connect."""
        self._stopping.set()
        if (stream := self._stream) is not None:
            stream.interrupt()

    def abandon(self) -> None:
        """In a forked child: the stream is the parent's."""
        if (stream := self._stream) is not None:
            stream.abandon()

    def _contained(self, step: Callable[[], str]) -> str:
        """Whatever happens on the way to the server must not end the thread; it becomes a reason."""
        try:
            return step()
        except UnreachableError as error:
            reason = f"the server cannot be reached: {error}"
            if not self.connections:  # never yet: a mistake in the set-up rather than an outage
                self._tell(reason)
            return reason
        except (RefusedError, StreamFormatError) as error:
            self._tell(str(error))
            return str(error)
        except Exception as error:
            self._tell(f"{type(error).__name__}: {error}")
            return f"unexpected {type(error).__name__}"

    def _follow(self) -> str:
        """One connection, from opening to loss."""
        stream = self._transport.open_stream(environment=self._environment, evaluator=self._evaluator, name=self._name)
        self._stream = stream
        self.connections += 1
        parser = EventStreamParser()
        is_in_force = False  # what this connection sent last: until it is served, the bytes prove nothing (RULES B7)
        try:
            while not self._stopping.is_set():
                piece = stream.read()
                if not piece:
                    return "the server ended the stream"
                for event in parser.feed(piece):
                    if event.name == "snapshot":
                        is_in_force = self._take(event.data)
                if is_in_force and parser.is_between_events:
                    self._holder.heard()
            return "the client is closing"
        finally:
            self._stream = None
            self._holder.contact.is_live = False
            stream.close()

    def _take(self, data: bytes) -> bool:
        """Swap first; everything else can wait. Whether the snapshot is in force."""
        is_in_force = self._holder.receive(data)
        self._backoff.reset()
        if is_in_force:
            self._holder.found()
            self._confirm(is_in_force)
            self._holder.save()
        else:
            self._holder.contact.is_live = False
        return is_in_force

    def _poll(self) -> str:
        answer = self._transport.get_snapshot(environment=self._environment, etag=self._etag)
        if answer.status not in (200, 304):
            raise RefusedError(answer.status, answer.detail)
        if answer.status == 304:  # of a snapshot that came into force: no other's tag is sent
            self._holder.heard()
        else:
            is_in_force = self._holder.receive(answer.body)
            self._etag = answer.etag if is_in_force else None
            self._confirm(is_in_force)
            if is_in_force:
                self._holder.save()
        return ""

    def _confirm(self, is_in_force: bool) -> None:
        version = self._holder.snapshot_version
        if is_in_force and version is not None:
            self._applied(version)

    def _tell(self, message: str) -> None:
        version = self._holder.snapshot_version
        self._holder.notices.post(Notice(kind="error", message=message, snapshot_version=version))
