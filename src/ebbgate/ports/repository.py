"""What is asked of the client's git repository. Nothing changes in it but new tags."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ebbgate.core.releases.commits import Commit


class Repository(Protocol):
    """One git repository. Errors: RepositoryError with what git said."""

    def resolve(self, ref: str) -> str:
        """The commit that a reference names, 40 hex digits."""
        ...

    def is_dirty(self, *, outputs: Sequence[Path] = ()) -> list[str]:
        """Paths with uncommitted changes, untracked ones too; ignored ones are none. outputs: folders whose untracked
        files are none either, as they are no source.
        """
        ...

    def commits(self, since: str | None, until: str, *, limit: int = 500) -> list[Commit]:
        """Newest first: those reachable from `until` and not from `since`."""
        ...

    def tags(self) -> dict[str, str]:
        """Every tag and the commit it points to."""
        ...

    def is_annotated(self, tag: str) -> bool: ...
    def tag(self, name: str, commit: str, message: str) -> None:
        """Make an annotated tag (signed where git is told to). Raises ConflictError where it exists."""
        ...
