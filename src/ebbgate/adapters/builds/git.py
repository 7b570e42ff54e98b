"""Runs git. Its hooks never run, and no GIT_* variable of the caller reaches it."""

import os
import subprocess
from pathlib import Path

from ebbgate.core.errors import RepositoryError


def git(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Raises RepositoryError with what git said, unless `check` is off."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, errors="surrogateescape", stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise RepositoryError("git is not installed", hint="install git; releases are built from commits") from error
    if check and done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
        raise RepositoryError(f"git {arguments[0]} failed: {said}", hint="see what git says; run it by hand")
    return done
