"""JavaScript's coercions, as JsonLogic relies on them. Values are JSON values; others are taken as objects.

Integers beyond 2^53 become floats, as every JavaScript number is one; so no rule can grow a number without bound.
"""

import re
from math import inf, isinf, isnan, nan
from typing import Any

_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_PREFIXED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[bB][01]+|[oO][0-7]+)", re.ASCII)
_INFINITIES = {"Infinity": inf, "+Infinity": inf, "-Infinity": -inf}
_SPACE = (
    " \t\n\r\v\f\u00a0\ufeff\u2028\u2029\u1680\u202f\u205f\u3000"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
SAFE_INTEGER = 2**53 - 1

Number = int | float


def truthy(value: Any) -> bool:
    """JsonLogic's truth: JavaScript's, but an empty array is false."""
    if value is None or value is False:
        return False
    if value is True:
        return True
    kind = type(value)
    if kind is str or kind is list or kind is int or kind is tuple:
        return bool(value)
    if kind is float:
        return not isnan(value) and value != 0.0
    return True


def bounded(number: Number) -> Number:
    """The number as JavaScript would hold it."""
    if isinstance(number, int) and not -SAFE_INTEGER <= number <= SAFE_INTEGER:
        try:
            return float(number)
        except OverflowError:
            return inf if number > 0 else -inf
    return number


def to_number(value: Any) -> Number:
    """`Number(value)`."""
    kind = type(value)
    if kind is int or kind is float:
        return bounded(value)
    if value is None or value is False:
        return 0
    if value is True:
        return 1
    if isinstance(value, str):
        return _text_number(value)
    if isinstance(value, list | tuple):
        return _text_number(to_text(value))
    return nan


def _text_number(text: str) -> Number:
    stripped = text.strip(_SPACE)
    if not stripped:
        return 0
    if _DECIMAL.fullmatch(stripped):
        return _decimal(stripped)
    if _PREFIXED.fullmatch(stripped):
        return bounded(int(stripped, 0)) if len(stripped) < 300 else inf
    return _INFINITIES.get(stripped, nan)


def _decimal(text: str) -> Number:
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= SAFE_INTEGER else number


def parse_float(value: Any) -> Number:
    """`parseFloat(value)`: the longest numeric beginning of the text, else NaN. JsonLogic's `+` and `*` use it."""
    kind = type(value)
    if kind is int or kind is float:
        return bounded(value)
    text = to_text(value).lstrip(_SPACE)
    if match := _DECIMAL.match(text):
        return _decimal(match.group())
    return next((number for name, number in _INFINITIES.items() if text.startswith(name)), nan)


def to_text(value: Any) -> str:
    """`String(value)`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return number_text(bounded(value))
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, list | tuple):
        return ",".join(map(join_text, value))
    return "[object Object]"


def join_text(value: Any) -> str:
    """The text of an element in `Array.join`, hence in `cat`: null is empty."""
    return "" if value is None else to_text(value)


def number_text(number: Number) -> str:
    """A number as JavaScript prints it: `1.0` as `1`, exponents from 1e21 and below 1e-6."""
    if isinstance(number, int):
        return str(number)
    if isnan(number):
        return "NaN"
    if isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent_text = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + ("" if fraction == "0" else fraction)).lstrip("0")
    leading_zeros = len(fraction) - len(fraction.lstrip("0"))
    point = (len(whole) if whole != "0" else -leading_zeros) + int(exponent_text or 0)
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    exponent = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return sign + digits[0] + ("." + digits[1:] if count > 1 else "") + exponent


def strict_equal(left: Any, right: Any) -> bool:
    """`left === right`: numbers by value, objects and arrays by identity."""
    if isinstance(left, str) or isinstance(right, str):
        return isinstance(left, str) and isinstance(right, str) and left == right
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    return left is right


def loose_equal(left: Any, right: Any) -> bool:
    """`left == right`."""
    if left is None or right is None:
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    left_primitive, right_primitive = _is_primitive(left), _is_primitive(right)
    if not left_primitive and not right_primitive:
        return left is right
    if not left_primitive:
        return loose_equal(to_text(left), right)
    if not right_primitive:
        return loose_equal(left, to_text(right))
    return to_number(left) == to_number(right)


def _is_primitive(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)


def less(left: Any, right: Any) -> bool:
    """`left < right`: texts by UTF-16 unit, everything else as numbers, false with NaN."""
    if not isinstance(left, str | bool | int | float | None):
        left = to_text(left)
    if not isinstance(right, str | bool | int | float | None):
        right = to_text(right)
    if isinstance(left, str) and isinstance(right, str):
        return _units(left) < _units(right)
    return to_number(left) < to_number(right)


def less_or_equal(left: Any, right: Any) -> bool:
    """`left <= right`."""
    if not isinstance(left, str | bool | int | float | None):
        left = to_text(left)
    if not isinstance(right, str | bool | int | float | None):
        right = to_text(right)
    if isinstance(left, str) and isinstance(right, str):
        return _units(left) <= _units(right)
    return to_number(left) <= to_number(right)


def _units(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")
