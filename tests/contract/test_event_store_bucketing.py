"""In an environment of generation v3, units are sorted into arms by v3's buckets (flags.md section 1, RULES D1)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
from ebbgate.core.audiences import Bucketing, unit_bucket
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript
from ebbgate.testing.memory_events import MemoryEventStore

SALT, SPLIT, UNITS = "lineage-1", 300_000, [f"u{n}" for n in range(200)]


@pytest.fixture(params=["memory", "duckdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EventStore]:
    made: EventStore = (
        MemoryEventStore() if request.param == "memory" else DuckDbEventStore(tmp_path / "analysis.duckdb")
    )
    yield made
    made.close()


@pytest.mark.parametrize("bucketing", ["v2", "v3"])
def test_units_are_sorted_into_arms_by_the_generation_of_the_contrast(store: EventStore, bucketing: Bucketing) -> None:
    treated = {unit for unit in UNITS if unit_bucket(SALT, unit, bucketing=bucketing) < SPLIT}
    script = EventScript()
    for unit in UNITS:
        script.expose(unit, "on" if unit in treated else "off", 0)
    store.ingest(script.records)
    contrast = Contrast(
        rollout_id="r1",
        environment="production",
        flag="newWidgets",
        salt=SALT,
        phase=0,
        version_from=1,
        version_to=None,
        treatment=Interval(start=0, end=SPLIT),
        control=Interval(start=SPLIT, end=TOTAL_PPM),
        treatment_variant="on",
        control_variant="off",
        audience_variant="on_audience",
        bucketing=bucketing,
    )
    seen = store.assignment(contrast)
    assert (seen.treatment, seen.control, seen.veterans) == (len(treated), len(UNITS) - len(treated), 0)
