"""The dependency tree as it was really resolved, and what pinned it."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ebbgate.core.releases import Dependency

INSTALLED = "node_modules/.package-lock.json"
"""npm's own note of what it put there (lockfile version 3)."""

LOCKS = {
    "npm": ("npm-shrinkwrap.json", "package-lock.json"),
    "pnpm": ("pnpm-lock.yaml",),
    "yarn": ("yarn.lock",),
    "bun": ("bun.lock", "bun.lockb"),
}
"""The lock files that each tool reads, the first one found."""


class _Package(msgspec.Struct, frozen=True):
    version: str = ""
    integrity: str = ""
    resolved: str = ""
    dev: bool = False
    link: bool = False
    name: str = ""


class _Lock(msgspec.Struct, frozen=True):
    packages: dict[str, _Package] = {}


def installed(root: Path) -> tuple[Dependency, ...]:
    """Every package that npm installed anywhere in the tree, by place."""
    found = [one for folder in _projects(root) for one in _read(root, folder)]
    return tuple(sorted(found, key=lambda dependency: dependency.place))


def _projects(root: Path) -> Iterator[Path]:
    """Folders with a note of npm's, not below another `node_modules`."""
    for folder, names, _ in os.walk(root):
        if "node_modules" in names and Path(folder, INSTALLED).is_file():
            yield Path(folder)
        names[:] = sorted(name for name in names if name not in ("node_modules", ".git"))


def _read(root: Path, folder: Path) -> Iterator[Dependency]:
    lock = _decoded(folder / INSTALLED)
    prefix = folder.relative_to(root).as_posix()
    for place, package in lock.packages.items():
        if not place or package.link or not package.version:
            continue
        yield Dependency(
            name=package.name or place.rpartition("node_modules/")[2],
            version=package.version,
            place=place if prefix == "." else f"{prefix}/{place}",
            integrity=package.integrity,
            resolved="" if package.resolved.startswith("file:") else package.resolved,
            is_dev=package.dev,
        )


def _decoded(path: Path) -> _Lock:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Lock)
    except (OSError, msgspec.DecodeError):
        return _Lock()


def lock_of(root: Path, commands: Sequence[str]) -> str | None:
    """The lock file at the root that pinned what the commands install; None where nothing did.

    To be asked before the commands run: npm writes one of its own.
    """
    tools = _tools(commands)
    return next((name for tool in tools for name in LOCKS[tool] if (root / name).is_file()), None)


def lock_risks(root: Path, commands: Sequence[str], locked_by: str | None) -> list[str]:
    """What is to be said of a build whose dependencies are not pinned. Before the commands run."""
    if not (root / "package.json").is_file() or not _has_dependencies(root / "package.json"):
        return []
    tools = _tools(commands)
    if not tools or locked_by is not None:
        return []
    others = [name for tool, names in LOCKS.items() if tool not in tools for name in names if (root / name).is_file()]
    wanted = " or ".join(name for tool in tools for name in LOCKS[tool])
    also = f"; {others[0]} is there, but {tools[0]} does not read it" if others else ""
    return [f"unlocked build: there is no {wanted} in the commit, so another day gives other dependencies{also}"]


def _tools(commands: Sequence[str]) -> list[str]:
    words = {word for command in commands for word in command.replace(";", " ").replace("&", " ").split()}
    found = [tool for tool in LOCKS if tool in words]
    return [*found, "npm"] if "npx" in words and "npm" not in found else found


def _has_dependencies(path: Path) -> bool:
    try:
        package: Any = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return False
    return isinstance(package, dict) and any(package.get(key) for key in ("dependencies", "devDependencies"))
