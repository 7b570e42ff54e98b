"""The local kill list: switches flags off in this process with no server at all, and outranks everything (RULES B7)."""

import os
from collections.abc import Mapping

ENVIRONMENT_VARIABLE = "EBBGATE_KILL"
FILE_VARIABLE = "EBBGATE_KILL_FILE"

Kills = Mapping[str, str | None]
"""By flag key: the variant to serve, None for the flag's control."""


def parse_kills(text: str) -> dict[str, str | None]:
    """Read `flag` or `flag=variant`, separated by commas or line ends; `#` begins a comment. Never raises."""
    kills: dict[str, str | None] = {}
    for line in text.splitlines():
        for item in line.partition("#")[0].split(","):
            flag, _, variant = item.partition("=")
            if flag := flag.strip():
                kills[flag] = variant.strip() or None
    return kills


def doubt_of(kills: Kills, *, where: str) -> str:
    """What was written otherwise than it is read; empty if nothing was. Such a kill is in force all the same."""
    doubtful = [f"`{flag}={variant}`" for flag, variant in kills.items() if variant is not None and "=" in variant]
    return f"{where} has {', '.join(doubtful)}: write `flag` or `flag=variant`, separated by commas" if doubtful else ""


class KillList:
    """The kills of the environment variable, read once, and of the file, read again whenever it changes.

    A file that is gone kills nothing; one that cannot be read leaves its last kills in force.
    """

    def __init__(self, text: str, path: str | None) -> None:
        self._fixed = parse_kills(text)
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._from_file: dict[str, str | None] = {}
        self._unreadable = ""
        self.refresh()

    @property
    def problem(self) -> str:
        """Why the file could not be read at the last look, or what looks mistyped; empty if all is well."""
        return (
            self._unreadable
            or doubt_of(self._fixed, where="the kill list of the environment")
            or doubt_of(self._from_file, where=f"the kill file {self._path}")
        )

    @property
    def kills(self) -> Kills:
        return {**self._from_file, **self._fixed}

    def refresh(self) -> bool:
        """Look at the file; whether the kills changed."""
        if self._path is None:
            return False
        try:
            found = os.stat(self._path)
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp == self._stamp:
                self._unreadable = ""
                return False
            with open(self._path, encoding="utf-8-sig") as file:
                from_file = parse_kills(file.read())
        except FileNotFoundError:
            stamp, from_file = None, {}
        except (OSError, UnicodeError) as error:
            reason = "it is not UTF-8" if isinstance(error, UnicodeError) else str(error)
            self._unreadable = f"the kill file {self._path} cannot be read, its last kills stay in force: {reason}"
            return False
        self._stamp = stamp
        self._unreadable = ""
        is_changed = from_file != self._from_file
        self._from_file = from_file
        return is_changed
