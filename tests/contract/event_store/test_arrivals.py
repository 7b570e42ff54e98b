"""How events arrive, and how many come by, on each side (RULES D4, D5, G2)."""

from typing import Any

from ebbgate.core.metrics.definition import MetricKind
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute


def test_the_first_event_tells_whether_a_unit_was_late_or_dropped_however_many_follow(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    """Close at minute 13, waited for until minute 15."""
    new, never = phase.treated(3), phase.controls(2)
    metric = phase.metric(MetricKind.QUANTILE, quantile=0.95)
    for unit, variant in ((new[0], "on"), (new[1], "on"), (new[2], "on"), (never[0], "off"), (never[1], "off")):
        script.expose(unit, variant, 1)
    script.track(new[0], "api_ms", 5, 80.0)
    script.track(new[1], "api_ms", 5, -1.0)  # dropped
    script.track(never[0], "api_ms", 5, 80.0)
    script.track(new[2], "api_ms", 6, 80.0, received=14)  # late
    script.track(new[0], "api_ms", 7, -1.0, received=14)  # not its first
    script.track(never[1], "api_ms", 6, 80.0, received=16)  # beyond all patience
    script.quiet_until(30)
    store.ingest(script.records)
    span = {"opened_at": minute(0), "closed_at": minute(15)}
    found = store.arrival_block(phase.contrast(), metric, **span)
    assert found is not None
    assert (found.treatment_n, found.treatment_late, found.treatment_dropped) == (3, 1, 1)
    assert (found.control_n, found.control_late, found.control_dropped) == (1, 0, 0)
    assert store.arrival_block(phase.contrast(), metric, opened_at=minute(15), closed_at=minute(30)) is None


def test_volume_counts_the_units_that_came_by_on_each_side(store: EventStore, script: EventScript, phase: Any) -> None:
    veterans, new, never = phase.veterans(1), phase.treated(1), phase.controls(3)
    for unit, variant in ((veterans[0], "on"), (new[0], "on"), (never[0], "off"), (never[1], "off_holdout")):
        script.expose(unit, variant, 1)
    for unit in (veterans[0], veterans[0], new[0], never[0], never[1], never[2]):
        script.track(unit, "api_request", 5)
    script.track(never[0], "something_else", 6)
    script.track(never[0], "api_request", 20)
    script.quiet_until(30)
    store.ingest(script.records)
    found = [
        store.volume_block(phase.contrast(), ("api_request",), opened_at=minute(o), closed_at=minute(c))
        for o, c in ((0, 10), (10, 25))
    ]
    assert [(block.treatment_n, block.control_n) for block in found] == [(2, 2), (0, 1)]
