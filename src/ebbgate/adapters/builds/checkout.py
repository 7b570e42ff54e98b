"""A disposable checkout: a git worktree outside of the client's tree, at one place for each repository.

The place is the same for every build of a repository, as tools write absolute paths into what they make, and two
builds of one commit shall give the same bytes. Whoever holds its lock may clear what a killed build left there.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ebbgate.adapters.builds.git import git
from ebbgate.core.errors import BuildError, ConflictError


@contextmanager
def checkout(repository: Path, commit: str, *, cache: Path) -> Iterator[Path]:
    """The folder with the commit's tree. Raises ConflictError while another build of this repository runs."""
    common = Path(git(repository, "rev-parse", "--path-format=absolute", "--git-common-dir").stdout.strip())
    home = cache / hashlib.sha256(os.fsencode(common)).hexdigest()[:16]
    with _alone(home):
        folder = home / "checkout"
        _clear(common, folder)
        try:
            git(common, "worktree", "add", "--detach", "--force", str(folder), commit)
            yield folder
        finally:
            _clear(common, folder)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BuildError(
            f"the build folder {home} cannot be made: {error.strerror or error}", hint="set XDG_CACHE_HOME"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError("another build of this repository runs", hint="wait for its end") from error
        yield
    finally:
        os.close(descriptor)


def _clear(common: Path, folder: Path) -> None:
    """Remove the folder and what the repository knows of it; other worktrees of the client are left alone."""
    if folder.exists():
        shutil.rmtree(folder, onerror=_make_writable)
    for entry in (common / "worktrees").glob("*/gitdir"):
        if Path(entry.read_text(encoding="utf-8").strip()).parent == folder:
            shutil.rmtree(entry.parent)
    worktrees = common / "worktrees"
    if worktrees.is_dir() and not any(worktrees.iterdir()):
        worktrees.rmdir()


def _make_writable(function: object, path: str, _: object) -> None:
    """Some tools leave folders that nobody may write (Go's module cache)."""
    os.chmod(os.path.dirname(path), 0o700)
    os.chmod(path, 0o700)
    assert callable(function)
    function(path)
