"""Builders for flags."""

from collections.abc import Callable
from typing import Any

import pytest

Build = Callable[..., dict[str, Any]]


@pytest.fixture
def a_flag() -> Build:
    """A boolean flag with variants on and off, off by default; keywords replace its fields."""

    def build(**fields: Any) -> dict[str, Any]:
        return {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", **fields}

    return build


@pytest.fixture
def a_document(a_flag: Build) -> Build:
    """A document with one flag named `new-widgets`."""

    def build(**fields: Any) -> dict[str, Any]:
        return {"flags": {"new-widgets": a_flag(**fields)}}

    return build
