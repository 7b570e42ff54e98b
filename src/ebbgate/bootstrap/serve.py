"""`ebbgate serve`: one command that supervises two processes (RULES I3)."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType

import msgspec

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.directory import UMASK, make_directory, only_one
from ebbgate.bootstrap.plan_clock import refuse_other_scale
from ebbgate.bootstrap.processes import STOP_WITHIN_S, end, error_of, spawn, wait_until
from ebbgate.bootstrap.settings import Role, ServeSettings
from ebbgate.core.errors import EbbgateError, StoreUnavailableError

RESTART_AFTER = (timedelta(milliseconds=200), timedelta(seconds=1), timedelta(seconds=5))
"""Machine time before a process that ended is started again: longer each time, up to the last."""

STEADY_AFTER_S = 30.0
"""A process that ran this long starts again at the shortest delay."""


def serve(settings: ServeSettings) -> int:
    """Run what the role says until SIGTERM or SIGINT; returns an exit status. Raises what keeps it from starting."""
    os.umask(UMASK)
    if settings.role is Role.EDGE:
        from ebbgate.bootstrap.edge import edge_settings, run_edge

        run_edge(edge_settings(settings), log_level=settings.log_level)
        return 0
    if settings.role is Role.CONTROL:
        from ebbgate.bootstrap.control import run_control

        run_control(settings)
        return 0
    return Supervisor(settings).run()


class Ended(msgspec.Struct, frozen=True):
    """How a process ended by itself. error: what it told before. words: the same for people."""

    words: str
    status: int = 0
    error: EbbgateError | None = None


class Supervisor:
    """Keeps an edge and a control process alive; ends both when it is told to."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._stop = threading.Event()
        self._refusal: EbbgateError | None = None

    def run(self) -> int:
        """Returns 0 when told to stop. Raises what ended a process before it ever listened: a taken port, a setting.

        Everything after that is a failure that a new start may mend.
        """
        directory = self._settings.data_dir
        make_directory(directory)
        with only_one(directory / "serve.lock", holder="another `ebbgate serve`"):
            refuse_other_scale(self._settings)
            for name in (signal.SIGTERM, signal.SIGINT):
                signal.signal(name, self._on_signal)
            for role in (Role.EDGE, Role.CONTROL):
                self._port_file(role).unlink(missing_ok=True)  # an earlier server's
            keepers = [
                threading.Thread(target=self._keep, args=(role,), name=role.value) for role in (Role.EDGE, Role.CONTROL)
            ]
            for keeper in keepers:
                keeper.start()
            for keeper in keepers:
                while keeper.is_alive():
                    keeper.join(0.2)  # in slices, so that signals are handled
        if self._refusal is not None:
            raise self._refusal
        return 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _keep(self, role: Role) -> None:
        """Start the process again whenever it ends, until the supervisor stops."""
        failures = 0
        has_listened = False
        settings = msgspec.structs.replace(self._settings, role=role)
        self._outwait(role)
        while not self._stop.is_set():
            begun = self._clock.monotonic()
            try:
                ended = self._run_once(settings)
            except (OSError, MemoryError, subprocess.SubprocessError) as error:  # no memory, no process, a full disk
                ended = Ended(f"could not be started: {error}")
            if ended is None:
                return
            has_listened = has_listened or self._port_file(role).exists()
            if ended.status > 0 and not has_listened:
                self._refuse(role, ended)
                return
            settings = self._again(settings)
            failures = 0 if self._clock.monotonic() - begun > STEADY_AFTER_S else failures + 1
            delay = RESTART_AFTER[min(failures, len(RESTART_AFTER)) - 1] if failures else RESTART_AFTER[0]
            _say(f"{role.value} {ended.words}; starts again in {delay}")
            self._stop.wait(delay.total_seconds())

    def _run_once(self, settings: ServeSettings) -> Ended | None:
        """Start the process and wait for its end; None where the supervisor ended it."""
        reading, writing = os.pipe()
        try:
            try:
                process = spawn(settings, errors=writing)
            finally:
                os.close(writing)
            try:
                self._write_pid(settings.role, process.pid)
                status = wait_until(process, self._stop.is_set)
            finally:
                end(process)
            if status is None:
                return None
            error = error_of(os.read(reading, 1 << 16))
        finally:
            os.close(reading)
        words = f"ended with status {status}" + (f": {error.message} ({error.hint})" if error is not None else "")
        return Ended(words, status, error)

    def _refuse(self, role: Role, ended: Ended) -> None:
        """Stop everything, as the role cannot be run like this."""
        self._refusal = ended.error or StoreUnavailableError(
            f"{role.value} {ended.words} before it listened", hint="see its messages above"
        )
        self._stop.set()

    def _outwait(self, role: Role) -> None:
        """Wait while a process of a supervisor that was killed is still ending. What runs longer refuses the start."""
        end_at = self._clock.monotonic() + STOP_WITHIN_S + 1.0
        lock = self._settings.data_dir / f"{role.value}.lock"
        while not self._stop.is_set() and self._clock.monotonic() < end_at:
            try:
                with only_one(lock, holder=role.value):
                    return
            except StoreUnavailableError:
                self._stop.wait(0.1)

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
        """For people; a disk that takes no number is no reason to be without the process."""
        path = self._settings.data_dir / f"{role.value}.pid"
        draft = path.with_suffix(".pid.new")
        try:
            draft.write_text(str(pid), encoding="utf-8")
            draft.replace(path)  # whoever reads it never finds half a number
        except OSError as error:
            _say(f"{path} cannot be written: {error.strerror or error}")


def _read_port(path: Path) -> int:
    """The port in the file; 0 if the process ended before it listened."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0


def _say(text: str) -> None:
    """Tell people, if standard error can still be written: a reader that went away, or a full disk, ends nothing."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201
