"""Which branches of a long `if` may hold: one look-up for each attribute instead of a comparison for each branch.

Made of the rule alone when it is compiled. Bit n of a mask stands for branch n.
"""

from sys import intern
from typing import Any, NamedTuple

from ebbgate.core.audiences.source_shapes import operation, property_of

BRANCHES_MAX = 30
"""Branches in one table: a mask that fits one digit of Python's integers."""

_SHARERS_MIN = 3  # fewer branches that ask for an attribute are compared as fast
_TEXTS_MAX = 64  # of one condition; longer lists stay as they are, since a table is larger than a set


class Table(NamedTuple):
    """masks: by text of the attribute `key`, the branches that may hold. otherwise: for any other text, and null."""

    key: str
    masks: dict[str, int]
    otherwise: int


class Branch(NamedTuple):
    """What is still to be asked where a branch's bit is set: all of `parts`. is_tabled: whether it has a bit at all."""

    parts: list[Any]
    is_tabled: bool


def tabulate(tests: list[Any]) -> tuple[list[Table], list[Branch]]:
    """The tables for at most BRANCHES_MAX conditions, and what they leave open. No tables where none is worth it.

    A table answers `attribute in [texts]` and `attribute == text` for attributes that are a text or null.
    """
    parts = [_conjuncts(test) for test in tests]
    wanted = [_wanted(row) for row in parts]
    sharers: dict[str, int] = {}
    for asked in wanted:
        for key in asked:
            sharers[key] = sharers.get(key, 0) + 1
    keys = [key for key, count in sharers.items() if count >= max(_SHARERS_MIN, len(tests) / 2)]
    keys.sort(key=lambda key: -sharers[key])  # the one that asks most branches first; else in the rule's order
    branches = []
    for row, texts in zip(parts, wanted, strict=True):
        taken = {texts[key][0] for key in keys if key in texts}
        left = [part for index, part in enumerate(row) if index not in taken]
        branches.append(Branch(left, is_tabled=bool(taken)))
    return [_table(key, wanted) for key in keys], branches


def _table(key: str, wanted: list[dict[str, tuple[int, list[str]]]]) -> Table:
    otherwise = sum(1 << bit for bit, row in enumerate(wanted) if key not in row)
    masks: dict[str, int] = {}
    for bit, row in enumerate(wanted):
        for text in row[key][1] if key in row else ():
            masks[intern(text)] = masks.get(text, otherwise) | 1 << bit  # rules share one copy of a text
    return Table(key, masks, otherwise)


def _conjuncts(test: Any) -> list[Any]:
    name, arguments = operation(test)
    if name != "and" or not arguments:
        return [test]
    return [part for argument in arguments for part in _conjuncts(argument)]


def _wanted(parts: list[Any]) -> dict[str, tuple[int, list[str]]]:
    """By attribute, the first condition that asks for texts: its place, and the texts."""
    found: dict[str, tuple[int, list[str]]] = {}
    for index, part in enumerate(parts):
        if (asked := _texts(part)) and asked[0] not in found:
            found[asked[0]] = index, asked[1]
    return found


def _texts(part: Any) -> tuple[str, list[str]] | None:
    name, arguments = operation(part)
    if len(arguments) != 2 or name not in ("==", "===", "in"):
        return None
    left, right = arguments
    if name == "in":
        if not isinstance(right, list) or len(right) > _TEXTS_MAX or any(type(item) is not str for item in right):
            return None
        texts = right
    else:
        left, right = (right, left) if type(left) is str else (left, right)
        if type(right) is not str:
            return None
        texts = [right]
    key = property_of(left)
    return None if key is None else (key, texts)
