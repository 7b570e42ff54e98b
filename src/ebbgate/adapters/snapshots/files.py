"""Whole files that are replaced, never changed: a reader sees the old one or the new one."""

import os
from pathlib import Path

from ebbgate.core.errors import StoreUnavailableError

Signature = tuple[int, int, int]


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` in place of the file, durably. Raises StoreUnavailableError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise StoreUnavailableError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="Check space and permissions of the data directory.",
        ) from error


def signature(path: Path) -> Signature | None:
    """What differs after every replacement: inode, time of change, size. None if there is no file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _sync_directory(path: Path) -> None:
    """Make a rename in the directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
