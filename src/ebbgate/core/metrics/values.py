"""Which numbers a metric can use, wherever they come from, and what a store keeps of a tracked event (RULES D5)."""

import msgspec

from ebbgate.core.events import TrackedEvent

DURATION_ENDINGS = ("_ms", "_s", "_mb")
"""Names with these endings measure a duration or a size, which is never negative."""

USABLE_MAX = 1e15
"""The largest magnitude of a value that a metric can use, in the metric's own unit: no duration, size or sum of money.

Evidence is made of sums of values and of their squares, and of squares of those sums. Over 1e8 units these stay below
(1e8 * 1e15)^2 = 1e46, and their weighted forms below 1e70: far from 1.8e308, where a float is infinite and a difference
of two such is not a number. Up to here a float also tells every whole number from the next (2^53 = 9e15).
"""

COUNT_MAX = 1e9
"""The largest number of requests that a source may report for one interval: more is a broken answer, and the exact test
takes time with its square root."""

FUNCTION_ATTRIBUTE = "function"
"""The attribute that names a function or endpoint where the metric's `by` is silent."""


def is_usable(value: float, *, name: str = "") -> bool:
    """Whether a metric can use the value (RULES D5): finite, not beyond USABLE_MAX, and not negative where its name
    says that it is a duration or a size."""
    return abs(value) <= USABLE_MAX and not (value < 0 and name.endswith(DURATION_ENDINGS))  # NaN compares as false


def is_usable_count(value: float) -> bool:
    """Whether a source's number can be a count of requests; those are rounded, and estimates may lie below 0."""
    return abs(value) <= COUNT_MAX


def kept_value(event: TrackedEvent) -> tuple[float | None, bool]:
    """The value to keep, and whether one was dropped as invalid (RULES D5). The event itself is always kept."""
    value = event.value
    if value is None:
        return None, event.invalid
    if event.invalid or not is_usable(value, name=event.name):
        return None, True
    return float(value), False


def attribute_text(value: str | float | bool) -> str:
    """An attribute as `on` compares it: text is itself, anything else its JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
