"""When something happened, and what comes too late (RULES C3, D4)."""

from collections.abc import Callable
from typing import Any

from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute

Reopen = Callable[[], EventStore]


def test_an_event_that_arrives_after_the_close_is_kept_and_counted_as_late(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (new,), (old,) = phase.treated(), phase.controls()
    script.expose(new, "on", 0)
    script.expose(old, "off", 0)
    script.track(new, "api_request", 1)
    script.track(new, "api_error", 2, received=11.9)
    script.track(old, "api_request", 1)
    script.track(old, "api_error", 2, received=12)
    script.track(old, "other", 2, received=12)  # no metric of ours
    script.track(old, "api_error", 10, received=12)  # after the window: not late, but outside
    store.ingest(script.records)
    assert phase.rate_of(store) == (1, 1, 1, 0)
    counts = store.assignment(phase.contrast())
    assert (counts.treatment_late, counts.control_late) == (0, 1)
    assert store.totals().events == 6


def test_late_events_are_counted_after_a_restart_as_before(reopen: Reopen, script: EventScript, phase: Any) -> None:
    (unit,) = phase.treated()
    script.expose(unit, "on", 0)
    store = reopen()
    store.ingest(script.records)
    phase.block(store, phase.metric())
    script.track(unit, "api_request", 1, received=15)
    again = reopen()
    again.ingest(script.records)
    assert again.assignment(phase.contrast()).treatment_late == 1


def test_a_sender_whose_clock_is_wrong_is_corrected_by_when_it_sent(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (unit,) = phase.treated()
    script.expose(unit, "on", 0, skew=-300)
    script.track(unit, "api_request", 1, skew=600)
    script.track(unit, "api_error", 2, skew=-600)
    store.ingest(script.records)
    assert phase.rate_of(store) == (1, 1, 0, 0)
    assert store.names()[0].newest_at == minute(2)


def test_no_event_is_later_than_its_arrival(store: EventStore, script: EventScript, phase: Any) -> None:
    (unit,) = phase.treated()
    script.expose(unit, "on", 0)
    script.track(unit, "api_request", 9)
    script.track(unit, "api_error", 11, received=9.5)  # stamped after it was sent; at 9.5 it is inside the window
    store.ingest(script.records)
    assert phase.rate_of(store) == (1, 1, 0, 0)


def test_correction_does_not_move_an_event_before_the_exposure_that_it_followed(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (unit,) = phase.treated()
    script.expose(unit, "on", 0, sent=0.1, received=0.9)  # slow on its way: corrected, it happened at 0.8
    script.track(unit, "api_request", 0.05, sent=0.1, received=1)  # at 0.95
    script.track(unit, "api_request", 0.06, sent=1, received=1)  # at 0.06, as if before the exposure
    script.track(unit, "api_error", 0.07, sent=1, received=1)
    store.ingest(script.records)
    assert phase.rate_of(store) == (1, 1, 0, 0)


def test_what_happened_before_the_first_exposure_is_no_evidence(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (unit,) = phase.treated()
    script.track(unit, "api_request", 0)
    script.track(unit, "api_error", 1)
    script.expose(unit, "on", 2)
    script.track(unit, "api_request", 3)
    store.ingest(script.records)
    assert phase.rate_of(store) == (1, 0, 0, 0)


def test_an_exposure_that_arrives_after_its_own_close_is_not_counted(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (unit,) = phase.treated()
    script.track(unit, "api_request", 1)
    script.expose(unit, "on", 0, received=13)
    store.ingest(script.records)
    assert phase.block(store, phase.metric()) is None
