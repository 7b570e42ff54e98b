"""The last good snapshot on disk, so that a process can start while the server is down (RULES B7)."""

import os
import zlib
from contextlib import suppress
from typing import ClassVar, NamedTuple

_MAGIC = b"ebbgate-snapshot 1"


class StoredSnapshot(NamedTuple):
    """data: the snapshot's JSON. contact_at: when the server was last heard, machine seconds since 1970."""

    data: bytes
    contact_at: float


class DiskCopy:
    """One file per environment, replaced whole, readable by its owner alone, refused if its checksum is wrong.

    The first line holds format, time of last contact, and a CRC-32 of both the time and the snapshot that follows.
    Raises OSError where the disk does; a caller counts that and goes on.
    """

    _writing: ClassVar[set[str]] = set()  # drafts of this process, by whichever of its clients

    def __init__(self, directory: str | os.PathLike[str], environment: str) -> None:
        # The environment's name comes from settings, not from strangers, yet it must stay one file name.
        name = "".join(char if char.isalnum() or char in "-_" else f"%{ord(char):x}" for char in environment)
        self._directory = os.fspath(directory)
        self.path = os.path.join(self._directory, f"{name}.snapshot")

    def load(self) -> StoredSnapshot | None:
        """The copy, or None where there is none or it is damaged."""
        try:
            with open(self.path, "rb") as file:
                head, _, data = file.read().partition(b"\n")
        except FileNotFoundError:
            return None
        magic, _, rest = head.partition(b"; ")
        contact, _, checksum = rest.partition(b"; ")
        if magic != _MAGIC or checksum != _checksum(contact, data):
            return None
        return StoredSnapshot(data, float(contact))

    def save(self, data: bytes, contact_at: float, *, is_durable: bool) -> None:
        """Replace the copy. is_durable: wait until the disk has it; needless where only the time has changed."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        contact = b"%.3f" % contact_at
        draft = f"{self.path}.{os.getpid()}.{os.urandom(4).hex()}"
        self._writing.add(draft)
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"; ".join((_MAGIC, contact, _checksum(contact, data))) + b"\n" + data)
                file.flush()
                if is_durable:
                    os.fsync(file.fileno())
            os.replace(draft, self.path)
        except BaseException:
            if os.path.exists(draft):
                os.unlink(draft)
            raise
        finally:
            self._writing.discard(draft)

    def remove_drafts(self) -> None:
        """Remove what processes left that were killed while they saved. To be called at a start.

        Where processes that cannot see each other share the directory, one may lose its draft under its hands: its
        `save` raises, and the next one writes again.
        """
        start = f"{os.path.basename(self.path)}."
        try:
            names = os.listdir(self._directory)
        except OSError:
            return  # not there yet, or not to be read: `load` tells
        for name in names:
            process, _, rest = name.removeprefix(start).partition(".")
            draft = os.path.join(self._directory, name)
            if not (name.startswith(start) and rest and process.isdecimal()) or draft in self._writing:
                continue
            if int(process) == os.getpid() or not _is_alive(int(process)):
                with suppress(OSError):  # another one that starts was quicker, or it is being written (Windows)
                    os.unlink(draft)


def _is_alive(process: int) -> bool:
    """Whether there is such a process here. Always not on Windows, which lets nobody remove an open file."""
    if os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # another user's
    return True


def _checksum(contact: bytes, data: bytes) -> bytes:
    return b"%08x" % zlib.crc32(data, zlib.crc32(contact))
