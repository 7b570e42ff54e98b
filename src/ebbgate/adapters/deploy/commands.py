"""Runs the commands of a deployment. What they print goes to a file: a server that they start keeps writing there."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ebbgate.core.errors import DeployError, StoreUnavailableError
from ebbgate.ports.deployer import Shipment

ALLOWED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "XDG_RUNTIME_DIR")
"""What the commands get of control's own environment: it holds secrets that an application must not see."""

_TAIL = 4_096
_LAST_LINES = 15


def deploy_environment(shipment: Shipment, more: Mapping[str, str]) -> dict[str, str]:
    """What a command is told. EBBGATE_DEPLOYMENT: a secret word of this deployment, which what it starts inherits."""
    own = {
        "EBBGATE_APP": shipment.app,
        "EBBGATE_RELEASE": shipment.release,
        "EBBGATE_VERSION": shipment.version,
        "EBBGATE_DIGEST": shipment.digest,
        "EBBGATE_COMMIT": shipment.commit or "",
        "EBBGATE_DEPLOYMENT": shipment.nonce,
        "EBBGATE_PREVIOUS": shipment.previous or "",
        "EBBGATE_PREVIOUS_VERSION": shipment.previous_version or "",
        "EBBGATE_PREVIOUS_DIGEST": shipment.previous_digest or "",
    }
    passed = {name: os.environ[name] for name in ALLOWED if name in os.environ}
    return {**passed, **shipment.terms.env, **own, **more}


def run_command(command: str, *, folder: Path, environ: Mapping[str, str], log: Path, timeout_s: float) -> str:
    """Run a shell command to its end; returns what it printed. Background processes that it leaves go on.

    Raises DeployError with its last lines.
    """
    try:
        with log.open("ab", buffering=0) as out:
            out.write(f"$ {command}\n".encode())
            start = out.tell()
            process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                umask=0o022,  # control's own keeps everything to itself; an application may serve files
                start_new_session=True,  # what ends control must not end the application
            )
    except OSError as error:
        raise StoreUnavailableError(
            f"`{command}` cannot be run: {error.strerror or error}", hint="check space and permissions"
        ) from error
    try:
        status = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise DeployError(
            f"`{command}` took longer than {timeout_s:g} s. Its last lines:\n{_tail(log, start)}",
            hint="a command that starts a server must leave it in the background and end",
        ) from None
    said = _tail(log, start)
    if status != 0:
        raise DeployError(
            f"`{command}` ended with status {status}. Its last lines:\n{said or '(it printed nothing)'}",
            hint=f"its whole output is in {log}",
        )
    return said


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(start, file.tell() - _TAIL))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-_LAST_LINES:])
