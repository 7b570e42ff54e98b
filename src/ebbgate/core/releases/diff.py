"""What differs between two releases: files, sizes, dependencies."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from ebbgate.core.releases.artifact import ArtifactFile, Dependency, Manifest

T = TypeVar("T")


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One file. bytes: None on the side where it is not. `what`: added, removed or changed."""

    path: str
    what: str
    bytes_before: int | None
    bytes_after: int | None
    gzip_before: int | None
    gzip_after: int | None


class DependencyChange(msgspec.Struct, frozen=True, kw_only=True):
    """One place of the dependency tree. version: None on the side where it is not."""

    name: str
    place: str
    what: str
    version_before: str | None
    version_after: str | None


class ReleaseDiff(msgspec.Struct, frozen=True, kw_only=True):
    """From `before` to `after`, both ids. growth: of all kept files, in bytes. commits: of each side, None where it was
    adopted; what lies between them is told by the repository, not by control.
    """

    before: str
    after: str
    commit_before: str | None
    commit_after: str | None
    is_same_bytes: bool
    growth: int
    gzip_growth: int
    files: tuple[FileChange, ...]
    dependencies: tuple[DependencyChange, ...]


def file_changes(before: Manifest, after: Manifest) -> tuple[FileChange, ...]:
    """By path."""
    old, new = _by(before.files, lambda file: file.path), _by(after.files, lambda file: file.path)
    return tuple(
        FileChange(
            path=path,
            what=_what(old.get(path), new.get(path)),
            bytes_before=old[path].bytes if path in old else None,
            bytes_after=new[path].bytes if path in new else None,
            gzip_before=old[path].gzip_bytes if path in old else None,
            gzip_after=new[path].gzip_bytes if path in new else None,
        )
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    )


def dependency_changes(before: Manifest, after: Manifest) -> tuple[DependencyChange, ...]:
    """By place in the tree. The same version with other contents counts as changed."""
    old, new = _by(before.dependencies, _place), _by(after.dependencies, _place)
    return tuple(
        DependencyChange(
            name=(new.get(place) or old[place]).name,
            place=place,
            what=_what(old.get(place), new.get(place)),
            version_before=old[place].version if place in old else None,
            version_after=new[place].version if place in new else None,
        )
        for place in sorted(old.keys() | new.keys())
        if _identity(old.get(place)) != _identity(new.get(place))
    )


def sizes(manifest: Manifest) -> tuple[int, int]:
    """Bytes as they lie there, and after gzip."""
    return sum(file.bytes for file in manifest.files), sum(file.gzip_bytes for file in manifest.files)


def _by(items: Iterable[T], key: Callable[[T], str]) -> dict[str, T]:
    return {key(item): item for item in items}


def _place(dependency: Dependency) -> str:
    return dependency.place


def _identity(dependency: Dependency | None) -> tuple[str, str] | None:
    return (dependency.version, dependency.integrity) if dependency is not None else None


def _what(before: ArtifactFile | Dependency | None, after: ArtifactFile | Dependency | None) -> str:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"
