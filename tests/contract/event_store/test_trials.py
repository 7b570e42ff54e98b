"""Which of a unit's requests is its trial (RULES D3)."""

from typing import Any

from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript


def test_the_first_request_decides_however_many_follow(store: EventStore, script: EventScript, phase: Any) -> None:
    (new,), (old,) = phase.treated(), phase.controls()
    script.expose(new, "on", 0)
    script.expose(old, "off", 0)
    for at in (1, 2, 3):
        script.track(new, "api_request", at)
        script.track(old, "api_request", at)
    script.track(new, "api_error", 2.5)  # of the second request
    script.track(old, "api_error", 1.5)
    store.ingest(script.records)
    assert phase.rate_of(store) == (1, 0, 1, 1)


def test_an_event_that_names_its_trial_belongs_to_it_whatever_the_time(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (new,), (old,) = phase.treated(), phase.controls()
    script.expose(new, "on", 0)
    script.expose(old, "off", 0)
    first = script.track(new, "api_request", 1)
    script.track(new, "api_request", 2)
    script.track(new, "api_error", 3, of=first)
    script.track(old, "api_request", 1)
    second = script.track(old, "api_request", 2)
    script.track(old, "api_error", 1.5, of=second)
    store.ingest(script.records)
    assert phase.rate_of(store) == (1, 1, 1, 0)


def test_a_unit_without_a_trial_gives_no_observation(store: EventStore, script: EventScript, phase: Any) -> None:
    idle, active = phase.treated(2)
    script.expose(idle, "on", 0)
    script.expose(active, "on", 0)
    script.track(active, "api_request", 1)
    script.track(idle, "api_error", 1)
    script.track(idle, "api_request", 10)  # the window is over
    store.ingest(script.records)
    assert phase.rate_of(store) == (1, 0, 0, 0)


def test_only_the_functions_that_the_metric_names_are_eligible(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (unit,) = phase.treated()
    script.expose(unit, "on", 0)
    script.track(unit, "api_request", 1, function="list")
    script.track(unit, "api_error", 1.5)
    script.track(unit, "api_request", 2, function="apply_all")
    script.track(unit, "api_request", 3, function="list")
    script.track(unit, "api_error", 3.5)
    store.ingest(script.records)
    got = phase.block(store, phase.metric(on=("apply_all", "resolve")))
    assert (got.treatment_n, got.treatment_y) == (1, 0)
    got = phase.block(store, phase.metric(on=("list",)))
    assert (got.treatment_n, got.treatment_y) == (1, 1)
    assert phase.block(store, phase.metric(by="endpoint", on=("list",))).treatment_n == 0
