"""One deployment at a time has a target, over threads and processes."""

import fcntl
import os
from datetime import timedelta
from pathlib import Path

from ebbgate.core.errors import ConflictError, StoreUnavailableError
from ebbgate.ports.clock import Clock

_POLL = timedelta(milliseconds=50)


class FileHold:
    """A lock file that is held; the system frees it when the process ends, however it ends."""

    def __init__(self, path: Path, clock: Clock, *, timeout: timedelta) -> None:
        self._path = path
        self._clock = clock
        self._timeout = timeout
        self._descriptor = -1

    def __enter__(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailableError(
                f"{self._path} cannot be opened: {error.strerror or error}",
                hint="check space and permissions of the target",
            ) from error
        until = self._clock.monotonic() + self._timeout.total_seconds()
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                if self._clock.monotonic() >= until:
                    os.close(self._descriptor)
                    raise ConflictError(
                        f"another deployment holds {self._path.parent}", hint="wait for its end"
                    ) from None
                self._clock.sleep(_POLL)

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
