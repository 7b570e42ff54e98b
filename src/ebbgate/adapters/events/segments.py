"""Segment files: `<base offset, 20 digits>.log` in one folder; their chain, how they are made, and where they end."""

import contextlib
import os
from itertools import pairwise
from pathlib import Path

import msgspec

from ebbgate.core.errors import LogCorruptedError
from ebbgate.core.events.frame import (
    SEGMENT_HEADER_BYTES,
    Ending,
    SegmentHeader,
    decode_segment_header,
    encode_segment_header,
    ending,
    frames,
)
from ebbgate.ports.event_log import FileOpener, LogFile

SUFFIX = ".log"
TEMPORARY_SUFFIX = ".new"
_RESTORE = "Restore the data directory from a backup; events after this place are still in the file."


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment on disk. base: log offset of its first frame. previous_end: trusted end of the one before it."""

    path: Path
    base: int
    previous_end: int

    def position(self, offset: int) -> int:
        """Where a log offset lies in the file."""
        return offset - self.base + SEGMENT_HEADER_BYTES

    def offset(self, position: int) -> int:
        """The log offset of a place in the file."""
        return position - SEGMENT_HEADER_BYTES + self.base


def list_bases(directory: Path) -> list[int]:
    """The base offsets of the segments, oldest first."""
    names = (name.removesuffix(SUFFIX) for name in os.listdir(directory) if name.endswith(SUFFIX))
    return sorted(int(name) for name in names if name.isdecimal())


def segment_path(directory: Path, base: int) -> Path:
    return directory / f"{base:020d}{SUFFIX}"


def open_segment(directory: Path, base: int) -> tuple[int, Segment]:
    """A descriptor for reading, and the segment. Raises FileNotFoundError, LogCorruptedError for a bad header."""
    path = segment_path(directory, base)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    header = decode_segment_header(os.pread(descriptor, SEGMENT_HEADER_BYTES, 0))
    if header is None or header.base != base:
        os.close(descriptor)
        raise damage(path, base, "its header is not one")
    return descriptor, Segment(path=path, base=base, previous_end=header.previous_end)


def load_segment(directory: Path, base: int) -> Segment:
    """What a segment's header says."""
    descriptor, segment = open_segment(directory, base)
    os.close(descriptor)
    return segment


def check_chain(directory: Path, bases: list[int]) -> None:
    """Each segment must reach to where the next one says that it ends. Raises LogCorruptedError.

    A segment that ends before it begins is void: its first write failed, and another one took its place.
    """
    for base, following in pairwise(bases):
        segment, successor = load_segment(directory, base), load_segment(directory, following)
        end = successor.previous_end
        if segment.path.stat().st_size < segment.position(end):
            raise damage(segment.path, end, "it is shorter than the next segment says, or one between them is missing")


def create_segment(opener: FileOpener, directory: Path, header: SegmentHeader) -> tuple[LogFile, Segment]:
    """A new segment, durable under its name before anything is written to it. Raises OSError."""
    final = segment_path(directory, header.base)
    temporary = final.with_suffix(TEMPORARY_SUFFIX)
    file = opener.open(temporary)
    try:
        file.truncate(0)
        write_all(file, encode_segment_header(header))
        file.sync()
        opener.publish(temporary, final)
    except OSError:
        with contextlib.suppress(OSError):
            file.close()
            opener.remove(temporary)
        raise
    return file, Segment(path=final, base=header.base, previous_end=header.previous_end)


def whole_end(segment: Segment) -> tuple[int, int]:
    """(offset after the last good frame, bytes of torn tail after it) of the last segment.

    Raises LogCorruptedError where bytes that were acknowledged are bad.
    """
    data = _read_from_disk(segment.path)
    stop = SEGMENT_HEADER_BYTES
    for frame in frames(data, stop):
        stop = frame.end
    end = segment.offset(stop)
    if ending(data, stop, base=segment.offset(0)) is Ending.DAMAGED:
        raise damage(segment.path, end, "a record fails its checksum, and later ones were acknowledged after it")
    return end, len(data) - stop


def _read_from_disk(path: Path) -> bytes:
    """The file's bytes, past the page cache where the system allows: after a failed sync the cache may hold what the
    disk does not."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()


def write_all(file: LogFile, data: bytes) -> None:
    """Write every byte, or raise OSError."""
    view = memoryview(data)
    while view:
        written = file.write(bytes(view) if len(view) < len(data) else data)
        if written <= 0:
            raise OSError("the file took no bytes")
        view = view[written:]


def damage(path: Path, offset: int, what: str) -> LogCorruptedError:
    """The error for damage; it names the segment and the log offset."""
    return LogCorruptedError(f"event log segment {path.name} is damaged at log offset {offset}: {what}", hint=_RESTORE)
