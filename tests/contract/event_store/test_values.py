"""What a unit's one observation is worth, by the kind of metric (RULES D2, E2)."""

from math import log1p
from typing import Any

import pytest

from ebbgate.core.metrics.blocks import BET_SIZES, MeanBlock, QuantileBlock
from ebbgate.core.metrics.definition import Direction, Margin, MetricKind
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript


def test_a_ratio_counts_per_unit_and_leaves_out_units_without_a_denominator(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    one, none = phase.treated(2)
    script.expose(one, "on", 0)
    script.expose(none, "on", 0)
    for at in (1, 2, 3):
        script.track(one, "api_request", at)
    script.track(one, "api_error", 3)
    script.track(none, "api_error", 3)
    store.ingest(script.records)
    got = phase.block(store, phase.metric(MetricKind.RATIO))
    assert (got.treatment.n, got.treatment.numerator, got.treatment.denominator) == (1, 1.0, 3.0)
    assert (got.treatment.denominator_squares, got.treatment.products) == (9.0, 3.0)
    assert (got.treatment_any, got.treatment_any_y, got.control_any) == (1, 1, 0)


def test_a_mean_is_the_unit_s_average_capped_and_bet_on(store: EventStore, script: EventScript, phase: Any) -> None:
    (new,), (old,) = phase.treated(), phase.controls()
    for unit, variant, values in ((new, "on", (4.0, 8.0)), (old, "off", (2.0, 30.0))):
        script.expose(unit, variant, 0)
        for value in values:
            script.track(unit, "api_ms", 1, value)
    store.ingest(script.records)
    got = phase.block(store, phase.metric(MetricKind.MEAN, cap=10.0))
    assert isinstance(got, MeanBlock)
    assert (got.treatment.total, got.control.total, got.control_raw_total, got.cap) == (6.0, 10.0, 10.0, 10.0)
    assert got.log_wealth == pytest.approx([log1p(bet * (6 - 10) / 10) for bet in BET_SIZES], abs=1e-12)
    assert (got.rank_score, got.rank_variance) == (pytest.approx(-0.25), pytest.approx(1 / 2 * 2 / 16))


def test_above_a_plan_s_cap_values_count_as_the_cap_in_every_number(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (high, low), (old,) = phase.treated(2), phase.controls()
    for unit, variant, value in ((high, "on", 900.0), (low, "on", 4.0), (old, "off", 30.0)):
        script.expose(unit, variant, 0)
        script.track(unit, "api_ms", 1, value)
    store.ingest(script.records)
    got = phase.block(store, phase.metric(MetricKind.MEAN, cap=10.0))
    assert isinstance(got, MeanBlock)
    assert (got.treatment_raw_total, got.treatment_raw_squares) == (14.0, 116.0)
    assert (got.control_raw_total, got.control_raw_squares) == (10.0, 100.0)
    assert got.rank_score == pytest.approx((2.5 + 1 - 2 * 2) / 3)  # 900 and 30 are the same to the plan


def test_a_fall_is_what_is_bet_on_where_a_fall_is_bad(store: EventStore, script: EventScript, phase: Any) -> None:
    news, (old,) = phase.treated(2), phase.controls()
    for unit, variant, value in ((news[0], "on", 2.0), (news[1], "on", 4.0), (old, "off", 9.0)):
        script.expose(unit, variant, 0)
        script.track(unit, "api_ms", 1, value)
    store.ingest(script.records)
    got = phase.block(store, phase.metric(MetricKind.MEAN, cap=10.0, bad=Direction.DECREASE))
    assert got.log_wealth == pytest.approx([log1p(bet * 0.6) for bet in BET_SIZES], abs=1e-12)


def test_without_a_cap_nobody_bets_until_the_control_has_been_seen(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    metric = phase.metric(MetricKind.MEAN)
    for at, prefix, value in ((0, "a", 5.0), (20, "b", 50.0)):
        for unit, variant in ((phase.treated(prefix=prefix)[0], "on"), (phase.controls(prefix=prefix)[0], "off")):
            script.expose(unit, variant, at)
            script.track(unit, "api_ms", at + 1, value)
    script.quiet_until(50)
    store.ingest(script.records)
    first, second = phase.block(store, metric, 0, 20), phase.block(store, metric, 20, 40)
    assert (first.cap, first.log_wealth, first.control.total) == (0.0, (0.0,) * len(BET_SIZES), 5.0)
    assert (second.cap, second.control.total, second.control_raw_total) == (5.0, 5.0, 50.0)


@pytest.mark.parametrize(("room", "cap"), [(Margin(relative=0.5), 7.5), (Margin(absolute=1.0), 6.0)])
def test_a_cap_that_is_learned_lies_higher_by_what_is_tolerated(
    store: EventStore, script: EventScript, phase: Any, room: Margin, cap: float
) -> None:
    """RULES E1: else a rise of half and one of ten times would be cut to the same value."""
    metric = phase.metric(MetricKind.MEAN, room=room)
    for at, prefix, values in ((0, "a", (5.0, 5.0)), (20, "b", (50.0, 5.0))):
        units = phase.treated(prefix=prefix)[0], phase.controls(prefix=prefix)[0]
        for unit, variant, value in zip(units, ("on", "off"), values, strict=True):
            script.expose(unit, variant, at)
            script.track(unit, "api_ms", at + 1, value)
    script.quiet_until(50)
    store.ingest(script.records)
    got = phase.block(store, metric, 20, 40)
    assert (got.cap, got.treatment.total, got.control.total, got.treatment_raw_total) == (cap, cap, 5.0, 50.0)
    assert got.log_wealth == pytest.approx([log1p(bet * (cap - 5) / cap) for bet in BET_SIZES], abs=1e-12)


def test_every_exposed_unit_has_a_count(store: EventStore, script: EventScript, phase: Any) -> None:
    many, none = phase.treated(2)
    script.expose(many, "on", 0)
    script.expose(none, "on", 0)
    for at in (1, 2):
        script.track(many, "ticket", at)
    store.ingest(script.records)
    got = phase.block(store, phase.metric(MetricKind.COUNT, event="ticket", cap=5.0))
    assert (got.treatment.n, got.treatment.total, got.treatment.squares) == (2, 2.0, 4.0)


def test_a_survey_takes_the_last_answer_within_its_scale(store: EventStore, script: EventScript, phase: Any) -> None:
    (unit,) = phase.treated()
    script.expose(unit, "on", 0)
    for at, answer in ((1, 2.0), (2, 4.0), (3, 9.0)):
        script.track(unit, "satisfaction", at, answer)
    store.ingest(script.records)
    got = phase.block(store, phase.metric(MetricKind.SURVEY, event="satisfaction", scale=(1.0, 5.0)))
    assert (got.treatment.n, got.treatment.total, got.cap) == (1, 4.0, 5.0)


def test_a_latency_is_the_first_request_s_and_bad_values_are_counted_by_arm(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    (new,), (old,) = phase.treated(), phase.controls()
    script.expose(new, "on", 0)
    script.expose(old, "off", 0)
    script.track(new, "api_ms", 1, -5.0)
    script.track(new, "api_ms", 1, float("nan"))
    script.track(new, "api_ms", 2, 1e200)  # finite, and no duration (RULES D5)
    script.track(new, "api_ms", 2, 100.0)
    script.track(new, "api_ms", 3, 900.0)
    script.track(old, "api_ms", 1, None, invalid=True)
    script.track(old, "balance", 1, -3.0)  # not a duration: it may be negative
    store.ingest(script.records)
    got = phase.block(store, phase.metric(MetricKind.QUANTILE, quantile=0.95))
    assert isinstance(got, QuantileBlock)
    assert (got.treatment_n, got.control_n, got.thresholds) == (1, 0, ())
    assert got.treatment_sketch == {232: 1}
    counts = store.assignment(phase.contrast())
    assert (counts.treatment_dropped, counts.control_dropped) == (3, 1)


def test_thresholds_come_from_earlier_control_units_only(store: EventStore, script: EventScript, phase: Any) -> None:
    metric = phase.metric(MetricKind.QUANTILE, quantile=0.95)
    earlier, later = phase.controls(100), phase.treated(3, prefix="t")
    for i, unit in enumerate(earlier):
        script.expose(unit, "off", i / 100)
        script.track(unit, "api_ms", 1 + i / 100, float(i + 1))
    for i, unit in enumerate(later):
        script.expose(unit, "on", 20)
        script.track(unit, "api_ms", 21, (40.0, 95.0, 1000.0)[i])
    script.quiet_until(40)
    store.ingest(script.records)
    assert phase.block(store, metric, 0, 13).thresholds == ()
    got = phase.block(store, metric, 13, 40)
    assert got.thresholds == (50.0, 75.0, 90.0, 95.0, 99.0)
    assert got.treatment_above == (2, 2, 2, 1, 1)  # strictly above
    assert phase.block(store, metric, 0, 13).thresholds == ()  # asked again, out of order
