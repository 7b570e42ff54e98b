"""Processes of `ebbgate serve`: started with their settings on a pipe, ended with the process that started them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import msgspec

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import ServeSettings, encode_hook
from ebbgate.core.errors import EbbgateError

STOP_WITHIN_S = 10.0
"""Machine time that a process has to stop when it is asked to; then it is killed."""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An error raised on purpose, on its way from one process to another."""

    code: str
    message: str
    hint: str
    path: str | None


def spawn(settings: ServeSettings, *, errors: int | None = None) -> subprocess.Popen[bytes]:
    """Start one role as a process of its own; it ends with this one.

    Its settings go over standard input: a command line is shown to every account, and store_url may hold a password.
    It has a session of its own, so that a terminal's Ctrl-C reaches only who started it, who then asks it to stop.
    errors: a descriptor for the error that ends it (see `error_of`); without one it prints that.
    """
    command = [sys.executable, "-m", "ebbgate.bootstrap.worker", *([] if errors is None else [str(errors)])]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
        pass_fds=() if errors is None else (errors,),
    )
    assert process.stdin is not None
    text = msgspec.json.encode(settings, enc_hook=encode_hook) + b"\n"
    with suppress(BrokenPipeError):  # it has ended already, as its status will tell
        while text:
            text = text[process.stdin.write(text) :]
    return process


def receive_settings() -> ServeSettings:
    """In the process that was started: its settings, the first line of standard input, which then stays open."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 1 << 16)
        if not part:
            raise SystemExit(1)  # who started it is gone
        line += part
    return msgspec.json.decode(line, type=ServeSettings, dec_hook=lambda kind, value: kind(value))


def tell_error(error: EbbgateError, descriptor: int | None) -> None:
    """In the process that was started: say why it ends, to who started it or else to people."""
    if descriptor is None:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr, flush=True)  # noqa: T201
        return
    told = Refusal(code=error.code, message=error.message, hint=error.hint, path=error.path)
    os.write(descriptor, msgspec.json.encode(told))


def error_of(told: bytes) -> EbbgateError | None:
    """The error that a process has told; None if it ended without a word."""
    try:
        refusal = msgspec.json.decode(told, type=Refusal)
    except msgspec.DecodeError:
        return None
    kinds = {kind.code: kind for kind in EbbgateError.__subclasses__()}
    kind = kinds.get(refusal.code, EbbgateError)
    return kind(refusal.message, hint=refusal.hint, path=refusal.path)


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
    """End this process when the one that started it goes away, however it goes: its end of the pipe closes.

    It is asked once, as the edge takes a second request for impatience; and killed if it does not stop in time.
    """

    def watch() -> None:
        while os.read(0, 1):  # unbuffered: a buffered reader would be held by this thread when the process ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        SystemClock().sleep(timedelta(seconds=STOP_WITHIN_S))
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()
