"""What a rule is made of, as it is written."""

from typing import Any


def operation(rule: Any) -> tuple[str | None, list[Any]]:
    """The operator and its arguments; no operator for a literal."""
    if not isinstance(rule, dict) or len(rule) != 1:
        return None, []
    ((name, raw),) = rule.items()
    return name, raw if isinstance(raw, list) else [raw]


def property_of(rule: Any) -> str | None:
    """The name, where the rule only reads one top-level property of the context."""
    name, arguments = operation(rule)
    if name != "var" or not 1 <= len(arguments) <= 2 or (len(arguments) == 2 and arguments[1] is not None):
        return None
    path = arguments[0]
    if type(path) is not str or not path or "." in path or path == "$flagd":
        return None
    return path


def is_scalar(rule: Any) -> bool:
    """Whether the rule is a literal text, number, boolean or null."""
    return rule is None or isinstance(rule, str | int | float)
