"""Checks a tracked event at the call, so that nothing a host passes can fail later, in a batch with others."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from ebbgate.core.events.types import Attribute

KEY_MAX, NAME_MAX, TEXT_MAX, ATTRIBUTES_MAX = 256, 128, 256, 32  # the limits of core.events.types


def unit_of(unit: str | Mapping[str, Any] | None) -> str | None:
    """The unit's key, from itself or from an evaluation context; None where there is none that can be sent."""
    key = unit.get("targetingKey") if isinstance(unit, Mapping) else unit
    return key if isinstance(key, str) and 0 < len(key) <= KEY_MAX else None


def is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= NAME_MAX


def finite(value: object) -> tuple[float | None, bool]:
    """The number, and whether the value was no finite number (RULES D5). A missing value is no error."""
    if value is None:
        return None, False
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever it is, float decides
    except (TypeError, ValueError, OverflowError):
        return None, True
    return (number, False) if isfinite(number) else (None, True)


def flat_attributes(attributes: Mapping[str, Any] | None) -> tuple[dict[str, Attribute], int]:
    """Those attributes that can be sent, and how many cannot: nested, not finite, or beyond the limits."""
    if not attributes:
        return {}, 0
    kept: dict[str, Attribute] = {}
    for name, value in attributes.items():
        if not is_name(name) or len(kept) >= ATTRIBUTES_MAX:
            continue
        if isinstance(value, bool):
            kept[name] = value
        elif isinstance(value, str):
            if len(value) <= TEXT_MAX:
                kept[name] = value
        elif isinstance(value, int | float):
            number, is_invalid = finite(value)
            if number is not None and not is_invalid:
                kept[name] = number
    return kept, len(attributes) - len(kept)
