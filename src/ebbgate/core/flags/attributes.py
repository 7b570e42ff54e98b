"""Which attributes of the context a rule reads: those that never arrive are named to people (DESIGN section 5)."""

from collections.abc import Iterator, Mapping
from typing import Any

_ITEM_OPERATORS = frozenset({"map", "filter", "reduce", "all", "none", "some"})  # the second argument sees an item only
_NOT_ATTRIBUTES = frozenset({"", "targetingKey", "$flagd"})


def attributes_read(rule: Any, evaluators: Mapping[str, Any]) -> tuple[str, ...]:
    """Top-level attributes that the JsonLogic reads by constant name, sorted.

    evaluators: the document's, for `$ref`. Rules are bounded, and free of cycles, by the document's checks.
    """
    return tuple(sorted(set(_walk(rule, evaluators))))


def _walk(rule: Any, evaluators: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(rule, list):
        for item in rule:
            yield from _walk(item, evaluators)
    elif isinstance(rule, dict):
        for operator, argument in rule.items():
            if operator == "var":
                path = argument[0] if isinstance(argument, list) and argument else argument
                name = path.partition(".")[0] if isinstance(path, str) else ""
                if name not in _NOT_ATTRIBUTES:
                    yield name
            elif operator == "$ref" and isinstance(argument, str):
                yield from _walk(evaluators.get(argument), evaluators)
            elif operator in _ITEM_OPERATORS and isinstance(argument, list):
                yield from _walk(argument[:1], evaluators)
            else:
                yield from _walk(argument, evaluators)
