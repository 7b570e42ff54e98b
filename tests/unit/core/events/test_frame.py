"""Framing (RULES C4, I1): what tells whole from torn, and torn from damaged."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebbgate.core.errors import LogCorruptedError
from ebbgate.core.events import Heartbeat, Record, TrackedEvent
from ebbgate.core.events.frame import (
    SEGMENT_HEADER_BYTES,
    Ending,
    SegmentHeader,
    decode_record,
    decode_segment_header,
    encode_frame_header,
    encode_record,
    encode_segment_header,
    ending,
    frame_at,
    frames,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BASE = 1_000


def a_group(*payloads: bytes, synced: int) -> bytes:
    return b"".join(encode_frame_header(payload, synced=synced) + payload for payload in payloads)


def the_end(data: bytes) -> tuple[int, Ending]:
    stop = max((frame.end for frame in frames(data)), default=0)
    return stop, ending(data, stop, base=BASE)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_frames_give_back_their_payloads(payloads: list[bytes]) -> None:
    data = a_group(*payloads, synced=BASE)
    assert [data[frame.end - frame.length : frame.end] for frame in frames(data)] == payloads
    assert the_end(data) == (len(data), Ending.CLEAN)


def test_a_group_cut_anywhere_is_torn_and_its_whole_frames_stay() -> None:
    first, second = a_group(b"one", synced=BASE), a_group(b"two", synced=BASE)
    for size in range(len(first) + 1, len(first) + len(second)):
        assert the_end((first + second)[:size]) == (len(first), Ending.TORN)


def test_a_bad_frame_before_a_good_one_of_the_same_write_is_torn() -> None:
    """One write holds several frames, and a power cut may keep the second and lose the first."""
    first, group = a_group(b"one", synced=BASE), a_group(b"two", b"three", synced=BASE + 23)
    assert the_end(first + bytes(10) + group[10:]) == (len(first), Ending.TORN)


def test_a_bad_frame_before_one_of_a_later_write_is_damage() -> None:
    first = a_group(b"one", synced=BASE)
    second = a_group(b"two", synced=BASE + len(first))
    for place in range(len(first)):
        damaged = bytearray(first)
        damaged[place] ^= 0x10
        assert the_end(bytes(damaged) + second) == (0, Ending.DAMAGED)


def test_zeros_after_the_last_frame_are_a_torn_tail() -> None:
    data = a_group(b"one", synced=BASE)
    assert the_end(data + bytes(500)) == (len(data), Ending.TORN)


def test_a_frame_that_claims_a_later_place_than_its_own_witnesses_nothing() -> None:
    stray = a_group(b"from another file", synced=BASE + 10_000)
    assert the_end(b"\0" + stray) == (0, Ending.TORN)


def test_a_frame_that_could_go_on_is_short_and_one_that_cannot_is_bad() -> None:
    data = a_group(b"payload", synced=0)
    assert frame_at(data[:5], 0) == "short"
    assert frame_at(data[:-1], 0) == "short"
    assert frame_at(b"x" + data[1:], 0) == "bad"
    assert frame_at(data[:-1] + b"X", 0) == "bad"


def test_a_segment_header_survives_and_any_wrong_byte_is_noticed() -> None:
    header = SegmentHeader(base=5_000, previous_end=4_000)
    data = encode_segment_header(header)
    assert len(data) == SEGMENT_HEADER_BYTES
    assert decode_segment_header(data) == header
    assert decode_segment_header(data[:-1]) is None
    for place in range(len(data)):
        assert decode_segment_header(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]) is None


def test_a_record_survives_and_a_foreign_payload_is_named_with_its_offset() -> None:
    record = Record(received_at=NOON, machine_at=NOON, entries=[Heartbeat(source="edge-1", received_at=NOON)])
    assert decode_record(encode_record(record), offset=0) == record
    older = TrackedEvent(id="e", unit="u", name="n", occurred_at=NOON, sent_at=NOON, received_at=NOON)
    later = NOON + timedelta(seconds=1)
    written = Record(received_at=later, machine_at=later, entries=[older])
    assert decode_record(encode_record(written), offset=0) == written  # by an ebbgate that dated every entry
    with pytest.raises(LogCorruptedError, match="offset 77"):
        decode_record(b"\x81\xa1x\x01", offset=77)
