"""RULES E3: what every analysis store says of units treated before."""

from collections.abc import Callable
from typing import Any

from ebbgate.core.metrics.blocks import MeanBlock, QuantileBlock
from ebbgate.core.metrics.contrast import TOTAL_PPM, Interval
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute

DAY = 1440.0

Reopen = Callable[[], EventStore]


def late(
    phase: Any, store: EventStore, metric: Metric, opened: float, closed: float, *, epoch: float = 2.0, **more: Any
) -> Any:
    contrast = phase.contrast(**more.pop("contrast", {}))
    span = {"epoch_at": minute(epoch), "opened_at": minute(opened), "closed_at": minute(closed)}
    return store.late_block(contrast, metric, **span, **more)


def counts(block: Any) -> tuple[int, int, int, int] | None:
    if block is None:
        return None
    return block.treatment_n, block.treatment_y, block.control_n, block.control_y


def test_those_treated_before_are_compared_with_those_never_treated(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    veterans, new, never = phase.veterans(1), phase.treated(1), phase.controls(2)
    for unit, variant in ((veterans[0], "on"), (new[0], "on"), (never[0], "off"), (never[1], "off")):
        script.expose(unit, variant, 1)
        script.track(unit, "api_request", 5)
    script.track(veterans[0], "api_error", 5.1)
    script.quiet_until(30)
    store.ingest(script.records)
    assert counts(late(phase, store, phase.metric(), 2, 30)) == (1, 1, 2, 0)
    assert counts(late(phase, store, phase.metric(), 2, 30, with_new=True)) == (2, 1, 2, 0)


def test_a_unit_is_observed_once_in_an_epoch_and_again_in_the_next(
    reopen: Reopen, script: EventScript, phase: Any
) -> None:
    veterans, never = phase.veterans(1), phase.controls(1)
    for unit, variant in ((veterans[0], "on"), (never[0], "off")):
        script.expose(unit, variant, 1)
    for at in (5, 60, DAY + 5, DAY + 90):
        for unit in (veterans[0], never[0]):
            script.track(unit, "api_request", at)
        if at in (60, DAY + 5):  # of its second request on the first day, which is not what is looked at
            script.track(veterans[0], "api_error", at + 0.1)
    script.quiet_until(2 * DAY)
    store = reopen()
    store.ingest(script.records)
    assert counts(late(phase, store, phase.metric(), 2, 30)) == (1, 0, 1, 0)
    assert late(phase, store, phase.metric(), 30, DAY + 2) is None
    store = reopen()
    assert late(phase, store, phase.metric(), 30, DAY + 2) is None  # a restart remembers who was seen
    assert counts(late(phase, store, phase.metric(), DAY + 2, DAY + 200, epoch=DAY + 2)) == (1, 1, 1, 0)
    assert counts(late(phase, store, phase.metric(), 2, 30)) == (1, 0, 1, 0)  # asked again, the same


def test_the_holdout_is_a_control_for_late_harm_alone(store: EventStore, script: EventScript, phase: Any) -> None:
    veterans, new, never = phase.veterans(1), phase.treated(2), phase.controls(1)
    everybody = {
        "treatment": Interval(start=100_000, end=TOTAL_PPM),
        "control": Interval(start=TOTAL_PPM, end=TOTAL_PPM),
    }
    for unit, variant in ((veterans[0], "on"), (new[0], "on"), (never[0], "off_holdout"), (new[1], "off_holdout")):
        script.expose(unit, variant, 1)
        script.track(unit, "api_request", 5)
    script.quiet_until(30)
    store.ingest(script.records)
    assert counts(late(phase, store, phase.metric(), 2, 30, with_new=True, contrast=everybody)) == (2, 0, 2, 0)
    ordinary = store.block(phase.contrast(), phase.metric(), opened_at=minute(0), closed_at=minute(30))
    assert counts(ordinary) == (1, 0, 0, 0)


def test_units_seen_in_both_arms_or_exposed_by_attribute_are_left_out_of_late_harm(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    veterans, never = phase.veterans(3), phase.controls(1)
    script.expose(veterans[0], "on", 1)
    script.expose(veterans[0], "off", 2)
    script.expose(veterans[1], "on_audience", 1)
    script.expose(veterans[2], "on", 1)
    script.expose(never[0], "off", 1)
    for unit in (*veterans[:3], never[0]):
        script.track(unit, "api_request", 5)
    script.quiet_until(30)
    store.ingest(script.records)
    assert counts(late(phase, store, phase.metric(), 2, 30)) == (1, 0, 1, 0)


def test_late_thresholds_and_caps_come_from_the_control_of_the_day_before(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    veterans, never = phase.veterans(60), phase.controls(60)
    for treated, control in zip(veterans, never, strict=True):
        script.expose(treated, "on", 1)
        script.expose(control, "off", 1)
    for at, base in ((5, 100.0), (DAY + 10, 300.0)):
        for place, pair in enumerate(zip(veterans, never, strict=True)):
            for unit in pair:
                script.track(unit, "api_ms", at, base + place)
    script.quiet_until(DAY + 60)
    store.ingest(script.records)
    latency, mean = phase.metric(MetricKind.QUANTILE, quantile=0.95), phase.metric(MetricKind.MEAN)
    first = late(phase, store, latency, 2, 30)
    assert isinstance(first, QuantileBlock)
    assert first.thresholds == ()  # nothing is known on the first day
    second = late(phase, store, latency, DAY + 2, DAY + 30, epoch=DAY + 2)
    assert isinstance(second, QuantileBlock)
    assert max(second.thresholds) == 159.0
    assert second.treatment_above == (60,) * 5
    capped = late(phase, store, mean, DAY + 2, DAY + 30, epoch=DAY + 2)
    assert isinstance(capped, MeanBlock)
    assert capped.cap == 159.0


def test_a_count_is_taken_once_a_day_of_everybody_who_entered(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    veterans, never = phase.veterans(1), phase.controls(2)
    metric = phase.metric(MetricKind.COUNT, event="api_error", cap=9.0)
    for unit, variant in ((veterans[0], "on"), (never[0], "off"), (never[1], "off")):
        script.expose(unit, variant, 1)
    script.track(veterans[0], "api_error", 4)
    script.track(veterans[0], "api_error", 5)
    script.track(veterans[0], "api_error", 15)
    script.quiet_until(60)
    store.ingest(script.records)
    found = late(phase, store, metric, 12, 14, epoch=12)
    assert isinstance(found, MeanBlock)
    assert (found.treatment.n, found.treatment.total, found.control.n, found.control.total) == (1, 2.0, 2, 0.0)
    assert late(phase, store, metric, 14, 60, epoch=12) is None
