import pytest

from ebbgate.sdk import event_stream
from ebbgate.sdk.event_stream import EventStreamParser, StreamEvent, StreamFormatError

TEXT = b': keepalive\n\nid: 7\nevent: snapshot\ndata: {"a":1}\n\ndata:x\r\ndata: y\r\n\r\nevent: nothing\n\n'
EVENTS = [StreamEvent("snapshot", b'{"a":1}'), StreamEvent("message", b"x\ny")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_the_same_in_any_pieces(size: int) -> None:
    parser = EventStreamParser()
    events = [event for start in range(0, len(TEXT), size) for event in parser.feed(TEXT[start : start + size])]
    assert events == EVENTS


def test_an_unfinished_event_is_no_event() -> None:
    assert EventStreamParser().feed(b"event: snapshot\ndata: {}\n") == []


def test_a_line_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "LINE_MAX_BYTES", 100)
    parser = EventStreamParser()
    parser.feed(b"data: " + b"x" * 90)
    with pytest.raises(StreamFormatError):
        parser.feed(b"x" * 10)
