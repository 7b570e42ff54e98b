"""Runs a probe from this machine. Commands get little of control's environment, which holds secrets."""

import os
import signal
import subprocess
from contextlib import suppress
from datetime import timedelta

from ebbgate.adapters.deploy.answers import ask
from ebbgate.adapters.deploy.commands import ALLOWED
from ebbgate.core.rollouts.plan import Probe
from ebbgate.core.rollouts.values import duration_text

_SHOWN = 200


class LocalProber:
    """A Prober."""

    def probe(self, probe: Probe) -> str:
        if probe.url is not None:
            reply = ask(probe.url, timeout=probe.timeout)
            return "" if reply.is_good else reply.text
        for command in probe.run:
            if wrong := _run(command, probe.timeout):
                return wrong
        return ""


def _run(command: str, timeout: timedelta) -> str:
    """What is wrong with a shell command's end; all that it started is ended with it."""
    environ = {name: os.environ[name] for name in ALLOWED if name in os.environ}
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return f"`{command}` cannot be run: {error.strerror or error}"
    try:
        printed, _ = process.communicate(timeout=timeout.total_seconds())
    except subprocess.TimeoutExpired:
        return f"`{command}` did not end within {duration_text(timeout)}"
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if process.returncode == 0:
        return ""
    last = printed.decode("utf-8", "replace").strip()[-_SHOWN:]
    return f"`{command}` ended with {process.returncode}" + (f": {last}" if last else "")
