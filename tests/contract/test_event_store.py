"""What every analysis store promises (ports/event_store.py, RULES C and D)."""

from collections.abc import Callable
from datetime import timedelta
from math import log1p
from typing import Any

import pytest

from ebbgate.core.audiences import unit_bucket
from ebbgate.core.events import EvaluatorCounts, EvaluatorReport, Heartbeat
from ebbgate.core.metrics.blocks import BET_SIZES, RECOVERY, LimitBlock, MeanBlock, ProportionBlock, QuantileBlock
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval, LimitQuery
from ebbgate.core.metrics.definition import Direction, HarmBy, Metric, MetricKind
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute

SALT, SPLIT = "lineage-1", 300_000

Reopen = Callable[[], EventStore]


def a_contrast(**changes: Any) -> Contrast:
    fields: dict[str, Any] = {
        "rollout_id": "r1",
        "environment": "production",
        "flag": "newWidgets",
        "salt": SALT,
        "phase": 1,
        "version_from": 1,
        "version_to": None,
        "treatment": Interval(start=100_000, end=SPLIT),
        "control": Interval(start=SPLIT, end=TOTAL_PPM),
        "treatment_variant": "on",
        "control_variant": "off",
        "audience_variant": "on_audience",
    }
    return Contrast(**{**fields, **changes})


def a_metric(kind: MetricKind = MetricKind.RATE, **changes: Any) -> Metric:
    """Window 10 minutes, lateness 2: a unit first exposed in minute m closes in minute m + 12."""
    has_trial = kind in (MetricKind.RATE, MetricKind.SHARE, MetricKind.RATIO)
    fields: dict[str, Any] = {
        "name": "errors",
        "kind": kind,
        "event": "api_error" if has_trial else "api_ms",
        "trial": "api_request" if has_trial else None,
        "bad": Direction.INCREASE,
        "harm": HarmBy.MEAN,
        "window": timedelta(minutes=10),
        "lateness": timedelta(minutes=2),
    }
    return Metric(**{**fields, **changes})


def named(start: int, end: int, n: int = 1, *, prefix: str = "u") -> list[str]:
    """The first n names whose bucket lies in that interval."""
    found: list[str] = []
    number = 0
    while len(found) < n:
        name = f"{prefix}{number}"
        if start <= unit_bucket(SALT, name) < end:
            found.append(name)
        number += 1
    return found


def treated(n: int = 1, **more: str) -> list[str]:
    return named(100_000, SPLIT, n, **more)


def controls(n: int = 1, **more: str) -> list[str]:
    return named(SPLIT, TOTAL_PPM, n, **more)


def block(store: EventStore, metric: Metric, opened: float = 0, closed: float = 30, **changes: Any) -> Any:
    return store.block(a_contrast(**changes), metric, opened_at=minute(opened), closed_at=minute(closed))


def rate_of(store: EventStore, opened: float = 0, closed: float = 30) -> tuple[int, int, int, int]:
    got = block(store, a_metric(), opened, closed)
    assert isinstance(got, ProportionBlock)
    return got.treatment_n, got.treatment_y, got.control_n, got.control_y


# --- C4, I1: once, and with the offset ---


def test_a_new_store_knows_nothing(store: EventStore) -> None:
    assert (store.offset(), store.watermark()) == (0, None)
    assert block(store, a_metric()) is None
    assert store.totals().events == 0
    assert store.assignment(a_contrast()).treatment == 0
    assert store.first_treated_at(a_contrast()) is None


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


def test_a_restart_between_batches_loses_and_repeats_nothing(reopen: Reopen, script: EventScript) -> None:
    for i, unit in enumerate([*treated(3), *controls(3)]):
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
    assert rate_of(again) == (3, 0, 3, 0)


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


# --- D1, D2: who is in a block, and when ---


def test_a_block_holds_the_units_whose_windows_closed_in_its_span(store: EventStore, script: EventScript) -> None:
    first, second = treated(2)
    for unit, at in ((first, 0), (second, 1)):
        script.expose(unit, "on", at)
        script.track(unit, "api_request", at)
    script.quiet_until(20)
    store.ingest(script.records)
    assert rate_of(store, 11, 12)[0] == 1  # open to the left, closed to the right
    assert rate_of(store, 12, 13)[0] == 1
    assert block(store, a_metric(), 13, 14) is None


def test_a_unit_that_comes_back_in_the_phase_gives_no_second_observation(
    store: EventStore, script: EventScript
) -> None:
    (unit,) = treated()
    for at in (0, 20, 40):
        script.expose(unit, "on", at)
        script.track(unit, "api_request", at)
    store.ingest(script.records)
    assert rate_of(store, 0, 100)[0] == 1


def test_veterans_audience_and_the_holdout_are_in_no_comparison(store: EventStore, script: EventScript) -> None:
    (veteran,) = named(0, 100_000)
    (new,), (old, held, chosen) = treated(), controls(3)
    seen = {veteran: "on", new: "on", old: "off", held: "off_holdout", chosen: "on_audience"}
    for unit, variant in seen.items():
        script.expose(unit, variant, 0)
        script.track(unit, "api_request", 1)
        script.track(unit, "api_error", 2)
    store.ingest(script.records)
    assert rate_of(store) == (1, 1, 1, 1)
    counts = store.assignment(a_contrast())
    assert (counts.treatment, counts.control, counts.veterans, counts.audience) == (1, 1, 1, 1)
    assert counts.expected_share == pytest.approx(2 / 9)
    assert counts.phase == 1


def test_only_snapshots_of_the_phase_count(store: EventStore, script: EventScript) -> None:
    before, inside, after = treated(3)
    for unit, version in ((before, 4), (inside, 5), (after, 7)):
        script.expose(unit, "on", 0, version=version)
    store.ingest(script.records)
    assert store.assignment(a_contrast(version_from=5, version_to=7)).treatment == 1
    assert store.assignment(a_contrast(version_from=5, version_to=None)).treatment == 2
    versions = (5, 7)
    assert store.active_units(environment="production", flag="newWidgets", versions=versions) == 1
    assert store.active_units(environment="staging", flag="newWidgets", versions=versions) == 0
    count = store.exposed_units(environment="production", flag="newWidgets", versions=(4, None), variants=["on"])
    assert count == 3
    assert store.exposed_units(environment="production", flag="newWidgets", versions=(4, None), variants=["x"]) == 0


def test_units_are_counted_as_they_come(store: EventStore, script: EventScript) -> None:
    for at, unit in enumerate(controls(4)):
        script.expose(unit, "off", at)
        script.expose(unit, "off", at)
        store.ingest(script.records)
        assert store.active_units(environment="production", flag="newWidgets", versions=(1, None)) == at + 1
        assert store.totals().units == at + 1
        assert store.assignment(a_contrast()).control == at + 1


def test_the_first_exposure_to_the_treatment_is_dated(store: EventStore, script: EventScript) -> None:
    script.expose(controls()[0], "off", 0)
    script.expose("chosen", "on_audience", 3)
    script.expose(treated()[0], "on", 5)
    store.ingest(script.records)
    assert store.first_treated_at(a_contrast()) == minute(3)


def test_the_newest_variant_of_a_unit_is_known(store: EventStore, script: EventScript) -> None:
    script.expose("ada", "off", 0)
    script.expose("ada", "on", 4)
    script.expose("bob", "off", 5)
    store.ingest(script.records)
    asked = {"environment": "production", "flag": "newWidgets"}
    assert [store.last_variant(**asked, unit=unit) for unit in ("ada", "bob", "eve")] == ["on", "off", None]
    assert store.last_variant(environment="staging", flag="newWidgets", unit="ada") is None


def test_a_unit_seen_in_both_arms_is_left_out_from_when_that_is_known(store: EventStore, script: EventScript) -> None:
    early, late = treated(2)
    for unit in (early, late):
        script.expose(unit, "on", 0)
        script.track(unit, "api_request", 1)
    script.expose(early, "off", 11)  # before its close in minute 12
    script.expose(late, "off", 13)  # it has been counted, and stays
    store.ingest(script.records)
    assert rate_of(store)[0] == 1
    counts = store.assignment(a_contrast())
    assert (counts.treatment, counts.crossed) == (0, 2)


def test_a_block_is_the_same_when_asked_again_later(store: EventStore, script: EventScript) -> None:
    units = [*treated(5), *controls(5)]
    for i, unit in enumerate(units):
        script.expose(unit, "on" if i < 5 else "off", i / 10)
        script.track(unit, "api_request", 1 + i / 10)
    script.quiet_until(13)
    store.ingest(script.records)
    then = block(store, a_metric(), 0, 13)
    for unit in units:
        script.track(unit, "api_error", 2, received=14)
        script.expose(unit, "on_audience", 14)
        script.expose(f"{unit}x", "off", 0.1, received=14)
    store.ingest(script.records)
    assert then == block(store, a_metric(), 0, 13)


def test_in_the_recovery_check_both_arms_see_the_control_and_the_audience_stays_out(
    store: EventStore, script: EventScript
) -> None:
    former, never, chosen = *treated(), *controls(2)
    script.expose(former, "on", 0)
    script.expose(never, "off", 0)
    script.expose(chosen, "on_audience", 0)
    for unit in (former, never, chosen):
        script.expose(unit, "off", 20, version=9)
        script.track(unit, "api_request", 21)
    script.quiet_until(40)
    store.ingest(script.records)
    recovery = {"phase": RECOVERY, "version_from": 9, "treatment_variant": "off"}
    got = block(store, a_metric(), 20, 40, **recovery)
    assert (got.treatment_n, got.control_n, got.phase) == (1, 1, RECOVERY)
    counts = store.assignment(a_contrast(**recovery))
    assert (counts.treatment, counts.control, counts.audience, counts.crossed) == (1, 1, 1, 0)
    # Absolute limits (RULES H3) hold for everybody formerly treated, the audience among them.
    query = LimitQuery(metric=a_metric(), limit=0.05)
    (limit,) = store.limit_blocks(a_contrast(**recovery), query, opened_at=minute(20), closed_at=minute(40))
    assert isinstance(limit, LimitBlock)
    assert (limit.treatment_n, limit.control_n) == (2, 1)


# --- C3, D4: time ---


def test_an_event_that_arrives_after_the_close_is_kept_and_counted_as_late(
    store: EventStore, script: EventScript
) -> None:
    (new,), (old,) = treated(), controls()
    script.expose(new, "on", 0)
    script.expose(old, "off", 0)
    script.track(new, "api_request", 1)
    script.track(new, "api_error", 2, received=11.9)
    script.track(old, "api_request", 1)
    script.track(old, "api_error", 2, received=12)
    script.track(old, "other", 2, received=12)  # no metric of ours
    script.track(old, "api_error", 10, received=12)  # after the window: not late, but outside
    store.ingest(script.records)
    assert rate_of(store) == (1, 1, 1, 0)
    counts = store.assignment(a_contrast())
    assert (counts.treatment_late, counts.control_late) == (0, 1)
    assert store.totals().events == 6


def test_late_events_are_counted_after_a_restart_as_before(reopen: Reopen, script: EventScript) -> None:
    (unit,) = treated()
    script.expose(unit, "on", 0)
    store = reopen()
    store.ingest(script.records)
    block(store, a_metric())
    script.track(unit, "api_request", 1, received=15)
    again = reopen()
    again.ingest(script.records)
    assert again.assignment(a_contrast()).treatment_late == 1


def test_a_sender_whose_clock_is_wrong_is_corrected_by_when_it_sent(store: EventStore, script: EventScript) -> None:
    (unit,) = treated()
    script.expose(unit, "on", 0, skew=-300)
    script.track(unit, "api_request", 1, skew=600)
    script.track(unit, "api_error", 2, skew=-600)
    store.ingest(script.records)
    assert rate_of(store) == (1, 1, 0, 0)
    assert store.names()[0].newest_at == minute(2)


def test_no_event_is_later_than_its_arrival(store: EventStore, script: EventScript) -> None:
    (unit,) = treated()
    script.expose(unit, "on", 0)
    script.track(unit, "api_request", 9)
    script.track(unit, "api_error", 11, received=9.5)  # stamped after it was sent; at 9.5 it is inside the window
    store.ingest(script.records)
    assert rate_of(store) == (1, 1, 0, 0)


def test_correction_does_not_move_an_event_before_the_exposure_that_it_followed(
    store: EventStore, script: EventScript
) -> None:
    (unit,) = treated()
    script.expose(unit, "on", 0, sent=0.1, received=0.9)  # slow on its way: corrected, it happened at 0.8
    script.track(unit, "api_request", 0.05, sent=0.1, received=1)  # at 0.95
    script.track(unit, "api_request", 0.06, sent=1, received=1)  # at 0.06, as if before the exposure
    script.track(unit, "api_error", 0.07, sent=1, received=1)
    store.ingest(script.records)
    assert rate_of(store) == (1, 1, 0, 0)


def test_what_happened_before_the_first_exposure_is_no_evidence(store: EventStore, script: EventScript) -> None:
    (unit,) = treated()
    script.track(unit, "api_request", 0)
    script.track(unit, "api_error", 1)
    script.expose(unit, "on", 2)
    script.track(unit, "api_request", 3)
    store.ingest(script.records)
    assert rate_of(store) == (1, 0, 0, 0)


def test_an_exposure_that_arrives_after_its_own_close_is_not_counted(store: EventStore, script: EventScript) -> None:
    (unit,) = treated()
    script.track(unit, "api_request", 1)
    script.expose(unit, "on", 0, received=13)
    store.ingest(script.records)
    assert block(store, a_metric()) is None


# --- D3: the first trial ---


def test_the_first_request_decides_however_many_follow(store: EventStore, script: EventScript) -> None:
    (new,), (old,) = treated(), controls()
    script.expose(new, "on", 0)
    script.expose(old, "off", 0)
    for at in (1, 2, 3):
        script.track(new, "api_request", at)
        script.track(old, "api_request", at)
    script.track(new, "api_error", 2.5)  # of the second request
    script.track(old, "api_error", 1.5)
    store.ingest(script.records)
    assert rate_of(store) == (1, 0, 1, 1)


def test_an_event_that_names_its_trial_belongs_to_it_whatever_the_time(store: EventStore, script: EventScript) -> None:
    (new,), (old,) = treated(), controls()
    script.expose(new, "on", 0)
    script.expose(old, "off", 0)
    first = script.track(new, "api_request", 1)
    script.track(new, "api_request", 2)
    script.track(new, "api_error", 3, of=first)
    script.track(old, "api_request", 1)
    second = script.track(old, "api_request", 2)
    script.track(old, "api_error", 1.5, of=second)
    store.ingest(script.records)
    assert rate_of(store) == (1, 1, 1, 0)


def test_a_unit_without_a_trial_gives_no_observation(store: EventStore, script: EventScript) -> None:
    idle, active = treated(2)
    script.expose(idle, "on", 0)
    script.expose(active, "on", 0)
    script.track(active, "api_request", 1)
    script.track(idle, "api_error", 1)
    script.track(idle, "api_request", 10)  # the window is over
    store.ingest(script.records)
    assert rate_of(store) == (1, 0, 0, 0)


def test_only_the_functions_that_the_metric_names_are_eligible(store: EventStore, script: EventScript) -> None:
    (unit,) = treated()
    script.expose(unit, "on", 0)
    script.track(unit, "api_request", 1, function="list")
    script.track(unit, "api_error", 1.5)
    script.track(unit, "api_request", 2, function="apply_all")
    script.track(unit, "api_request", 3, function="list")
    script.track(unit, "api_error", 3.5)
    store.ingest(script.records)
    got = block(store, a_metric(on=("apply_all", "resolve")))
    assert (got.treatment_n, got.treatment_y) == (1, 0)
    got = block(store, a_metric(on=("list",)))
    assert (got.treatment_n, got.treatment_y) == (1, 1)
    assert block(store, a_metric(by="endpoint", on=("list",))).treatment_n == 0


# --- the kinds ---


def test_a_ratio_counts_per_unit_and_leaves_out_units_without_a_denominator(
    store: EventStore, script: EventScript
) -> None:
    one, none = treated(2)
    script.expose(one, "on", 0)
    script.expose(none, "on", 0)
    for at in (1, 2, 3):
        script.track(one, "api_request", at)
    script.track(one, "api_error", 3)
    script.track(none, "api_error", 3)
    store.ingest(script.records)
    got = block(store, a_metric(MetricKind.RATIO))
    assert (got.treatment.n, got.treatment.numerator, got.treatment.denominator) == (1, 1.0, 3.0)
    assert (got.treatment.denominator_squares, got.treatment.products) == (9.0, 3.0)
    assert (got.treatment_any, got.treatment_any_y, got.control_any) == (1, 1, 0)


def test_a_mean_is_the_unit_s_average_capped_and_bet_on(store: EventStore, script: EventScript) -> None:
    (new,), (old,) = treated(), controls()
    for unit, variant, values in ((new, "on", (4.0, 8.0)), (old, "off", (2.0, 30.0))):
        script.expose(unit, variant, 0)
        for value in values:
            script.track(unit, "api_ms", 1, value)
    store.ingest(script.records)
    got = block(store, a_metric(MetricKind.MEAN, cap=10.0))
    assert isinstance(got, MeanBlock)
    assert (got.treatment.total, got.control.total, got.control_raw_total, got.cap) == (6.0, 10.0, 16.0, 10.0)
    assert got.log_wealth == pytest.approx([log1p(bet * (6 - 10) / 10) for bet in BET_SIZES], abs=1e-12)
    assert (got.rank_score, got.rank_variance) == (pytest.approx(-0.25), pytest.approx(1 / 2 * 2 / 16))


def test_a_fall_is_what_is_bet_on_where_a_fall_is_bad(store: EventStore, script: EventScript) -> None:
    news, (old,) = treated(2), controls()
    for unit, variant, value in ((news[0], "on", 2.0), (news[1], "on", 4.0), (old, "off", 9.0)):
        script.expose(unit, variant, 0)
        script.track(unit, "api_ms", 1, value)
    store.ingest(script.records)
    got = block(store, a_metric(MetricKind.MEAN, cap=10.0, bad=Direction.DECREASE))
    assert got.log_wealth == pytest.approx([log1p(bet * 0.6) for bet in BET_SIZES], abs=1e-12)


def test_without_a_cap_nobody_bets_until_the_control_has_been_seen(store: EventStore, script: EventScript) -> None:
    metric = a_metric(MetricKind.MEAN)
    for at, prefix, value in ((0, "a", 5.0), (20, "b", 50.0)):
        for unit, variant in ((treated(prefix=prefix)[0], "on"), (controls(prefix=prefix)[0], "off")):
            script.expose(unit, variant, at)
            script.track(unit, "api_ms", at + 1, value)
    script.quiet_until(50)
    store.ingest(script.records)
    first, second = block(store, metric, 0, 20), block(store, metric, 20, 40)
    assert (first.cap, first.log_wealth, first.control.total) == (0.0, (0.0,) * len(BET_SIZES), 5.0)
    assert (second.cap, second.control.total, second.control_raw_total) == (5.0, 5.0, 50.0)


def test_every_exposed_unit_has_a_count(store: EventStore, script: EventScript) -> None:
    many, none = treated(2)
    script.expose(many, "on", 0)
    script.expose(none, "on", 0)
    for at in (1, 2):
        script.track(many, "ticket", at)
    store.ingest(script.records)
    got = block(store, a_metric(MetricKind.COUNT, event="ticket", cap=5.0))
    assert (got.treatment.n, got.treatment.total, got.treatment.squares) == (2, 2.0, 4.0)


def test_a_survey_takes_the_last_answer_within_its_scale(store: EventStore, script: EventScript) -> None:
    (unit,) = treated()
    script.expose(unit, "on", 0)
    for at, answer in ((1, 2.0), (2, 4.0), (3, 9.0)):
        script.track(unit, "satisfaction", at, answer)
    store.ingest(script.records)
    got = block(store, a_metric(MetricKind.SURVEY, event="satisfaction", scale=(1.0, 5.0)))
    assert (got.treatment.n, got.treatment.total, got.cap) == (1, 4.0, 5.0)


def test_a_latency_is_the_first_request_s_and_bad_values_are_counted_by_arm(
    store: EventStore, script: EventScript
) -> None:
    (new,), (old,) = treated(), controls()
    script.expose(new, "on", 0)
    script.expose(old, "off", 0)
    script.track(new, "api_ms", 1, -5.0)
    script.track(new, "api_ms", 1, float("nan"))
    script.track(new, "api_ms", 2, 100.0)
    script.track(new, "api_ms", 3, 900.0)
    script.track(old, "api_ms", 1, None, invalid=True)
    script.track(old, "balance", 1, -3.0)  # not a duration: it may be negative
    store.ingest(script.records)
    got = block(store, a_metric(MetricKind.QUANTILE, quantile=0.95))
    assert isinstance(got, QuantileBlock)
    assert (got.treatment_n, got.control_n, got.thresholds) == (1, 0, ())
    assert got.treatment_sketch == {232: 1}
    counts = store.assignment(a_contrast())
    assert (counts.treatment_dropped, counts.control_dropped) == (2, 1)


def test_thresholds_come_from_earlier_control_units_only(store: EventStore, script: EventScript) -> None:
    metric = a_metric(MetricKind.QUANTILE, quantile=0.95)
    earlier, later = controls(100), treated(3, prefix="t")
    for i, unit in enumerate(earlier):
        script.expose(unit, "off", i / 100)
        script.track(unit, "api_ms", 1 + i / 100, float(i + 1))
    for i, unit in enumerate(later):
        script.expose(unit, "on", 20)
        script.track(unit, "api_ms", 21, (40.0, 95.0, 1000.0)[i])
    script.quiet_until(40)
    store.ingest(script.records)
    assert block(store, metric, 0, 13).thresholds == ()
    got = block(store, metric, 13, 40)
    assert got.thresholds == (50.0, 75.0, 90.0, 95.0, 99.0)
    assert got.treatment_above == (2, 2, 2, 1, 1)  # strictly above
    assert block(store, metric, 0, 13).thresholds == ()  # asked again, out of order


# --- G1: absolute limits ---


def test_a_limit_counts_all_exposed_units_of_each_side_function_by_function(
    store: EventStore, script: EventScript
) -> None:
    (veteran,), (chosen, held) = named(0, 100_000), controls(2)
    for unit, variant in ((veteran, "on"), (chosen, "on_audience"), (held, "off_holdout")):
        script.expose(unit, variant, 0)
        script.track(unit, "api_request", 1, function="resolve")
        script.track(unit, "api_error", 1.5)
    script.track(chosen, "api_request", 2, function="apply_all")
    store.ingest(script.records)
    query = LimitQuery(metric=a_metric(), limit=0.05, functions=("apply_all", "resolve", "unheard_of"))
    blocks = store.limit_blocks(a_contrast(), query, opened_at=minute(0), closed_at=minute(30))
    assert all(isinstance(one, LimitBlock) and one.limit == 0.05 for one in blocks)
    found = {one.function: (one.treatment_n, one.treatment_y, one.control_n, one.control_y) for one in blocks}  # type: ignore[union-attr]
    assert found == {"apply_all": (1, 0, 0, 0), "resolve": (2, 2, 1, 1)}


def test_a_limit_on_a_latency_counts_units_above_it(store: EventStore, script: EventScript) -> None:
    for unit, value in zip(treated(3), (4999.0, 5000.0, 5001.0), strict=True):
        script.expose(unit, "on", 0)
        script.track(unit, "api_ms", 1, value)
    store.ingest(script.records)
    query = LimitQuery(metric=a_metric(MetricKind.QUANTILE, quantile=0.5), limit=5000.0)
    (got,) = store.limit_blocks(a_contrast(), query, opened_at=minute(0), closed_at=minute(30))
    assert (got.function, got.treatment_n, got.treatment_y) == ("", 3, 1)  # type: ignore[union-attr]


def limits(store: EventStore, opened: float, closed: float, metric: Metric | None = None, limit: float = 0.05) -> Any:
    """(treatment n, y, control n, y), or None without observations."""
    query = LimitQuery(metric=metric or a_metric(), limit=limit)
    blocks = store.limit_blocks(a_contrast(), query, opened_at=minute(opened), closed_at=minute(closed))
    counts = [(b.treatment_n, b.treatment_y, b.control_n, b.control_y) for b in blocks if isinstance(b, LimitBlock)]
    return counts[0] if counts else None


def test_an_outage_days_after_a_unit_s_first_window_is_seen_by_limits(store: EventStore, script: EventScript) -> None:
    (new,), (old,) = treated(), controls()
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
    assert limits(store, 0, 5 * day) == (1, 0, 1, 0)
    assert limits(store, 5 * day, 7 * day) == (1, 1, 1, 0)  # once in a block, however often it asks
    assert limits(store, 6 * day + 2, 6 * day + 3) == (1, 1, 1, 0)  # two minutes of lateness
    assert limits(store, 6 * day + 1, 6 * day + 1.9) is None
    assert limits(store, 6 * day + 3, 7 * day) is None


def test_limits_leave_out_what_was_before_the_exposure_or_came_too_late(store: EventStore, script: EventScript) -> None:
    (unit,) = treated()
    script.track(unit, "api_request", 1)
    script.expose(unit, "on", 5)
    script.track(unit, "api_request", 20, received=22)
    request = script.track(unit, "api_request", 30)
    script.track(unit, "api_error", 31, of=request, received=32)
    script.quiet_until(60)
    store.ingest(script.records)
    assert limits(store, 0, 30) is None
    assert limits(store, 30, 60) == (1, 0, 0, 0)  # the request was known in time, its error was not


def test_an_error_belongs_to_the_latest_trial_before_it_in_limits_too(store: EventStore, script: EventScript) -> None:
    one, two = treated(2)
    for unit, at in ((one, 21.5), (two, 20.5)):
        script.expose(unit, "on", 0)
        script.track(unit, "api_request", 20)
        script.track(unit, "api_request", 21)
        script.track(unit, "api_error", at)
    script.quiet_until(60)
    store.ingest(script.records)
    assert limits(store, 20, 60) == (2, 1, 0, 0)


def test_a_unit_that_saw_both_versions_is_out_of_limits_from_then_on(store: EventStore, script: EventScript) -> None:
    (unit,) = treated()
    script.expose(unit, "on", 0)
    script.track(unit, "api_request", 1)
    script.expose(unit, "off", 10)
    script.track(unit, "api_request", 11)
    script.quiet_until(60)
    store.ingest(script.records)
    assert limits(store, 0, 5) == (1, 0, 0, 0)
    assert limits(store, 5, 60) is None


def test_a_share_s_trial_has_its_window_to_succeed_in_limits(store: EventStore, script: EventScript) -> None:
    metric, units = a_metric(MetricKind.SHARE), treated(2)
    for unit, at in zip(units, (109, 111), strict=True):
        script.expose(unit, "on", 0)
        script.track(unit, "api_request", 100)
        script.track(unit, "api_error", at)
    script.quiet_until(200)
    store.ingest(script.records)
    assert limits(store, 20, 111, metric) is None
    assert limits(store, 111, 200, metric) == (2, 1, 0, 0)


def test_a_count_is_held_against_its_limit_window_after_window(store: EventStore, script: EventScript) -> None:
    (unit,) = treated()
    script.expose(unit, "on", 0)
    for at in (1, 25, 26, 27):
        script.track(unit, "api_ms", at, 1.0)
    script.quiet_until(60)
    store.ingest(script.records)
    found = [limits(store, at, at + 10, a_metric(MetricKind.COUNT), 2.0) for at in (2, 12, 22, 32)]
    assert found == [(1, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0), (1, 0, 0, 0)]


# --- H2 and silence ---


def a_report(state: Any, at: float, **changes: Any) -> EvaluatorReport:
    fields = {"evaluator": "e1", "name": "web-1", "kind": "sdk", "state": state, "reported_at": minute(at)}
    return EvaluatorReport(**{**fields, **changes})


def test_evaluators_confirm_a_version_or_a_later_one(reopen: Reopen, script: EventScript) -> None:
    script.report(a_report("connected", 0, kind="stream", snapshot_version=4))
    script.report(a_report("confirmed", 1, snapshot_version=3))
    script.report(a_report("confirmed", 2, snapshot_version=5))
    script.report(a_report("heartbeat", 3, snapshot_version=5, environment="staging"))
    script.report(a_report("heartbeat", 3, evaluator="e2", kind="ofrep", name="mobile", snapshot_version=5))
    script.report(a_report("disconnected", 4, kind="stream"))
    reopen().ingest(script.records)
    store = reopen()
    one, two = store.evaluators()
    assert (one.evaluator, one.kind, one.is_connected, one.snapshot_version) == ("e1", "sdk", False, 5)
    assert (one.confirmed_at, one.last_seen_at) == (minute(2), minute(4))
    assert (one.environment, two.environment) == ("staging", None)
    assert (two.kind, two.is_connected, two.confirmed_at) == ("ofrep", True, None)
    assert [(c.evaluator, c.snapshot_version, c.received_at) for c in store.confirmations(4)] == [("e1", 5, minute(2))]
    (first,) = store.confirmations(3)
    assert (first.received_at, first.connected_at, first.environment) == (minute(1), minute(1), "staging")
    assert store.confirmations(6) == []


def test_counts_of_evaluators_are_cumulative_and_add_up(store: EventStore, script: EventScript) -> None:
    few = EvaluatorCounts(evaluations={"newWidgets": 5}, keyless={"newWidgets": 1})
    more = EvaluatorCounts(
        evaluations={"newWidgets": 9}, keyless={"newWidgets": 2}, missing_attributes={"newWidgets": {"email": 9}}
    )
    script.report(a_report("heartbeat", 1, counts=more))
    script.report(a_report("heartbeat", 2, counts=few))  # it overtook the other
    script.report(a_report("heartbeat", 2, evaluator="e2", counts=few))
    store.ingest(script.records)
    (counts,) = store.evaluation_counts()
    assert (counts.flag, counts.evaluations, counts.keyless, counts.code_defaults) == ("newWidgets", 14, 3, 0)
    assert counts.missing_attributes == {"email": 9}
    assert store.assignment(a_contrast()).keyless == 3


def test_names_say_what_arrives(store: EventStore, script: EventScript) -> None:
    script.track("u1", "widget_click", 1)
    script.track("u2", "widget_click", 3)
    script.track("u2", "click_widget", 2)
    store.ingest(script.records)
    assert [(n.name, n.count, n.newest_at) for n in store.names()] == [
        ("click_widget", 1, minute(2)),
        ("widget_click", 2, minute(3)),
    ]
