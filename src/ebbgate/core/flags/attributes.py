"""Which attributes of the context a rule reads: those that never arrive are named to people (DESIGN section 5)."""

from collections.abc import Mapping
from sys import intern
from typing import Any

_ITEM_OPERATORS = frozenset({"map", "filter", "reduce", "all", "none", "some"})  # the second argument sees an item only
_NOT_ATTRIBUTES = frozenset({"", "targetingKey", "$flagd"})


def attributes_read(rule: Any, evaluators: Mapping[str, Any]) -> tuple[str, ...]:
    """Top-level attributes that the JsonLogic reads by constant name, sorted.

    evaluators: the document's, for `$ref`, each looked into once. Rules are bounded by the document's checks.
    """
    found: set[str] = set()
    references: set[str] = set()
    left = [rule]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left += [item for item in part if isinstance(item, dict | list)]
        elif isinstance(part, dict):
            for operator, argument in part.items():
                if operator == "var":
                    path = argument[0] if isinstance(argument, list) and argument else argument
                    if isinstance(path, str):
                        found.add(intern(path.partition(".")[0]))
                elif operator == "$ref" and isinstance(argument, str):
                    if argument not in references:
                        references.add(argument)
                        left.append(evaluators.get(argument))
                elif operator in _ITEM_OPERATORS and isinstance(argument, list):
                    left += argument[:1]
                else:
                    left.append(argument)
    return tuple(sorted(found - _NOT_ATTRIBUTES))
