"""Faster closures for what most rules are made of: a property against a constant.

Each says exactly what the general operator says; a test compares them (tests/unit/core/audiences).
"""

from collections.abc import Callable
from typing import Any

from ebbgate.core.audiences.coercion import loose_equal, strict_equal
from ebbgate.core.audiences.node import Call, Node, constant
from ebbgate.core.audiences.operators import TESTS
from ebbgate.core.audiences.semver import OPERATORS, compare_parsed, parse_version


def shortcut(name: str, nodes: list[Node]) -> Node | None:
    """The closure for this operator on these arguments, or None where only the general one will do."""
    if name in ("==", "!=", "===", "!==") and len(nodes) == 2:
        return _equality(name, nodes)
    if name == "in" and len(nodes) == 2 and nodes[1].is_constant and isinstance(nodes[1].value, list):
        return _membership(nodes[0], nodes[1].value)
    if name in ("starts_with", "ends_with") and len(nodes) == 2 and nodes[1].is_constant:
        return _affix(name, nodes[0], nodes[1].value)
    if name in (">", ">=", "<", "<=") and len(nodes) == 2 and nodes[1].is_constant:
        return _order(name, nodes[0].call, nodes[1].value)
    if name == "sem_ver" and len(nodes) == 3 and nodes[1].is_constant and nodes[2].is_constant:
        return _version(nodes[0].call, nodes[1].value, nodes[2].value)
    return None


def _equality(name: str, nodes: list[Node]) -> Node | None:
    left, right = nodes
    if left.is_constant and not right.is_constant:
        left, right = right, left
    if name == "===" and left.key is not None and left.key == right.text_of:
        return _is_text(left.key)
    if not right.is_constant or not isinstance(right.value, str):
        return None
    equal = strict_equal if name in ("===", "!==") else loose_equal
    if left.key is not None:
        return _property_equality(left.key, right.value, equal, negated=name in ("!=", "!=="))
    wanted, find = right.value, left.call
    if name in ("==", "==="):

        def equals(data: Any) -> bool:
            value = find(data)
            return value == wanted if value.__class__ is str else equal(value, wanted)

        return Node(equals, is_plain=True)

    def differs(data: Any) -> bool:
        value = find(data)
        return value != wanted if value.__class__ is str else not equal(value, wanted)

    return Node(differs, is_plain=True)


def _is_text(key: str) -> Node:
    """`{"===": [K, {"cat": [K]}]}`: only a text is strictly equal to itself as text (B2 renders this)."""

    def check(data: Any) -> bool:
        return isinstance(data.get(key), str)

    return Node(check, is_plain=True)


def _property_equality(key: str, wanted: str, equal: Callable[[Any, Any], bool], *, negated: bool) -> Node:
    def equals(data: Any) -> bool:
        value = data.get(key)
        return value == wanted if value.__class__ is str else equal(value, wanted)

    def differs(data: Any) -> bool:
        value = data.get(key)
        return value != wanted if value.__class__ is str else not equal(value, wanted)

    return Node(differs if negated else equals, is_plain=True)


def _membership(node: Node, members: list[Any]) -> Node:
    texts = frozenset(item for item in members if isinstance(item, str))
    others = [item for item in members if not isinstance(item, str)]
    find, key = node.call, node.key
    if key is not None:

        def property_is_member(data: Any) -> bool:
            value = data.get(key)
            return value in texts if value.__class__ is str else among(value, texts, others)

        return Node(property_is_member, is_plain=True)

    def is_member(data: Any) -> bool:
        value = find(data)
        return value in texts if value.__class__ is str else among(value, texts, others)

    return Node(is_member, is_plain=True)


def among(value: Any, texts: frozenset[str], others: list[Any]) -> bool:
    """Whether an array of these texts and other values has a member strictly equal to the value."""
    return value in texts if isinstance(value, str) else any(strict_equal(value, item) for item in others)


def _affix(name: str, node: Node, affix: Any) -> Node | None:
    if not isinstance(affix, str):
        return None
    test = str.startswith if name == "starts_with" else str.endswith
    find, key = node.call, node.key
    if key is not None:

        def property_fits(data: Any) -> bool | None:
            value = data.get(key)
            return test(value, affix) if isinstance(value, str) else None

        return Node(property_fits, is_plain=True)

    def fits(data: Any) -> bool | None:
        value = find(data)
        return test(value, affix) if isinstance(value, str) else None

    return Node(fits, is_plain=True)


def _order(name: str, find: Call, limit: Any) -> Node | None:
    if limit.__class__ not in _NUMERIC:
        return None
    general = TESTS[name]

    def over(data: Any) -> Any:
        value = find(data)
        return value > limit if value.__class__ in _NUMERIC else general(value, limit)

    def at_least(data: Any) -> Any:
        value = find(data)
        return value >= limit if value.__class__ in _NUMERIC else general(value, limit)

    def under(data: Any) -> Any:
        value = find(data)
        return value < limit if value.__class__ in _NUMERIC else general(value, limit)

    def at_most(data: Any) -> Any:
        value = find(data)
        return value <= limit if value.__class__ in _NUMERIC else general(value, limit)

    calls: dict[str, Call] = {">": over, ">=": at_least, "<": under, "<=": at_most}
    return Node(calls[name], is_plain=True)


_NUMERIC: frozenset[Any] = frozenset({int, float})


def _version(find: Call, operator: Any, limit: Any) -> Node:
    wanted = parse_version(limit)
    if wanted is None or not isinstance(operator, str) or operator not in OPERATORS:
        return constant(None)

    def compare(data: Any) -> bool | None:
        version = parse_version(find(data))
        return None if version is None else compare_parsed(version, operator, wanted)

    return Node(compare, is_plain=True)
