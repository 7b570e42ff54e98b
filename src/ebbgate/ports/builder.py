"""Building where the repository is: a clean checkout, commands, and what is kept of it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from ebbgate.core.releases import Artifact, BuildTerms, CommandResult, Manifest

Progress = Callable[[str], None]
"""Gets each line that a command prints, and what the builder does, as it happens."""


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """What a build left: an archive on disk, and what is known of it. log: the file with all output."""

    commit: str
    archive: Path
    artifact: Artifact
    manifest: Manifest
    commands: tuple[CommandResult, ...]
    risks: tuple[str, ...]
    toolchain: dict[str, str]
    log: Path
    started_at: datetime
    ended_at: datetime


class Builder(Protocol):
    """Builds commits of one repository, whose own tree it never touches.

    Errors: BuildError naming the command, with its last lines; BadRequestError for a reference that is no commit.
    """

    def build(self, commit: str, terms: BuildTerms, *, work: Path, progress: Progress) -> Built:
        """Check out, run, collect. work: an empty folder for archive and log. The checkout is gone afterwards."""
        ...
