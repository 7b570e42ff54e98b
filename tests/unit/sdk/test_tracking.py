from decimal import Decimal
from typing import Any

import pytest

from ebbgate.sdk.tracking import finite, flat_attributes, unit_of


@pytest.mark.parametrize(
    ("unit", "key"),
    [("u", "u"), ({"targetingKey": "u"}, "u"), ({}, None), ("", None), (7, None), ({"targetingKey": 7}, None),
     (None, None), ("x" * 257, None)],
)  # fmt: skip
def test_only_a_text_is_a_unit(unit: Any, key: str | None) -> None:
    """RULES B2."""
    assert unit_of(unit) == key


@pytest.mark.parametrize(
    ("value", "result"),
    [(None, (None, False)), (2, (2.0, False)), (True, (1.0, False)), (Decimal("1.5"), (1.5, False)),
     (float("nan"), (None, True)), (float("inf"), (None, True)), ("x", (None, True)), (10**400, (None, True))],
)  # fmt: skip
def test_a_value_that_is_no_finite_number_is_marked(value: Any, result: tuple[float | None, bool]) -> None:
    """RULES D5."""
    assert finite(value) == result


def test_attributes_are_flat_and_what_cannot_be_sent_is_counted() -> None:
    kept, dropped = flat_attributes(
        {"a": "x", "b": 1, "c": True, "d": {"e": 1}, "f": float("nan"), "g": "y" * 300, 3: "no", "h": None}
    )
    assert kept == {"a": "x", "b": 1.0, "c": True}
    assert dropped == 5
    assert flat_attributes({f"k{i}": i for i in range(40)})[1] == 8
    assert flat_attributes(None) == ({}, 0)
