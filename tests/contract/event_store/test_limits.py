"""Absolute limits, over all exposed units and all their visits (RULES G1)."""

from typing import Any

from ebbgate.core.metrics.blocks import LimitBlock
from ebbgate.core.metrics.contrast import LimitQuery
from ebbgate.core.metrics.definition import MetricKind
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute


def test_a_limit_counts_all_exposed_units_of_each_side_function_by_function(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (veteran,), (chosen, held) = phase.veterans(), phase.controls(2)
    for unit, variant in ((veteran, "on"), (chosen, "on_audience"), (held, "off_holdout")):
        script.expose(unit, variant, 0)
        script.track(unit, "api_request", 1, function="resolve")
        script.track(unit, "api_error", 1.5)
    script.track(chosen, "api_request", 2, function="apply_all")
    store.ingest(script.records)
    query = LimitQuery(metric=phase.metric(), limit=0.05, functions=("apply_all", "resolve", "unheard_of"))
    blocks = store.limit_blocks(phase.contrast(), query, opened_at=minute(0), closed_at=minute(30))
    assert all(isinstance(one, LimitBlock) and one.limit == 0.05 for one in blocks)
    found = {one.function: (one.treatment_n, one.treatment_y, one.control_n, one.control_y) for one in blocks}  # type: ignore[union-attr]
    assert found == {"apply_all": (1, 0, 0, 0), "resolve": (2, 2, 1, 1)}


def test_a_limit_on_a_latency_counts_units_above_it(store: EventStore, script: EventScript, phase: Any) -> None:
    for unit, value in zip(phase.treated(3), (4999.0, 5000.0, 5001.0), strict=True):
        script.expose(unit, "on", 0)
        script.track(unit, "api_ms", 1, value)
    store.ingest(script.records)
    query = LimitQuery(metric=phase.metric(MetricKind.QUANTILE, quantile=0.5), limit=5000.0)
    (got,) = store.limit_blocks(phase.contrast(), query, opened_at=minute(0), closed_at=minute(30))
    assert (got.function, got.treatment_n, got.treatment_y) == ("", 3, 1)  # type: ignore[union-attr]


def test_an_outage_days_after_a_unit_s_first_window_is_seen_by_limits(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (new,), (old,) = phase.treated(), phase.controls()
    day = 24 * 60
    script.expose(new, "on", 0)
    script.expose(old, "off", 0)
    for at in (1, 6 * day, 6 * day + 1):
        script.track(old, "api_request", at)
        request = script.track(new, "api_request", at)
        if at > day:
            script.track(new, "api_error", at + 0.1, of=request)
    script.quiet_until(7 * day)
    store.ingest(script.records)
    assert phase.limits(store, 0, 5 * day) == (1, 0, 1, 0)
    assert phase.limits(store, 5 * day, 7 * day) == (1, 1, 1, 0)  # once in a block, however often it asks
    assert phase.limits(store, 6 * day + 2, 6 * day + 3) == (1, 1, 1, 0)  # two minutes of lateness
    assert phase.limits(store, 6 * day + 1, 6 * day + 1.9) is None
    assert phase.limits(store, 6 * day + 3, 7 * day) is None


def test_limits_leave_out_what_was_before_the_exposure_or_came_too_late(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (unit,) = phase.treated()
    script.track(unit, "api_request", 1)
    script.expose(unit, "on", 5)
    script.track(unit, "api_request", 20, received=22)
    request = script.track(unit, "api_request", 30)
    script.track(unit, "api_error", 31, of=request, received=32)
    script.quiet_until(60)
    store.ingest(script.records)
    assert phase.limits(store, 0, 30) is None
    assert phase.limits(store, 30, 60) == (1, 0, 0, 0)  # the request was known in time, its error was not


def test_an_error_belongs_to_the_latest_trial_before_it_in_limits_too(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    one, two = phase.treated(2)
    for unit, at in ((one, 21.5), (two, 20.5)):
        script.expose(unit, "on", 0)
        script.track(unit, "api_request", 20)
        script.track(unit, "api_request", 21)
        script.track(unit, "api_error", at)
    script.quiet_until(60)
    store.ingest(script.records)
    assert phase.limits(store, 20, 60) == (2, 1, 0, 0)


def test_a_unit_that_saw_both_versions_is_out_of_limits_from_then_on(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (unit,) = phase.treated()
    script.expose(unit, "on", 0)
    script.track(unit, "api_request", 1)
    script.expose(unit, "off", 10)
    script.track(unit, "api_request", 11)
    script.quiet_until(60)
    store.ingest(script.records)
    assert phase.limits(store, 0, 5) == (1, 0, 0, 0)
    assert phase.limits(store, 5, 60) is None


def test_a_share_s_trial_has_its_window_to_succeed_in_limits(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    metric, units = phase.metric(MetricKind.SHARE), phase.treated(2)
    for unit, at in zip(units, (109, 111), strict=True):
        script.expose(unit, "on", 0)
        script.track(unit, "api_request", 100)
        script.track(unit, "api_error", at)
    script.quiet_until(200)
    store.ingest(script.records)
    assert phase.limits(store, 20, 111, metric) is None
    assert phase.limits(store, 111, 200, metric) == (2, 1, 0, 0)


def test_a_count_is_held_against_its_limit_window_after_window(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (unit,) = phase.treated()
    script.expose(unit, "on", 0)
    for at in (1, 25, 26, 27):
        script.track(unit, "api_ms", at, 1.0)
    script.quiet_until(60)
    store.ingest(script.records)
    found = [phase.limits(store, at, at + 10, phase.metric(MetricKind.COUNT), 2.0) for at in (2, 12, 22, 32)]
    assert found == [(1, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0), (1, 0, 0, 0)]
