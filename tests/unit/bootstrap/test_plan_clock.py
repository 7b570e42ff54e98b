"""RULES A2: a data directory's scale is fixed from its first start on."""

from pathlib import Path

import pytest

from ebbgate.bootstrap.plan_clock import refuse_other_scale, stored_clock
from ebbgate.bootstrap.settings import ServeSettings
from ebbgate.core.errors import BadRequestError
from ebbgate.testing.memory_control import MemoryControlStore


def test_the_first_start_fixes_the_scale_and_another_is_refused_by_name() -> None:
    store = MemoryControlStore()
    assert stored_clock(store, scale=60.0).mapping.scale == 60.0
    assert stored_clock(store, scale=60.0).mapping.scale == 60.0
    assert stored_clock(store, scale=1.0).mapping.scale == 60.0, "left out"
    with pytest.raises(BadRequestError, match="has the scale 60, not 5"):
        stored_clock(store, scale=5.0)


def test_a_directory_that_has_no_store_yet_takes_any_scale() -> None:
    refuse_other_scale(ServeSettings(data_dir=Path("there/is/none"), scale=5.0))
