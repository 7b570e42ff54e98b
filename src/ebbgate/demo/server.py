"""A real server of its own: two processes in a data directory, started and ended by their process ids."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import msgspec

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.directory import make_directory
from ebbgate.bootstrap.processes import end, spawn
from ebbgate.bootstrap.settings import LogLevel, Role, ServeSettings
from ebbgate.core.errors import StoreUnavailableError

POLL = timedelta(milliseconds=20)
START_WITHIN_S = 60.0


class LocalServer:
    """`ebbgate serve` on loopback with free ports. Use it as a context manager; everything ends with the block."""

    def __init__(
        self,
        data_dir: Path,
        *,
        scale: float = 1.0,
        end_at: str = "",
        role: Role = Role.ALL,
        log_level: LogLevel = "info",
        **settings: Any,
    ) -> None:
        """settings: further ones of `ebbgate serve`."""
        self.data_dir = data_dir
        self._settings = ServeSettings(
            data_dir=data_dir,
            role=role,
            edge_port=0,
            control_port=0,
            scale=scale,
            end_at=end_at,
            log_level=log_level,
            admin_token_file=data_dir / "admin.token",
            **settings,
        )
        self._clock = SystemClock()
        self._process: subprocess.Popen[bytes] | None = None
        self.edge_port = 0
        self.control_port = 0
        self.grpc_port: int | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def edge_url(self) -> str:
        return f"http://127.0.0.1:{self.edge_port}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def admin_token(self) -> str:
        return (self.data_dir / "admin.token").read_text(encoding="utf-8").strip()

    def start(self) -> None:
        """Start, and wait until both processes listen. A port once taken is kept over restarts."""
        make_directory(self.data_dir)
        for name in ("edge.port", "control.port", "edge.grpc.port"):
            (self.data_dir / name).unlink(missing_ok=True)
        self._process = spawn(self._settings)
        self.edge_port = self._read_port(Role.EDGE)
        self.control_port = self._read_port(Role.CONTROL)
        if self._settings.grpc_port is not None:
            self.grpc_port = self._read_port_file("edge.grpc.port", "the edge to listen for gRPC")
        self._settings = msgspec.structs.replace(
            self._settings,
            edge_port=self.edge_port,
            control_port=self.control_port,
            grpc_port=self.grpc_port,
            end_at="",
        )

    def stop(self) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None

    def pid(self, role: Role) -> int:
        """The process id of one of the two processes, as its supervisor wrote it."""
        return int((self.data_dir / f"{role.value}.pid").read_text(encoding="utf-8"))

    def kill(self, role: Role) -> int:
        """`kill -9` of one of the two; the supervisor starts it again. Returns the id that was killed."""
        pid = self.pid(role)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return pid

    def wait_restarted(self, role: Role, old_pid: int) -> None:
        """Wait until the supervisor has started the role anew, and it listens."""
        self._wait(lambda: self.pid(role) != old_pid, f"{role.value} to start again")
        self._read_port(role)

    def _read_port(self, role: Role) -> int:
        return self._read_port_file(f"{role.value}.port", f"{role.value} to listen")

    def _read_port_file(self, name: str, what: str) -> int:
        path = self.data_dir / name
        self._wait(lambda: path.exists() and path.read_text(encoding="utf-8").strip() != "", what)
        return int(path.read_text(encoding="utf-8"))

    def _wait(self, is_done: Callable[[], bool], what: str) -> None:
        deadline = self._clock.monotonic() + START_WITHIN_S
        while not is_done():
            if self._process is not None and self._process.poll() is not None:
                raise StoreUnavailableError(f"the server ended while waiting for {what}", hint="see its messages above")
            if self._clock.monotonic() > deadline:
                raise StoreUnavailableError(f"waited too long for {what}", hint="is the machine overloaded?")
            self._clock.sleep(POLL)
