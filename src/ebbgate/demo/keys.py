"""Single keys from a terminal, without Enter; the terminal is as it was when it ends, however it ends."""

import os
import select
import sys
import termios
import threading
import tty
from collections.abc import Callable
from typing import Any, Self

_EVERY_S = 0.2


class Keys:
    """Calls `press` with each key, on a thread of its own. A context manager; Ctrl-C goes on meaning Ctrl-C."""

    def __init__(self, press: Callable[[str], None], descriptor: int = 0) -> None:
        self._press = press
        self._descriptor = descriptor
        self._before: list[Any] | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="keys", daemon=True)

    @staticmethod
    def are_there() -> bool:
        """Whether somebody sits at a terminal."""
        return sys.stdin.isatty()

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor, termios.TCSANOW)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        assert self._before is not None
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
        self._thread.join()

    def _read(self) -> None:
        while not self._is_over.is_set():
            readable, _, _ = select.select([self._descriptor], [], [], _EVERY_S)
            if not readable:
                continue
            keys = os.read(self._descriptor, 64)
            if not keys:
                return  # the terminal is gone
            for key in keys.decode("ascii", "ignore"):
                self._press(key)
