"""What every analysis store takes in, and takes in once (ports/event_store.py, RULES C4 and I1)."""

from collections.abc import Callable
from typing import Any

from ebbgate.core.events import Heartbeat
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute

Reopen = Callable[[], EventStore]


def test_a_new_store_knows_nothing(store: EventStore, phase: Any) -> None:
    assert (store.offset(), store.watermark()) == (0, None)
    assert phase.block(store, phase.metric()) is None
    assert store.totals().events == 0
    assert store.assignment(phase.contrast()).treatment == 0
    assert store.first_treated_at(phase.contrast()) is None


def test_records_at_or_before_the_offset_are_skipped_even_when_read_again(
    store: EventStore, script: EventScript
) -> None:
    script.expose("u1", "off", 0)
    script.track("u1", "api_request", 1)
    store.ingest(script.records)
    store.ingest(script.records)
    assert (store.offset(), store.watermark()) == (200, minute(1))
    totals = store.totals()
    assert (totals.units, totals.exposures, totals.events, totals.duplicates) == (1, 1, 1, 0)


def test_a_restart_between_batches_loses_and_repeats_nothing(reopen: Reopen, script: EventScript, phase: Any) -> None:
    for i, unit in enumerate([*phase.treated(3), *phase.controls(3)]):
        script.expose(unit, "on" if i < 3 else "off", 0)
        script.track(unit, "api_request", 1, id=f"request-{i}")
    half = len(script.records) // 2
    reopen().ingest(script.records[:half])
    again = reopen()
    assert again.offset() == script.records[half - 1][0]
    again.ingest(script.records[half - 2 :])  # the caller reads a little too early
    script.track("elsewhere", "api_request", 2, id="request-0")  # a client that never got its answer
    again = reopen()
    again.ingest(script.records)
    assert again.totals().events == 6
    assert again.totals().duplicates == 1
    assert phase.rate_of(again) == (3, 0, 3, 0)


def test_an_id_is_taken_once_within_seven_days_of_plan_time(store: EventStore, script: EventScript) -> None:
    day = 24 * 60
    script.track("u1", "api_request", 0, id="same")
    script.track("u1", "api_request", 7 * day - 1, id="same")
    script.track("u1", "api_request", 7 * day, id="same")
    script.track("u1", "api_request", 7 * day, id="same")
    store.ingest(script.records[:1])
    store.ingest(script.records[1:])
    assert (store.totals().events, store.totals().duplicates) == (2, 2)


def test_exposures_are_deduplicated_by_id_too(store: EventStore, script: EventScript) -> None:
    script.expose("u1", "off", 0, id="x")
    script.expose("u1", "off", 0, id="x")
    store.ingest(script.records)
    assert (store.totals().exposures, store.totals().duplicates) == (1, 1)


def test_a_record_out_of_order_does_not_turn_the_watermark_back(store: EventStore, script: EventScript) -> None:
    script.quiet_until(5)
    script.append([Heartbeat(source="edge", received_at=minute(4))], 4)
    store.ingest(script.records)
    assert store.watermark() == minute(5)


def test_names_say_what_arrives(store: EventStore, script: EventScript) -> None:
    script.track("u1", "widget_click", 1)
    script.track("u2", "widget_click", 3)
    script.track("u2", "click_widget", 2)
    store.ingest(script.records)
    assert [(n.name, n.count, n.newest_at) for n in store.names()] == [
        ("click_widget", 1, minute(2)),
        ("widget_click", 2, minute(3)),
    ]
