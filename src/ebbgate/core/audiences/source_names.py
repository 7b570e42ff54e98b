"""What generated code may call: one mapping, shared by every function, and never changed."""

from typing import Any

import mmh3

from ebbgate.core.audiences.bucketing import hash_value
from ebbgate.core.audiences.coercion import loose_equal, strict_equal, truthy
from ebbgate.core.audiences.operators import FUNCTIONS, TESTS, contains, ends_with, starts_with
from ebbgate.core.audiences.shortcuts import among

OPERATOR_NAMES = {name: f"op{index}" for index, name in enumerate([*TESTS, *FUNCTIONS])}
"""The identifier of each operator that is a function of its arguments' values."""

NUMBERS: tuple[Any, ...] = (int, float)  # booleans are another class

NAMES: dict[str, Any] = {
    "__builtins__": {},
    "isinstance": isinstance,
    "dict": dict,
    "float": float,
    "int": int,
    "str": str,
    "among": among,
    "contains": contains,
    "ends_with": ends_with,
    "hash_text": mmh3.hash,  # takes a text as it is; a lone surrogate raises, and the closures answer
    "hash_value": hash_value,
    "loose": loose_equal,
    "starts_with": starts_with,
    "strict": strict_equal,
    "truthy": truthy,
    **{OPERATOR_NAMES[name]: function for name, function in {**TESTS, **FUNCTIONS}.items()},
}
