"""Version numbers: what they look like, which comes next. A version is also the name of its tag: `v1.4.0`."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from ebbgate.core.errors import BadRequestError
from ebbgate.core.releases.commits import Commit, Weight, weight
from ebbgate.core.releases.release import VERSION_PATTERN
from ebbgate.core.releases.terms import VersionScheme

_SEMVER = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_CALVER = re.compile(r"v?(\d{4})\.(\d{2})\.(\d+)")


class SemanticVersion(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Numbers of a semantic version without pre-release: those never count as the newest."""

    major: int
    minor: int
    patch: int

    def next(self, by: Weight) -> "SemanticVersion":
        """Before 1.0.0 a breaking change raises the minor number, as nothing is promised yet."""
        if by is Weight.MAJOR and self.major > 0:
            return SemanticVersion(major=self.major + 1, minor=0, patch=0)
        if by is Weight.PATCH:
            return SemanticVersion(major=self.major, minor=self.minor, patch=self.patch + 1)
        return SemanticVersion(major=self.major, minor=self.minor + 1, patch=0)

    @property
    def tag(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"


def semantic(text: str) -> SemanticVersion | None:
    """The numbers of a released version; None for another thing, or a pre-release."""
    match = _SEMVER.fullmatch(text)
    if match is None or match[4] is not None:
        return None
    return SemanticVersion(major=int(match[1]), minor=int(match[2]), patch=int(match[3]))


def tidy_version(text: str) -> str:
    """As it is stored, with a `v` in front. Raises BadRequestError for what no tag and folder can be called."""
    found = text if text.startswith("v") else f"v{text}"
    if not re.search(VERSION_PATTERN, found) or ".." in found or found.endswith((".lock", ".")):
        raise BadRequestError(f"{text!r} cannot be a version", hint="write it like v1.4.0 or 2026.03.1")
    return found


def next_version(scheme: VersionScheme, tags: Iterable[str], commits: Sequence[Commit], *, today: date) -> str:
    """The version after the highest tag. commits: those since that tag. today: for calendar versions."""
    if scheme is VersionScheme.CALVER:
        return _next_calendar(tags, today)
    known = [found for tag in tags if (found := semantic(tag)) is not None]
    if not known:
        return "v0.1.0"
    return max(known).next(max((weight(commit) for commit in commits), default=Weight.PATCH)).tag


def _next_calendar(tags: Iterable[str], today: date) -> str:
    matches = [match for tag in tags if (match := _CALVER.fullmatch(tag))]
    this_month = [int(m[3]) for m in matches if (int(m[1]), int(m[2])) == (today.year, today.month)]
    return f"v{today.year}.{today.month:02}.{max(this_month, default=0) + 1}"


def newest_tag(scheme: VersionScheme, tags: Iterable[str]) -> str | None:
    """The tag that the next version comes after; None before the first."""
    if scheme is VersionScheme.CALVER:
        found = [(int(m[1]), int(m[2]), int(m[3]), tag) for tag in tags if (m := _CALVER.fullmatch(tag))]
        return max(found)[3] if found else None
    known = [(numbers, tag) for tag in tags if (numbers := semantic(tag)) is not None]
    return max(known)[1] if known else None
