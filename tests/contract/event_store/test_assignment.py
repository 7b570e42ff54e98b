"""Who is in which arm of a phase, and in which block (RULES D1, D2, D4, D5)."""

from typing import Any

import pytest

from ebbgate.core.metrics.blocks import RECOVERY, LimitBlock
from ebbgate.core.metrics.contrast import LimitQuery
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute


def test_a_block_holds_the_units_whose_windows_closed_in_its_span(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    first, second = phase.treated(2)
    for unit, at in ((first, 0), (second, 1)):
        script.expose(unit, "on", at)
        script.track(unit, "api_request", at)
    script.quiet_until(20)
    store.ingest(script.records)
    assert phase.rate_of(store, 11, 12)[0] == 1  # open to the left, closed to the right
    assert phase.rate_of(store, 12, 13)[0] == 1
    assert phase.block(store, phase.metric(), 13, 14) is None


def test_a_unit_that_comes_back_in_the_phase_gives_no_second_observation(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (unit,) = phase.treated()
    for at in (0, 20, 40):
        script.expose(unit, "on", at)
        script.track(unit, "api_request", at)
    store.ingest(script.records)
    assert phase.rate_of(store, 0, 100)[0] == 1


def test_veterans_audience_and_the_holdout_are_in_no_comparison(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (veteran,) = phase.veterans()
    (new,), (old, held, chosen) = phase.treated(), phase.controls(3)
    seen = {veteran: "on", new: "on", old: "off", held: "off_holdout", chosen: "on_audience"}
    for unit, variant in seen.items():
        script.expose(unit, variant, 0)
        script.track(unit, "api_request", 1)
        script.track(unit, "api_error", 2)
    store.ingest(script.records)
    assert phase.rate_of(store) == (1, 1, 1, 1)
    counts = store.assignment(phase.contrast())
    assert (counts.treatment, counts.control, counts.veterans, counts.audience) == (1, 1, 1, 1)
    assert counts.expected_share == pytest.approx(2 / 9)
    assert counts.phase == 1


def test_only_snapshots_of_the_phase_count(store: EventStore, script: EventScript, phase: Any) -> None:
    before, inside, after = phase.treated(3)
    for unit, version in ((before, 4), (inside, 5), (after, 7)):
        script.expose(unit, "on", 0, version=version)
    store.ingest(script.records)
    assert store.assignment(phase.contrast(version_from=5, version_to=7)).treatment == 1
    assert store.assignment(phase.contrast(version_from=5, version_to=None)).treatment == 2
    versions = (5, 7)
    assert store.active_units(environment="production", flag="newWidgets", versions=versions) == 1
    assert store.active_units(environment="staging", flag="newWidgets", versions=versions) == 0
    count = store.exposed_units(environment="production", flag="newWidgets", versions=(4, None), variants=["on"])
    assert count == 3
    assert store.exposed_units(environment="production", flag="newWidgets", versions=(4, None), variants=["x"]) == 0


def test_units_are_counted_as_they_come(store: EventStore, script: EventScript, phase: Any) -> None:
    for at, unit in enumerate(phase.controls(4)):
        script.expose(unit, "off", at)
        script.expose(unit, "off", at)
        store.ingest(script.records)
        assert store.active_units(environment="production", flag="newWidgets", versions=(1, None)) == at + 1
        assert store.totals().units == at + 1
        assert store.assignment(phase.contrast()).control == at + 1


def test_the_first_exposure_to_the_treatment_is_dated(store: EventStore, script: EventScript, phase: Any) -> None:
    script.expose(phase.controls()[0], "off", 0)
    script.expose("chosen", "on_audience", 3)
    script.expose(phase.treated()[0], "on", 5)
    store.ingest(script.records)
    assert store.first_treated_at(phase.contrast()) == minute(3)


def test_the_newest_variant_of_a_unit_is_known(store: EventStore, script: EventScript) -> None:
    script.expose("ada", "off", 0)
    script.expose("ada", "on", 4)
    script.expose("bob", "off", 5)
    store.ingest(script.records)
    asked = {"environment": "production", "flag": "newWidgets"}
    assert [store.last_variant(**asked, unit=unit) for unit in ("ada", "bob", "eve")] == ["on", "off", None]
    assert store.last_variant(environment="staging", flag="newWidgets", unit="ada") is None


def test_a_unit_seen_in_both_arms_is_left_out_from_when_that_is_known(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    early, late = phase.treated(2)
    for unit in (early, late):
        script.expose(unit, "on", 0)
        script.track(unit, "api_request", 1)
    script.expose(early, "off", 11)  # before its close in minute 12
    script.expose(late, "off", 13)  # it has been counted, and stays
    store.ingest(script.records)
    assert phase.rate_of(store)[0] == 1
    counts = store.assignment(phase.contrast())
    assert (counts.treatment, counts.crossed) == (0, 2)


def test_a_block_is_the_same_when_asked_again_later(store: EventStore, script: EventScript, phase: Any) -> None:
    units = [*phase.treated(5), *phase.controls(5)]
    for i, unit in enumerate(units):
        script.expose(unit, "on" if i < 5 else "off", i / 10)
        script.track(unit, "api_request", 1 + i / 10)
    script.quiet_until(13)
    store.ingest(script.records)
    then = phase.block(store, phase.metric(), 0, 13)
    for unit in units:
        script.track(unit, "api_error", 2, received=14)
        script.expose(unit, "on_audience", 14)
        script.expose(f"{unit}x", "off", 0.1, received=14)
    store.ingest(script.records)
    assert then == phase.block(store, phase.metric(), 0, 13)


def test_in_the_recovery_check_both_arms_see_the_control_and_the_audience_stays_out(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    former, never, chosen = *phase.treated(), *phase.controls(2)
    script.expose(former, "on", 0)
    script.expose(never, "off", 0)
    script.expose(chosen, "on_audience", 0)
    for unit in (former, never, chosen):
        script.expose(unit, "off", 20, version=9)
        script.track(unit, "api_request", 21)
    script.quiet_until(40)
    store.ingest(script.records)
    recovery = {"phase": RECOVERY, "version_from": 9, "treatment_variant": "off"}
    got = phase.block(store, phase.metric(), 20, 40, **recovery)
    assert (got.treatment_n, got.control_n, got.phase) == (1, 1, RECOVERY)
    counts = store.assignment(phase.contrast(**recovery))
    assert (counts.treatment, counts.control, counts.audience, counts.crossed) == (1, 1, 1, 0)
    # Absolute limits (RULES H3) hold for everybody formerly treated, the audience among them.
    query = LimitQuery(metric=phase.metric(), limit=0.05)
    (limit,) = store.limit_blocks(phase.contrast(**recovery), query, opened_at=minute(20), closed_at=minute(40))
    assert isinstance(limit, LimitBlock)
    assert (limit.treatment_n, limit.control_n) == (2, 1)
