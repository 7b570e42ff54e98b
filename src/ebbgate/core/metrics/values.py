"""What a store keeps of a tracked event's value and attributes."""

from math import isfinite

import msgspec

from ebbgate.core.events import TrackedEvent

DURATION_ENDINGS = ("_ms", "_s", "_mb")
"""Names with these endings measure a duration or a size, which is never negative."""

FUNCTION_ATTRIBUTE = "function"
"""The attribute that names a function or endpoint where the metric's `by` is silent."""


def kept_value(event: TrackedEvent) -> tuple[float | None, bool]:
    """The value to keep, and whether one was dropped as invalid (RULES D5). The event itself is always kept."""
    value = event.value
    if value is None:
        return None, event.invalid
    if event.invalid or not isfinite(value) or (value < 0 and event.name.endswith(DURATION_ENDINGS)):
        return None, True
    return float(value), False


def attribute_text(value: str | float | bool) -> str:
    """An attribute as `on` compares it: text is itself, anything else its JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
