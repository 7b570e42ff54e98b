"""Server-sent events, parsed from bytes as they come. Source: WHATWG HTML, section 9.2.6."""

from typing import NamedTuple

LINE_MAX_BYTES = 64 * 1024 * 1024  # a line without an end must not eat the host's memory


class StreamEvent(NamedTuple):
    """One event. name: `message` where the stream gives none."""

    name: str
    data: bytes


class StreamFormatError(Exception):
    """The stream is not one that this client can read."""


class EventStreamParser:
    """Feed it bytes in any pieces; it gives the events that are complete. Comments (keepalives) give none."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # how much of the buffer is known to hold no line end: one pass over a long line, not many
        self._name = ""
        self._data: list[bytes] = []

    @property
    def is_between_events(self) -> bool:
        """Whether everything that came is complete."""
        return not self._buffer and not self._data

    def feed(self, piece: bytes) -> list[StreamEvent]:
        """Raises StreamFormatError on a line longer than LINE_MAX_BYTES."""
        self._buffer += piece
        events: list[StreamEvent] = []
        start = 0
        while (end := self._buffer.find(b"\n", max(start, self._searched))) >= 0:
            line = bytes(self._buffer[start:end]).removesuffix(b"\r")
            start = end + 1
            if line:
                self._take_field(line)
            elif event := self._finish_event():
                events.append(event)
        del self._buffer[:start]
        self._searched = len(self._buffer)
        if self._searched > LINE_MAX_BYTES:
            raise StreamFormatError(f"a line of the event stream is longer than {LINE_MAX_BYTES} bytes")
        return events

    def _take_field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"data":
            self._data.append(value)

    def _finish_event(self) -> StreamEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return StreamEvent(name, b"\n".join(data)) if data else None
