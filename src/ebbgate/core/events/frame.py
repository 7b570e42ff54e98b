"""How a record lies in the log: framing, and the difference between a torn tail and damage (RULES C4, I1). Pure.

A segment is a header and then frames. A log offset counts frame bytes only, over all segments.

    segment header   magic 8 | base u64 | previous_end u64 | crc32 u32
    frame            magic 4 | length u32 | crc32 u32 | synced u64 | payload (msgpack of a Record)

`synced` is the offset up to which the log was durable when the frame was written. A bad frame at offset p with a good
one after it whose `synced` is beyond p was damaged after it had been acknowledged. Without such a witness it belongs to
the last write, which was never acknowledged: a torn tail (a power cut may keep any pages of the frames in that write).
`previous_end` is where the segment before ends for good: bytes after it belong to a write that failed.
"""

import struct
from collections.abc import Iterator
from enum import StrEnum
from typing import Literal
from zlib import crc32

import msgspec

from ebbgate.core.errors import LogCorruptedError
from ebbgate.core.events.types import Record

SEGMENT_MAGIC = b"EBBLOG1\n"
FRAME_MAGIC = b"\xebB1\n"
PAYLOAD_BYTES_MAX = 64 * 1024 * 1024  # a larger length is not one of ours

_SEGMENT = struct.Struct("<8sQQ")
_CRC = struct.Struct("<I")
_FRAME = struct.Struct("<4sIIQ")
_CHECKED = struct.Struct("<IQ")  # what the checksum covers beside the payload
SEGMENT_HEADER_BYTES = _SEGMENT.size + _CRC.size
FRAME_HEADER_BYTES = _FRAME.size

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


class SegmentHeader(msgspec.Struct, frozen=True, kw_only=True):
    """base: log offset of the segment's first frame. previous_end: trusted end of the segment before, <= base."""

    base: int
    previous_end: int


class Ending(StrEnum):
    """Why a scan of frames stopped."""

    CLEAN = "clean"  # at the end of the bytes
    TORN = "torn"  # at bytes that are not a whole good frame, and that nothing says were ever acknowledged
    DAMAGED = "damaged"  # at bytes that were acknowledged, and are not what was written


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A good frame. start, end: positions in the scanned bytes; payload lies at [end - length, end)."""

    start: int
    end: int
    length: int
    synced: int


def encode_segment_header(header: SegmentHeader) -> bytes:
    """The bytes that a segment file begins with."""
    body = _SEGMENT.pack(SEGMENT_MAGIC, header.base, header.previous_end)
    return body + _CRC.pack(crc32(body))


def decode_segment_header(data: bytes) -> SegmentHeader | None:
    """The header that `data` begins with, or None if it is not one."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, base, previous_end = _SEGMENT.unpack_from(data)
    (checksum,) = _CRC.unpack_from(data, _SEGMENT.size)
    if magic != SEGMENT_MAGIC or checksum != crc32(data[: _SEGMENT.size]) or previous_end > base:
        return None
    return SegmentHeader(base=base, previous_end=previous_end)


def encode_record(record: Record) -> bytes:
    """A record as a frame's payload."""
    return _encoder.encode(record)


def decode_record(payload: bytes | memoryview, *, offset: int) -> Record:
    """The record in a good frame's payload. offset: for the message. Raises LogCorruptedError if it is no record."""
    try:
        return _decoder.decode(payload)
    except msgspec.DecodeError as error:
        raise LogCorruptedError(
            f"the record at log offset {offset} cannot be read: {error}",
            hint="A newer ebbgate may have written it: upgrade this one, or restore the log from a backup.",
        ) from error


def encode_frame_header(payload: bytes, *, synced: int) -> bytes:
    """The header of a frame; it and the payload are written one after the other."""
    length = len(payload)
    assert length <= PAYLOAD_BYTES_MAX
    return _FRAME.pack(FRAME_MAGIC, length, _checksum(payload, length, synced), synced)


def frame_at(data: bytes | memoryview, start: int) -> Frame | Literal["short", "bad"]:
    """The frame that begins at `start`; "short" if it may go on after the end of `data`, "bad" if it cannot be one."""
    available = len(data) - start
    if available < FRAME_HEADER_BYTES:
        return "short"
    magic, length, checksum, synced = _FRAME.unpack_from(data, start)
    if magic != FRAME_MAGIC or length > PAYLOAD_BYTES_MAX:
        return "bad"
    if available < FRAME_HEADER_BYTES + length:
        return "short"
    end = start + FRAME_HEADER_BYTES + length
    if checksum != _checksum(memoryview(data)[end - length : end], length, synced):
        return "bad"
    return Frame(start, end, length, synced)


def frames(data: bytes | memoryview, start: int = 0) -> Iterator[Frame]:
    """Good frames from `start` on, up to the first that is not one."""
    while isinstance(frame := frame_at(data, start), Frame):
        yield frame
        start = frame.end


def ending(data: bytes, stop: int, *, base: int) -> Ending:
    """Why the frames of `data` end at `stop`. base: the log offset of `data`'s first byte."""
    if stop == len(data):
        return Ending.CLEAN
    bad_offset = base + stop
    position = data.find(FRAME_MAGIC, stop + 1)
    while position >= 0:
        frame = frame_at(data, position)
        if isinstance(frame, Frame) and bad_offset < frame.synced <= base + position:
            return Ending.DAMAGED
        position = data.find(FRAME_MAGIC, position + 1)
    return Ending.TORN


def _checksum(payload: bytes | memoryview, length: int, synced: int) -> int:
    return crc32(payload, crc32(_CHECKED.pack(length, synced)))
