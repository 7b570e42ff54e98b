"""The data directory: made for its owner alone, and held by one process of each kind."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ebbgate.core.errors import StoreUnavailableError

UMASK = 0o077
"""Of every process of the server: events carry users' ids, and the stores hold hashes of tokens."""


def make_directory(path: Path) -> None:
    """Make it for its owner alone; one that is there keeps its mode. Raises StoreUnavailableError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(
            f"the data directory {path} cannot be made: {error.strerror or error}", hint="choose another with --data"
        ) from error


@contextmanager
def only_one(lock: Path, *, holder: str) -> Iterator[None]:
    """Hold a lock file; the system frees it when the process ends, however it ends.

    holder: who has it otherwise, for the message. Raises StoreUnavailableError.
    """
    with _opened(lock) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreUnavailableError(
                f"{holder} runs on {lock.parent}", hint="stop it, or use another data directory"
            ) from error
        yield


@contextmanager
def in_turn(lock: Path) -> Iterator[None]:
    """Wait for the lock, which is held for moments only, by threads of this process or by others."""
    with _opened(lock) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(lock: Path) -> Iterator[int]:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailableError(
            f"{lock} cannot be opened: {error.strerror or error}", hint="check space and permissions of the directory"
        ) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
