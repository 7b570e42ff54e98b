"""Which of the files that a repository does not know are changes of the source, and which were put there by us."""

from collections.abc import Iterable, Sequence

UNTRACKED = "??"


def source_changes(entries: Iterable[tuple[str, str]], outputs: Sequence[str]) -> list[str]:
    """Paths with uncommitted changes. entries: git's two letters and the path, of which an untracked folder ends in a
    slash. outputs: folders that hold no source, by their paths in the repository: where the plan deploys to, and the
    server's data. What git tracks in them is source all the same.
    """
    return [path for letters, path in entries if letters != UNTRACKED or not _is_within(path, outputs)]


def hides_output(entries: Iterable[tuple[str, str]], outputs: Sequence[str]) -> bool:
    """Whether an untracked folder is told of in place of an output in it, so that git has to name each file."""
    folders = [path for letters, path in entries if letters == UNTRACKED and path.endswith("/")]
    return any(output.startswith(folder) for folder in folders for output in outputs)


def _is_within(path: str, outputs: Sequence[str]) -> bool:
    return any(path.rstrip("/") == output or path.startswith(f"{output}/") for output in outputs)
