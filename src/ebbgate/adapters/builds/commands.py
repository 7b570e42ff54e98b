"""Runs the commands of a build: live output, a time limit, and of the caller's environment only what is listed."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO

from ebbgate.core.errors import BuildError
from ebbgate.core.releases import BuildTerms, CommandResult
from ebbgate.ports.builder import Progress
from ebbgate.ports.clock import Clock

ALLOWED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
"""What a build gets of the caller's environment by itself; and `npm_config_*`, without which npm finds no registry."""

LAST_LINES = 15
_AFTER_END = 1.0  # seconds that output may still come in after a command ended


def build_environment(environ: Mapping[str, str], terms: BuildTerms, *, epoch: int, npm_cache: Path) -> dict[str, str]:
    """epoch: seconds of the commit's time, for tools that write times (SOURCE_DATE_EPOCH)."""
    passed = {
        name: value
        for name, value in environ.items()
        if name in ALLOWED or name in terms.pass_env or name.lower().startswith("npm_config_")
    }
    ours = {
        "SOURCE_DATE_EPOCH": str(epoch),
        "TZ": "UTC",
        "npm_config_update_notifier": "false",
        "npm_config_fund": "false",
    }
    if not any(name.lower() == "npm_config_cache" for name in passed):
        ours["npm_config_cache"] = str(npm_cache)
    return {**ours, **passed, **terms.env}


class CommandRunner:
    """Runs shell commands in one folder, one after the other. log: gets every line of output."""

    def __init__(self, folder: Path, environ: Mapping[str, str], *, log: IO[str], clock: Clock) -> None:
        self._folder = folder
        self._environ = dict(environ)
        self._log = log
        self._clock = clock
        self.warnings: list[str] = []

    def run(self, command: str, *, timeout: timedelta, progress: Progress) -> CommandResult:
        """Raises BuildError with the last lines when it fails, or takes longer."""
        self._tell(f"$ {command}", progress)
        last: deque[str] = deque(maxlen=LAST_LINES)
        began = self._clock.monotonic()
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        reader = threading.Thread(target=self._read, args=(process.stdout, last, progress), daemon=True)
        reader.start()
        try:
            status = process.wait(timeout.total_seconds())
        except subprocess.TimeoutExpired:
            raise _failure(command, f"took longer than {timeout.total_seconds():g} s", last) from None
        finally:
            _end_all(process)
            reader.join(_AFTER_END)
        if status != 0:
            raise _failure(command, f"ended with status {status}", last)
        return CommandResult(command=command, took=timedelta(seconds=self._clock.monotonic() - began))

    def _read(self, stream: IO[bytes], last: deque[str], progress: Progress) -> None:
        with stream:
            for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                last.append(line)
                self._tell(line, progress)

    def _tell(self, line: str, progress: Progress) -> None:
        self._log.write(line + "\n")
        progress(line)
        if _is_warning(line) and line not in self.warnings:
            self.warnings.append(line)


def _is_warning(line: str) -> bool:
    """What npm says in passing and a build may pay for later: an engine too old, install scripts that did not run."""
    text = line.lower()
    if not text.startswith("npm warn"):
        return False
    if "ebadengine" in text:
        return "package:" in text  # one of five lines about it
    return any(word in text for word in ("install script", "install-script", "allow-scripts", "ignore-scripts"))


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """End the command and whatever it left running: a build has no daemons."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failure(command: str, what: str, last: deque[str]) -> BuildError:
    tail = "\n".join(last) or "(it printed nothing)"
    return BuildError(
        f"`{command}` {what}; there is no release. Its last lines:\n{tail}", hint="mend it and build again"
    )
