"""The `sem_ver` operator (flags.md section 1): semantic versions 2.0, partial versions padded, build ignored."""

import re
from typing import Any

from ebbgate.core.audiences.coercion import to_text

OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "^", "~"})
_NUMBER = r"(0|[1-9]\d*)"
_VERSION = re.compile(
    rf"[vV]?{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)
# A longer text is no version; the bound also keeps int() away from its digit limit.
_LONGEST = 256

_Identifier = tuple[int, int, str]
Version = tuple[int, int, int, tuple[int, tuple[_Identifier, ...]]]


def parse_version(value: Any) -> Version | None:
    """The version as a comparable tuple, or None when it is none. Numbers are read as text first (1.2 is 1.2.0)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = to_text(value)
    match = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    major, minor, patch, pre = match.groups()
    numbers = int(major), int(minor or 0), int(patch or 0)
    if pre is None:
        return (*numbers, (1, ()))  # a release ranks above its pre-releases
    identifiers = [_identifier(part) for part in pre.split(".")]
    known = tuple(item for item in identifiers if item is not None)
    return (*numbers, (0, known)) if len(known) == len(identifiers) else None


def _identifier(part: str) -> _Identifier | None:
    """Numeric identifiers rank by value and below the others; a leading zero makes the version malformed."""
    if not part.isdigit():
        return (1, 0, part)
    return None if len(part) > 1 and part[0] == "0" else (0, int(part), "")


def compare_versions(left: Any, operator: Any, right: Any) -> bool | None:
    """`left operator right`; None when a version is malformed or the operator unknown."""
    first, second = parse_version(left), parse_version(right)
    if first is None or second is None or not isinstance(operator, str):
        return None
    return compare_parsed(first, operator, second)


def compare_parsed(first: Version, operator: str, second: Version) -> bool | None:
    """As compare_versions, of versions read before."""
    match operator:
        case "=":
            return first == second
        case "!=":
            return first != second
        case "<":
            return first < second
        case "<=":
            return first <= second
        case ">":
            return first > second
        case ">=":
            return first >= second
        case "^":
            return first[0] == second[0]
        case "~":
            return first[:2] == second[:2]
    return None
