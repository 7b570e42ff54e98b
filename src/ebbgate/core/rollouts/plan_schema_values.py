"""The shapes that the plan schema is made of."""

from collections.abc import Sequence
from typing import Any

NUMBER = r"[0-9]+(\.[0-9]+)?"
NAME = r"^[A-Za-z][A-Za-z0-9_.:-]{0,127}$"
BARE = r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$"
PERCENT = r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)\s*%$"
CHANGE = rf"^[+-]\s*{NUMBER}\s*%$"
DURATION = rf"({NUMBER}(ms|[wdhms])\s*)+"
STAY = rf"^{DURATION}\.\.\s*{DURATION}$"
QUANTITY = rf"{NUMBER}\s*(%|[A-Za-z]+)?"
MARGIN = rf"^\+?\s*{NUMBER}\s*(%|[A-Za-z]+)?$"
CRITICAL = rf"^>\s*{QUANTITY}\s+for\s+{DURATION}$"

Schema = dict[str, Any]


def closed(properties: dict[str, Schema], *, required: Sequence[str] = (), description: str = "") -> Schema:
    """An object with these keys and no other."""
    result: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    if required:
        result["required"] = list(required)
    if description:
        result["description"] = description
    return result


def mapping_of(item: Schema, description: str) -> Schema:
    """An object with any names and values of one shape."""
    names = {"pattern": NAME}
    return {"type": "object", "propertyNames": names, "additionalProperties": item, "description": description}


def pattern(expression: str, description: str) -> Schema:
    return {"type": "string", "pattern": expression, "description": description}


def text(description: str) -> Schema:
    return {"type": "string", "minLength": 1, "description": description}


def integer(least: int, description: str) -> Schema:
    return {"type": "integer", "minimum": least, "description": description}


def choice(words: Sequence[str], description: str) -> Schema:
    return {"enum": list(words), "description": description}


def one_or_more(description: str) -> Schema:
    """A text, or a list of texts."""
    one = {"type": "string", "minLength": 1}
    return {"oneOf": [one, {"type": "array", "minItems": 1, "items": one}], "description": description}


def plan_time(description: str) -> Schema:
    """A duration on the clock that may be scaled."""
    return pattern(f"^{DURATION}$", f"Plan time. {description}")


def machine_time(description: str) -> Schema:
    """A duration on the clock that never is."""
    return pattern(f"^{DURATION}$", f"Machine time. {description}")
