"""`if`, `and`, `or` and plain application, each as few calls as possible."""

from collections.abc import Callable
from typing import Any

from ebbgate.core.audiences.coercion import truthy
from ebbgate.core.audiences.node import Call, Node, condition, constant


def choose(branches: list[tuple[Node, Node]], rest: Node) -> Node:
    """`if`: the first branch whose test holds."""
    if not branches:
        return rest
    call = _choose_of_two(*branches[0], rest) if len(branches) == 1 else _choose_of_many(branches, rest)
    node = Node(call, is_plain=all(then.is_plain for _, then in branches) and rest.is_plain)
    node.branches = (branches, rest)
    return node


def _choose_of_two(test: Node, then: Node, otherwise: Node) -> Call:
    check, yes, no = condition(test), then.call, otherwise.call
    if then.is_constant and otherwise.is_constant:
        first, second = then.value, otherwise.value
        return lambda data: first if check(data) else second
    if then.is_constant:
        chosen = then.value
        return lambda data: chosen if check(data) else no(data)
    if otherwise.is_constant:
        remaining = otherwise.value
        return lambda data: yes(data) if check(data) else remaining
    return lambda data: yes(data) if check(data) else no(data)


def _choose_of_many(branches: list[tuple[Node, Node]], rest: Node) -> Call:
    final = rest.call
    if all(then.is_constant for _, then in branches):
        values = tuple((test.tests or (condition(test),), then.value) for test, then in branches)

        def find_value(data: Any) -> Any:
            for tests, value in values:
                for holds in tests:
                    if not holds(data):
                        break
                else:
                    return value
            return final(data)

        return find_value
    calls = tuple((condition(test), then.call) for test, then in branches)

    def find(data: Any) -> Any:
        for check, call in calls:
            if check(data):
                return call(data)
        return final(data)

    return find


def chain(nodes: list[Node], *, stops_on: bool) -> Node:
    """`and` and `or`: the first value whose truth is `stops_on`, else the last."""
    if not nodes:
        return constant(None)
    if all(node.is_plain for node in nodes):
        return _plain_chain([node.call for node in nodes], stops_on=stops_on)
    calls = tuple(node.call for node in nodes)

    def walk(data: Any) -> Any:
        value = None
        for call in calls:
            value = call(data)
            if truthy(value) is stops_on:
                return value
        return value

    return Node(walk)


def _plain_chain(calls: list[Call], *, stops_on: bool) -> Node:
    """As chain, where Python's own `and` and `or` say the same."""
    first, *others = calls
    call = first
    if len(others) == 1:
        (second,) = others
        call = (lambda data: first(data) or second(data)) if stops_on else (lambda data: first(data) and second(data))
    elif others:
        call = _any_of(tuple(calls)) if stops_on else _all_of(tuple(calls))
    node = Node(call, is_plain=True)
    if not stops_on:
        node.tests = tuple(calls)
    return node


def _any_of(calls: tuple[Call, ...]) -> Call:
    def walk(data: Any) -> Any:
        value = None
        for call in calls:
            if value := call(data):
                break
        return value

    return walk


def _all_of(calls: tuple[Call, ...]) -> Call:
    def walk(data: Any) -> Any:
        value = None
        for call in calls:
            if not (value := call(data)):
                break
        return value

    return walk


def apply(function: Callable[..., Any], nodes: list[Node], *, is_plain: bool) -> Node:
    """An operator on values, called with what its arguments give."""
    calls = [node.call for node in nodes]
    if len(calls) == 1:
        only = calls[0]
        return Node(lambda data: function(only(data)), is_plain=is_plain)
    if len(calls) == 2:
        left, right = calls
        return Node(lambda data: function(left(data), right(data)), is_plain=is_plain)
    return Node(lambda data: function(*[call(data) for call in calls]), is_plain=is_plain)
