"""What flagd's schema says of a rule: which operators, how many arguments, of which kind."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from ebbgate.core.audiences.semver import OPERATORS as VERSION_OPERATORS
from ebbgate.core.audiences.targeting import DEPTH_MAX

_Findings = Iterator[tuple[str, str]]
_MANY = 2**31

# (fewest, most) arguments of the operators whose arguments may be anything.
_COUNTS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("==", "===", "!=", "!==", ">", ">=", "%", "/", "in"), (2, 2)),
    **dict.fromkeys(("map", "filter", "all", "none", "some"), (2, 2)),
    **dict.fromkeys(("<", "<=", "substr"), (2, 3)),
    **dict.fromkeys(("!", "!!"), (1, 1)),
    **dict.fromkeys(("if", "and", "or", "+", "*", "-", "min", "max", "merge", "cat"), (1, _MANY)),
    "reduce": (3, 3),
}
_PART = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_NUMBER = r"(?:0|[1-9]\d*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PART}(?:\.{_PART})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?", re.ASCII
)


def check_targeting(rule: Any, path: str) -> _Findings:
    """(path, message) of everything that the schema refuses in `targeting`, which may be `{}`."""
    if not isinstance(rule, dict):
        yield path, "targeting is one JsonLogic object"
    elif rule:
        yield from _argument(rule, path, 0)


def _argument(value: Any, path: str, depth: int) -> _Findings:
    """A literal, an array of arguments, a reference, or an operation."""
    if depth > DEPTH_MAX:
        yield path, f"a rule is nested more than {DEPTH_MAX} deep"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _argument(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, dict):
        yield from _operation(value, path, depth)


def _operation(rule: dict[str, Any], path: str, depth: int) -> _Findings:
    if len(rule) != 1:
        yield path, "an operation is an object with one key, the operator"
        return
    ((name, raw),) = rule.items()
    here = f"{path}.{name}"
    if special := _SPECIAL.get(name):
        yield from special(raw, here, depth)
        return
    counts = _COUNTS.get(name)
    if counts is None:
        yield here, f"{name!r} is no operator of flagd"
        return
    arguments = raw if isinstance(raw, list) else [raw]
    fewest, most = counts
    if not isinstance(raw, list) and fewest > 1:
        yield here, f"{name} takes an array of arguments"
    elif not fewest <= len(arguments) <= most:
        many = f"at least {fewest}" if most == _MANY else f"{fewest}" if fewest == most else f"{fewest} to {most}"
        yield here, f"{name} takes {many} argument{'' if many.endswith('1') else 's'}, not {len(arguments)}"
    for index, item in enumerate(arguments):
        yield from _argument(item, f"{here}[{index}]" if isinstance(raw, list) else here, depth + 1)


def _reference(raw: Any, path: str, depth: int) -> _Findings:
    if not isinstance(raw, str):
        yield path, "$ref is the name of an evaluator"


def _variable(raw: Any, path: str, depth: int) -> _Findings:
    name = raw[0] if isinstance(raw, list) and raw else raw
    if not isinstance(name, str | dict):
        yield path, "var is a name, or an array of a name and a default"
    elif isinstance(name, dict):
        yield from _argument(name, path, depth + 1)
    elif name.startswith("$flagd.") and name not in ("$flagd.flagKey", "$flagd.timestamp"):
        yield path, "$flagd has flagKey and timestamp"
    if isinstance(raw, list):
        for index, item in enumerate(raw[1:], 1):
            yield from _argument(item, f"{path}[{index}]", depth + 1)


def _missing(raw: Any, path: str, depth: int) -> _Findings:
    if isinstance(raw, dict):
        yield from _argument(raw, path, depth + 1)
    elif not isinstance(raw, list) or not all(isinstance(item, str | dict) for item in raw):
        yield path, "missing takes an array of names"


def _missing_some(raw: Any, path: str, depth: int) -> _Findings:
    if not isinstance(raw, list) or len(raw) != 2 or not isinstance(raw[0], int | float) or isinstance(raw[0], bool):
        yield path, "missing_some takes a number and an array of names"
    else:
        yield from _missing(raw[1], f"{path}[1]", depth)


def _affix(raw: Any, path: str, depth: int) -> _Findings:
    if not isinstance(raw, list) or len(raw) != 2:
        yield path, "takes two arguments"
        return
    for index, item in enumerate(raw):
        if not isinstance(item, str | dict):
            yield f"{path}[{index}]", "is a text or an operation"
        yield from _argument(item, f"{path}[{index}]", depth + 1)


def _version(raw: Any, path: str, depth: int) -> _Findings:
    if not isinstance(raw, list) or len(raw) != 3:
        yield path, "sem_ver takes a version, an operator and a version"
        return
    for index in (0, 2):
        item, here = raw[index], f"{path}[{index}]"
        if isinstance(item, dict):
            yield from _argument(item, here, depth + 1)
        elif not isinstance(item, str) or not _VERSION.fullmatch(item):
            yield here, f"{item!r} is no semantic version"
    if not isinstance(raw[1], str) or raw[1] not in VERSION_OPERATORS:
        yield f"{path}[1]", f"the operator is one of {' '.join(sorted(VERSION_OPERATORS))}"


def _fractional(raw: Any, path: str, depth: int) -> _Findings:
    if not isinstance(raw, list) or not raw:
        yield path, "fractional takes an array of [variant, weight]"
        return
    start = 0
    if not isinstance(raw[0], list):
        start = 1
        if isinstance(raw[0], dict):
            yield from _argument(raw[0], f"{path}[0]", depth + 1)
        else:
            yield f"{path}[0]", "what is bucketed by is an operation, such as var"
    if len(raw) == start:
        yield path, "fractional has at least one [variant, weight]"
    for index, entry in enumerate(raw[start:], start):
        yield from _share(entry, f"{path}[{index}]", depth)


def _share(entry: Any, path: str, depth: int) -> _Findings:
    if not isinstance(entry, list) or not 1 <= len(entry) <= 2 or isinstance(entry[0], list):
        yield path, "an entry is [variant] or [variant, weight]"
        return
    yield from _argument(entry[0], f"{path}[0]", depth + 1)
    if len(entry) == 2:
        weight = entry[1]
        if isinstance(weight, dict):
            yield from _argument(weight, f"{path}[1]", depth + 1)
        elif not _is_weight(weight):
            yield f"{path}[1]", "a weight is a whole number from 0 to 2^31 - 1, or an operation"


def _is_weight(weight: Any) -> bool:
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        return False
    return 0 <= weight < _MANY and float(weight).is_integer()


_SPECIAL: dict[str, Callable[[Any, str, int], _Findings]] = {
    "$ref": _reference,
    "var": _variable,
    "missing": _missing,
    "missing_some": _missing_some,
    "starts_with": _affix,
    "ends_with": _affix,
    "sem_ver": _version,
    "fractional": _fractional,
}
