"""What a plan says about building and deploying (`build:`, `deploy:`), read and checked. Durations: machine time."""

from datetime import timedelta
from enum import StrEnum

import msgspec


class VersionScheme(StrEnum):
    """How the next version is made."""

    SEMVER = "semver"  # 1.4.0; the next one from the commits' messages
    CALVER = "calver"  # 2026.03.1: year, month, counter


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A limit on the bytes of the kept files that match `files` (a glob from the root of the repository, `**` allowed).

    growth_bytes: of their sum, against the last stable release. size_bytes: of each one of them. total_bytes: of their
    sum. All limits are exclusive. is_gzip: bytes after gzip, not as they lie there.
    """

    files: str
    growth_bytes: int | None = None
    size_bytes: int | None = None
    total_bytes: int | None = None
    is_gzip: bool = False


class BuildTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a release is made of a commit.

    run: shell commands in order, at the root of a clean checkout. keep: files and folders collected from it.
    timeout: of each command. env: variables on top of the few that are let through. pass_env: names of more to let
    through.
    """

    run: tuple[str, ...]
    keep: tuple[str, ...]
    budgets: tuple[Budget, ...] = ()
    timeout: timedelta = timedelta(minutes=15)
    env: dict[str, str] = {}
    pass_env: tuple[str, ...] = ()
    versions: VersionScheme = VersionScheme.SEMVER


class TargetTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Where a release goes: a directory of the machine where control runs, or whatever a command does; one of them.

    folder: where the command runs; None for a folder of control's own.
    """

    directory: str | None = None
    command: str | None = None
    folder: str | None = None

    @property
    def key(self) -> str:
        """What two deployments must not share at one time."""
        if self.directory is not None:
            return f"directory:{self.directory}"
        return f"command:{self.folder or ''}:{self.command}"


class DeployTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a release gets to where it runs, and how it is known to run there.

    restart: shell commands in order, in the folder of the release. health: address that answers 2xx. version: address
    whose JSON tells the digest of what answers; version_run: a command that prints it. passes: so many good answers in
    a row, `every` apart, each within `answer_within`, all `within` that time of the restart. timeout: of each command.
    drill: the sandbox of drills, which `stop` (of sandboxes alone) ends.
    """

    to: TargetTerms
    restart: tuple[str, ...] = ()
    health: str | None = None
    version: str | None = None
    version_run: str | None = None
    passes: int = 3
    within: timedelta = timedelta(seconds=60)
    every: timedelta = timedelta(milliseconds=500)
    answer_within: timedelta = timedelta(seconds=2)
    timeout: timedelta = timedelta(minutes=5)
    env: dict[str, str] = {}
    stop: tuple[str, ...] = ()
    drill: "DeployTerms | None" = None

    @property
    def is_checked(self) -> bool:
        """Whether anything is asked after the switch."""
        return self.health is not None or self.version is not None or self.version_run is not None
