"""In an environment of generation v3, units are sorted into arms by v3's buckets (flags.md section 1, RULES D1)."""

from typing import Any

import pytest

from ebbgate.core.audiences import Bucketing, unit_bucket
from ebbgate.core.metrics.contrast import TOTAL_PPM, Interval
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript

SPLIT, UNITS = 300_000, [f"u{n}" for n in range(200)]


@pytest.mark.parametrize("bucketing", ["v2", "v3"])
def test_units_are_sorted_into_arms_by_the_generation_of_the_contrast(
    store: EventStore, script: EventScript, phase: Any, bucketing: Bucketing
) -> None:
    contrast = phase.contrast(
        treatment=Interval(start=0, end=SPLIT), control=Interval(start=SPLIT, end=TOTAL_PPM), bucketing=bucketing
    )
    treated = {unit for unit in UNITS if unit_bucket(contrast.salt, unit, bucketing=bucketing) < SPLIT}
    for unit in UNITS:
        script.expose(unit, "on" if unit in treated else "off", 0)
    store.ingest(script.records)
    seen = store.assignment(contrast)
    assert (seen.treatment, seen.control, seen.veterans) == (len(treated), len(UNITS) - len(treated), 0)
