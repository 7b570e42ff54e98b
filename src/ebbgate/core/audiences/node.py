"""A compiled part of a rule: a closure over the data, and what is known of its result beforehand."""

from collections.abc import Callable
from typing import Any

from ebbgate.core.audiences.coercion import truthy

Call = Callable[[Any], Any]


class Node:
    """call: data -> value. is_constant: `value` holds it.

    is_plain: Python's truth of the result is the rule's truth, so it needs no further test. key: the property's name,
    where the node only reads one top-level property of the context. text_of: the property whose text it is. branches:
    the tests, results and rest of an `if`. tests: the parts of an `and`, where each is plain.
    """

    __slots__ = ("branches", "call", "is_constant", "is_plain", "key", "tests", "text_of", "value")

    def __init__(
        self,
        call: Call,
        *,
        is_plain: bool = False,
        is_constant: bool = False,
        value: Any = None,
        key: str | None = None,
    ) -> None:
        self.call = call
        self.is_plain = is_plain
        self.is_constant = is_constant
        self.value = value
        self.key = key
        self.tests: tuple[Call, ...] | None = None
        self.text_of: str | None = None
        self.branches: tuple[list[tuple[Node, Node]], Node] | None = None


def constant(value: Any) -> Node:
    """A node that always gives `value`."""
    return Node(lambda data: value, is_constant=True, is_plain=isinstance(value, str | int | None), value=value)


def condition(node: Node) -> Call:
    """The node as a test: a call that gives something whose Python truth is the rule's truth."""
    call = node.call
    if node.is_plain:
        return call
    return lambda data: truthy(call(data))


def sequence(nodes: list[Node]) -> Call:
    """All the nodes' values as a list."""
    if all(node.is_constant for node in nodes):
        values = [node.value for node in nodes]
        return lambda data: values
    calls = [node.call for node in nodes]
    return lambda data: [call(data) for call in calls]
