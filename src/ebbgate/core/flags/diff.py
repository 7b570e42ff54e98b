"""What changed between two definitions of a flag: in sentences for people, with the places. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

SENTENCES_MAX = 50
"""Of one comparison: a rule that was written anew differs everywhere, and nobody reads more."""

_TEXT_MAX = 80  # characters of a value that is quoted
_PARTS = ("state", "defaultVariant", "variants", "targeting", "metadata")
_NOTHING: Any = object()  # where one side has no value at all, not even null


def diff_definitions(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Sentences such as "variant `on`: true -> false"; none for equal definitions. None = there is no such flag.

    Before and after are flagd definitions of one flag. More than SENTENCES_MAX end in "... and 3 more changes".
    """
    if before is None or after is None:
        return () if before is after else ("the flag was made" if before is None else "the flag was deleted",)
    found = [*_known_parts(before, after)]
    for name in sorted({*before, *after} - {*_PARTS}):
        found += _named(f"`{name}`", before.get(name, _NOTHING), after.get(name, _NOTHING))
    if len(found) > SENTENCES_MAX:
        found = [*found[:SENTENCES_MAX], f"... and {len(found) - SENTENCES_MAX} more changes"]
    return tuple(found)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same: the order of keys does not count, and true is not 1, as it is in Python."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def quoted(value: Any) -> str:
    """A JSON value on one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 4]} ..."


def _known_parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if before.get("state") != after.get("state"):
        yield f"state: {before.get('state')} -> {after.get('state')}"
    old, new = before.get("defaultVariant") or None, after.get("defaultVariant") or None
    if old != new:
        yield f"defaultVariant: {_default(old)} -> {_default(new)}"
    yield from _entries("variant", before.get("variants") or {}, after.get("variants") or {})
    yield from _targeting(before.get("targeting") or None, after.get("targeting") or None)
    yield from _entries("metadata", before.get("metadata") or {}, after.get("metadata") or {})


def _default(variant: str | None) -> str:
    return f"`{variant}`" if variant is not None else "the code's default"


def _entries(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Entries of an object, in the order in which they stand there."""
    for name in dict.fromkeys((*before, *after)):
        yield from _named(f"{what} `{name}`", before.get(name, _NOTHING), after.get(name, _NOTHING))


def _named(name: str, before: Any, after: Any) -> Iterator[str]:
    if before is _NOTHING:
        yield f"{name} added: {quoted(after)}"
    elif after is _NOTHING:
        yield f"{name} removed, was {quoted(before)}"
    elif not same(before, after):
        yield f"{name}: {quoted(before)} -> {quoted(after)}"


def _targeting(before: Any, after: Any) -> Iterator[str]:
    if before is None and after is not None:
        yield f"targeting added: {quoted(after)}"
    elif before is not None and after is None:
        yield f"targeting removed, was {quoted(before)}"
    else:
        for path, old, new in _places(before, after):
            yield f"targeting changed at {path}: {_side(old)} -> {_side(new)}"


def _side(value: Any) -> str:
    return "nothing" if value is _NOTHING else quoted(value)


def _places(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places where two rules differ, with both values. Rules are deep at times: no recursion."""
    stack = [("$", before, after)]
    while stack:
        path, old, new = stack.pop()
        if same(old, new):
            continue
        if isinstance(old, dict) and isinstance(new, dict) and old.keys() & new.keys():
            names = dict.fromkeys((*old, *new))
            inner = [(f"{path}.{name}", old.get(name, _NOTHING), new.get(name, _NOTHING)) for name in names]
        elif isinstance(old, list) and isinstance(new, list):
            length = max(len(old), len(new))
            inner = [(f"{path}[{index}]", _at(old, index), _at(new, index)) for index in range(length)]
        else:
            yield path, old, new
            continue
        stack.extend(reversed(inner))


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else _NOTHING
