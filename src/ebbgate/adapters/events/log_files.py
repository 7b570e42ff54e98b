"""Segment files on a real disk."""

import os
from pathlib import Path


class DiskFile:
    """A file open for appending. Not buffered: what `write` took is in the page cache."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def write(self, data: bytes) -> int:
        return os.write(self._descriptor, data)

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


class DiskOpener:
    """The disk itself; the `FileOpener` outside tests."""

    def open(self, path: Path) -> DiskFile:
        return DiskFile(path)

    def publish(self, temporary: Path, final: Path) -> None:
        temporary.rename(final)
        sync_directory(final.parent)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the folder's entries durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
