"""The driver processes of one act."""

import subprocess
import sys
from typing import Self

import msgspec

from ebbgate.core.errors import StoreUnavailableError
from ebbgate.demo.settings import DriverSettings

STOP_WITHIN_S = 15.0


class Drivers:
    """Several processes of several SDK instances each; a context manager that leaves none behind."""

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings
        self._processes: list[subprocess.Popen[str]] = []
        self.visits = 0

    def __enter__(self) -> Self:
        for index in range(self._settings.processes):
            text = msgspec.json.encode(msgspec.structs.replace(self._settings, index=index)).decode()
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "ebbgate.demo.driver", text],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        return self

    def wait_ready(self) -> None:
        """Until every instance of every driver has its first snapshot. Raises StoreUnavailableError if one gave up."""
        for process in self._processes:
            assert process.stdout is not None
            if (said := process.stdout.readline().strip()) != "ready":
                status = process.wait(STOP_WITHIN_S) if not said else process.poll()
                raise StoreUnavailableError(
                    f"a driver did not start: it said {said!r}, its status is {status}", hint="see its messages above"
                )

    def tell(self, letter: str) -> None:
        """Pass on what is to break, to each of them."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(letter)
            process.stdin.flush()

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            told = process.stdout.read().split()
            self.visits += int(told[-1]) if told and told[-1].isdigit() else 0
            process.stdout.close()
