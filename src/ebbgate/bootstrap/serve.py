"""`ebbgate serve`: one command that supervises two processes (RULES I3)."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType

import msgspec

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import Role, ServeSettings, encode_hook

RESTART_AFTER = (timedelta(milliseconds=200), timedelta(seconds=1), timedelta(seconds=5))
"""Machine time before a process that ended is started again: longer each time, up to the last."""

STEADY_AFTER_S = 30.0
"""A process that ran this long starts again at the shortest delay."""

STOP_WITHIN_S = 10.0


def serve(settings: ServeSettings) -> int:
    """Run what the role says until SIGTERM or SIGINT; returns an exit status."""
    if settings.role is Role.EDGE:
        from ebbgate.bootstrap.edge import edge_settings, run_edge

        run_edge(edge_settings(settings), log_level=settings.log_level)
        return 0
    if settings.role is Role.CONTROL:
        from ebbgate.bootstrap.control import run_control

        run_control(settings)
        return 0
    return Supervisor(settings).run()


class Supervisor:
    """Keeps an edge and a control process alive; ends both when it is told to."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._stop = threading.Event()

    def run(self) -> int:
        self._settings.data_dir.mkdir(parents=True, exist_ok=True)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._on_signal)
        keepers = [
            threading.Thread(target=self._keep, args=(role,), name=role.value) for role in (Role.EDGE, Role.CONTROL)
        ]
        for keeper in keepers:
            keeper.start()
        for keeper in keepers:
            while keeper.is_alive():
                keeper.join(0.2)  # in slices, so that signals are handled
        return 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _keep(self, role: Role) -> None:
        """Start the process again whenever it ends, until the supervisor stops."""
        failures = 0
        settings = msgspec.structs.replace(self._settings, role=role)
        self._port_file(role).unlink(missing_ok=True)  # an earlier server's
        while not self._stop.is_set():
            begun = self._clock.monotonic()
            process = spawn(settings)
            self._write_pid(role, process.pid)
            status = wait_until(process, self._stop.is_set)
            end(process)
            if status is None:
                return
            settings = self._again(settings)
            failures = 0 if self._clock.monotonic() - begun > STEADY_AFTER_S else failures + 1
            delay = RESTART_AFTER[min(failures, len(RESTART_AFTER)) - 1] if failures else RESTART_AFTER[0]
            print(f"{role.value} ended with status {status}; starts again in {delay}", file=sys.stderr, flush=True)  # noqa: T201
            self._stop.wait(delay.total_seconds())

    def _again(self, settings: ServeSettings) -> ServeSettings:
        """How it is started again: on the port that was chosen when it was free to choose, as clients know no other.

        A drill ends the process once.
        """
        field = "edge_port" if settings.role is Role.EDGE else "control_port"
        chosen = _read_port(self._port_file(settings.role)) or getattr(settings, field)
        if settings.role is Role.EDGE and settings.grpc_port == 0:
            grpc_port = _read_port(self._settings.data_dir / "edge.grpc.port")
            settings = msgspec.structs.replace(settings, grpc_port=grpc_port)
        return msgspec.structs.replace(settings, end_at="", **{field: chosen})

    def _port_file(self, role: Role) -> Path:
        return self._settings.data_dir / f"{role.value}.port"

    def _write_pid(self, role: Role, pid: int) -> None:
        path = self._settings.data_dir / f"{role.value}.pid"
        draft = path.with_suffix(".pid.new")
        draft.write_text(str(pid), encoding="utf-8")
        draft.replace(path)  # whoever reads it never finds half a number


def _read_port(path: Path) -> int:
    """The port in the file; 0 if the process ended before it listened."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return 0


def spawn(settings: ServeSettings) -> subprocess.Popen[bytes]:
    """Start one role as a process of its own; it ends with this one."""
    text = msgspec.json.encode(settings, enc_hook=encode_hook).decode()
    return subprocess.Popen([sys.executable, "-m", "ebbgate.bootstrap.worker", text], stdin=subprocess.PIPE)


def wait_until(process: subprocess.Popen[bytes], is_over: Callable[[], bool]) -> int | None:
    """The process's status when it ends; None when `is_over` says so first."""
    while not is_over():
        try:
            return process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    return None


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to stop, make it stop when it does not, and close its pipe. One that has ended is left alone."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdin is not None:
            process.stdin.close()


def end_with_parent() -> None:
    """End this process when the supervisor goes away, however it goes: its end of the pipe closes."""

    def watch() -> None:
        while os.read(0, 1):  # unbuffered: a buffered reader would be held by this thread when the process ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
