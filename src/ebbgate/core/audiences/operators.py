"""JsonLogic's operators on values that are computed already. Semantics follow json-logic-js (flags.md section 1)."""

from collections.abc import Callable
from math import floor, fmod, inf, isinf, isnan, nan
from typing import Any

from ebbgate.core.audiences.coercion import (
    Number,
    bounded,
    join_text,
    less,
    less_or_equal,
    loose_equal,
    parse_float,
    strict_equal,
    to_number,
    to_text,
)
from ebbgate.core.audiences.semver import compare_versions


def add(*values: Any) -> Number:
    """Sum of the numbers read from the beginning of each value; one value is a cast."""
    total: Number = 0
    for value in values:
        total = bounded(total + parse_float(value))
    return total


def multiply(*values: Any) -> Any:
    """Product, read as in `add`. A single value is returned as it is."""
    if len(values) < 2:
        return values[0] if values else None
    product = parse_float(values[0])
    for value in values[1:]:
        product = bounded(product * parse_float(value))
    return product


def subtract(*values: Any) -> Number:
    """Difference, or the negative of a single value."""
    if len(values) == 1:
        return bounded(-to_number(values[0]))
    if not values:
        return nan
    return bounded(to_number(values[0]) - to_number(values[1]))


def divide(*values: Any) -> Number:
    """Quotient; by zero it is infinite or NaN. A quotient without a fraction is an integer."""
    if len(values) < 2:
        return nan
    left, right = to_number(values[0]), to_number(values[1])
    if right == 0:
        return nan if left == 0 or isnan(left) else inf if left > 0 else -inf
    quotient = left / right
    return bounded(int(quotient)) if abs(quotient) < 2**53 and quotient.is_integer() else quotient


def modulo(*values: Any) -> Number:
    """Remainder with the sign of the dividend."""
    if len(values) < 2:
        return nan
    left, right = to_number(values[0]), to_number(values[1])
    if right == 0 or isinf(left) or isnan(left) or isnan(right):
        return nan
    if isinstance(left, int) and isinstance(right, int):
        remainder = abs(left) % abs(right)
        return -remainder if left < 0 else remainder
    return fmod(left, right)


def smallest(*values: Any) -> Number:
    """Least of the values as numbers; NaN when one is none; Infinity of nothing."""
    numbers = [to_number(value) for value in values]
    return nan if any(map(isnan, numbers)) else min(numbers, default=inf)


def largest(*values: Any) -> Number:
    """Greatest of the values as numbers; NaN when one is none; -Infinity of nothing."""
    numbers = [to_number(value) for value in values]
    return nan if any(map(isnan, numbers)) else max(numbers, default=-inf)


def concatenate(*values: Any) -> str:
    """The values as one text, null being empty."""
    return "".join(map(join_text, values))


def substring(*values: Any) -> str:
    """`substr`: [text, start, length?]; a negative start counts from the end, a negative length cuts at the end.

    Counted in code points, as flagd does (Go, Python). JavaScript and Java count UTF-16 units, by which a cut may leave
    half of a character, which no answer in JSON can hold.
    """
    text = to_text(values[0]) if values else ""
    start = _whole(values[1]) if len(values) > 1 else 0
    start = max(len(text) + start, 0) if start < 0 else start
    tail = text[start:]
    if len(values) < 3:
        return tail
    number = to_number(values[2])
    length = floor(number) if -(2**53) < number < 0 else _whole(number)
    return tail[:length] if length >= 0 else tail[: max(len(tail) + length, 0)]


def _whole(value: Any) -> int:
    number = to_number(value)
    if isnan(number):
        return 0
    return int(max(min(number, 2**53), -(2**53)))


def contains(*values: Any) -> bool:
    """`in`: part of a text that is not empty, or strictly equal to a member of an array."""
    if len(values) < 2:
        return False
    needle, haystack = values[0], values[1]
    if isinstance(haystack, str):
        return haystack != "" and to_text(needle) in haystack
    if isinstance(haystack, list | tuple):
        return any(strict_equal(needle, item) for item in haystack)
    return False


def merge(*values: Any) -> list[Any]:
    """One array of all values, arrays opened."""
    merged: list[Any] = []
    for value in values:
        if isinstance(value, list | tuple):
            merged.extend(value)
        else:
            merged.append(value)
    return merged


def starts_with(*values: Any) -> bool | None:
    """Whether the first text begins with the second; null unless there are two texts."""
    if len(values) != 2 or not isinstance(values[0], str) or not isinstance(values[1], str):
        return None
    return values[0].startswith(values[1])


def ends_with(*values: Any) -> bool | None:
    """Whether the first text ends with the second; null unless there are two texts."""
    if len(values) != 2 or not isinstance(values[0], str) or not isinstance(values[1], str):
        return None
    return values[0].endswith(values[1])


def sem_ver(*values: Any) -> bool | None:
    """[version, operator, version]; null unless there are three that make sense."""
    return compare_versions(*values) if len(values) == 3 else None


def _between(pair: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def compare(*values: Any) -> bool:
        if len(values) < 2:
            return False
        return pair(values[0], values[1]) and (len(values) < 3 or pair(values[1], values[2]))

    return compare


def _pair(test: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def compare(*values: Any) -> bool:
        padded = (*values[:2], None, None)
        return test(padded[0], padded[1])

    return compare


# Operators that always give a boolean, so that a condition need not be tested for truth again.
TESTS: dict[str, Callable[..., bool]] = {
    "==": _pair(loose_equal),
    "===": _pair(strict_equal),
    "!=": _pair(lambda left, right: not loose_equal(left, right)),
    "!==": _pair(lambda left, right: not strict_equal(left, right)),
    ">": _pair(lambda left, right: less(right, left)),
    ">=": _pair(lambda left, right: less_or_equal(right, left)),
    "<": _between(less),
    "<=": _between(less_or_equal),
    "in": contains,
}

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
    "min": smallest,
    "max": largest,
    "cat": concatenate,
    "substr": substring,
    "merge": merge,
    "starts_with": starts_with,
    "ends_with": ends_with,
    "sem_ver": sem_ver,
}

# Functions whose result has the same truth in Python as in a rule.
PLAIN = frozenset({"cat", "substr", "merge", "starts_with", "ends_with", "sem_ver"})
