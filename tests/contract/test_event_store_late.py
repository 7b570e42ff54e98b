"""RULES E3, D4: what every analysis store says of units treated before, and of when and how events arrive."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ebbgate.core.audiences import unit_bucket
from ebbgate.core.metrics.blocks import MeanBlock, QuantileBlock
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval
from ebbgate.core.metrics.definition import Direction, HarmBy, Metric, MetricKind
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute

SALT, DAY = "lineage-1", 1440.0

Reopen = Callable[[], EventStore]


def a_contrast(**changes: Any) -> Contrast:
    """Exposed before: buckets below 100,000; newly: below 300,000."""
    fields: dict[str, Any] = {
        "rollout_id": "r1",
        "environment": "production",
        "flag": "newWidgets",
        "salt": SALT,
        "phase": 1,
        "version_from": 1,
        "version_to": None,
        "treatment": Interval(start=100_000, end=300_000),
        "control": Interval(start=300_000, end=TOTAL_PPM),
        "treatment_variant": "on",
        "control_variant": "off",
        "audience_variant": "on_audience",
    }
    return Contrast(**{**fields, **changes})


def a_metric(kind: MetricKind = MetricKind.RATE, **changes: Any) -> Metric:
    has_trial = kind is not MetricKind.QUANTILE and kind is not MetricKind.MEAN
    fields: dict[str, Any] = {
        "name": "errors",
        "kind": kind,
        "event": "api_error" if has_trial else "api_ms",
        "trial": "api_request" if has_trial and kind is not MetricKind.COUNT else None,
        "bad": Direction.INCREASE,
        "harm": HarmBy.MEAN,
        "window": timedelta(minutes=10),
        "lateness": timedelta(minutes=2),
    }
    return Metric(**{**fields, **changes})


def named(start: int, end: int, n: int) -> list[str]:
    """The first n names whose bucket lies in that interval."""
    names = (f"u{number}" for number in range(100_000))
    found = (name for name in names if start <= unit_bucket(SALT, name) < end)
    return [next(found) for _ in range(n)]


VETERANS, NEW, NEVER = named(0, 100_000, 60), named(100_000, 300_000, 60), named(300_000, TOTAL_PPM, 60)


def late(store: EventStore, metric: Metric, opened: float, closed: float, *, epoch: float = 2.0, **more: Any) -> Any:
    contrast = a_contrast(**more.pop("contrast", {}))
    span = {"epoch_at": minute(epoch), "opened_at": minute(opened), "closed_at": minute(closed)}
    return store.late_block(contrast, metric, **span, **more)


def counts(block: Any) -> tuple[int, int, int, int] | None:
    if block is None:
        return None
    return block.treatment_n, block.treatment_y, block.control_n, block.control_y


def test_those_treated_before_are_compared_with_those_never_treated(store: EventStore, script: EventScript) -> None:
    for unit, variant in ((VETERANS[0], "on"), (NEW[0], "on"), (NEVER[0], "off"), (NEVER[1], "off")):
        script.expose(unit, variant, 1)
        script.track(unit, "api_request", 5)
    script.track(VETERANS[0], "api_error", 5.1)
    script.quiet_until(30)
    store.ingest(script.records)
    assert counts(late(store, a_metric(), 2, 30)) == (1, 1, 2, 0)
    assert counts(late(store, a_metric(), 2, 30, with_new=True)) == (2, 1, 2, 0)


def test_a_unit_is_observed_once_in_an_epoch_and_again_in_the_next(reopen: Reopen, script: EventScript) -> None:
    for unit, variant in ((VETERANS[0], "on"), (NEVER[0], "off")):
        script.expose(unit, variant, 1)
    for at in (5, 60, DAY + 5, DAY + 90):
        for unit in (VETERANS[0], NEVER[0]):
            script.track(unit, "api_request", at)
        if at in (60, DAY + 5):  # of its second request on the first day, which is not what is looked at
            script.track(VETERANS[0], "api_error", at + 0.1)
    script.quiet_until(2 * DAY)
    store = reopen()
    store.ingest(script.records)
    assert counts(late(store, a_metric(), 2, 30)) == (1, 0, 1, 0)
    assert late(store, a_metric(), 30, DAY + 2) is None
    store = reopen()
    assert late(store, a_metric(), 30, DAY + 2) is None  # a restart remembers who was seen
    assert counts(late(store, a_metric(), DAY + 2, DAY + 200, epoch=DAY + 2)) == (1, 1, 1, 0)
    assert counts(late(store, a_metric(), 2, 30)) == (1, 0, 1, 0)  # asked again, the same


def test_the_holdout_is_a_control_for_late_harm_alone(store: EventStore, script: EventScript) -> None:
    everybody = {
        "treatment": Interval(start=100_000, end=TOTAL_PPM),
        "control": Interval(start=TOTAL_PPM, end=TOTAL_PPM),
    }
    for unit, variant in ((VETERANS[0], "on"), (NEW[0], "on"), (NEVER[0], "off_holdout"), (NEW[1], "off_holdout")):
        script.expose(unit, variant, 1)
        script.track(unit, "api_request", 5)
    script.quiet_until(30)
    store.ingest(script.records)
    assert counts(late(store, a_metric(), 2, 30, with_new=True, contrast=everybody)) == (2, 0, 2, 0)
    ordinary = store.block(a_contrast(), a_metric(), opened_at=minute(0), closed_at=minute(30))
    assert counts(ordinary) == (1, 0, 0, 0)


def test_units_seen_in_both_arms_or_exposed_by_attribute_are_left_out_of_late_harm(
    store: EventStore, script: EventScript
) -> None:
    script.expose(VETERANS[0], "on", 1)
    script.expose(VETERANS[0], "off", 2)
    script.expose(VETERANS[1], "on_audience", 1)
    script.expose(VETERANS[2], "on", 1)
    script.expose(NEVER[0], "off", 1)
    for unit in (*VETERANS[:3], NEVER[0]):
        script.track(unit, "api_request", 5)
    script.quiet_until(30)
    store.ingest(script.records)
    assert counts(late(store, a_metric(), 2, 30)) == (1, 0, 1, 0)


def test_late_thresholds_and_caps_come_from_the_control_of_the_day_before(
    store: EventStore, script: EventScript
) -> None:
    for veteran, never in zip(VETERANS, NEVER, strict=True):
        script.expose(veteran, "on", 1)
        script.expose(never, "off", 1)
    for at, base in ((5, 100.0), (DAY + 10, 300.0)):
        for place, pair in enumerate(zip(VETERANS, NEVER, strict=True)):
            for unit in pair:
                script.track(unit, "api_ms", at, base + place)
    script.quiet_until(DAY + 60)
    store.ingest(script.records)
    latency, mean = a_metric(MetricKind.QUANTILE, quantile=0.95), a_metric(MetricKind.MEAN)
    first = late(store, latency, 2, 30)
    assert isinstance(first, QuantileBlock)
    assert first.thresholds == ()  # nothing is known on the first day
    second = late(store, latency, DAY + 2, DAY + 30, epoch=DAY + 2)
    assert isinstance(second, QuantileBlock)
    assert max(second.thresholds) == 159.0
    assert second.treatment_above == (60,) * 5
    capped = late(store, mean, DAY + 2, DAY + 30, epoch=DAY + 2)
    assert isinstance(capped, MeanBlock)
    assert capped.cap == 159.0


def test_a_count_is_taken_once_a_day_of_everybody_who_entered(store: EventStore, script: EventScript) -> None:
    metric = a_metric(MetricKind.COUNT, cap=9.0)
    for unit, variant in ((VETERANS[0], "on"), (NEVER[0], "off"), (NEVER[1], "off")):
        script.expose(unit, variant, 1)
    script.track(VETERANS[0], "api_error", 4)
    script.track(VETERANS[0], "api_error", 5)
    script.track(VETERANS[0], "api_error", 15)
    script.quiet_until(60)
    store.ingest(script.records)
    found = late(store, metric, 12, 14, epoch=12)
    assert isinstance(found, MeanBlock)
    assert (found.treatment.n, found.treatment.total, found.control.n, found.control.total) == (1, 2.0, 2, 0.0)
    assert late(store, metric, 14, 60, epoch=12) is None


def test_the_first_event_tells_whether_a_unit_was_late_or_dropped_however_many_follow(
    store: EventStore, script: EventScript
) -> None:
    """Close at minute 13, waited for until minute 15."""
    metric = a_metric(MetricKind.QUANTILE, quantile=0.95)
    for unit, variant in ((NEW[0], "on"), (NEW[1], "on"), (NEW[2], "on"), (NEVER[0], "off"), (NEVER[1], "off")):
        script.expose(unit, variant, 1)
    script.track(NEW[0], "api_ms", 5, 80.0)
    script.track(NEW[1], "api_ms", 5, -1.0)  # dropped
    script.track(NEVER[0], "api_ms", 5, 80.0)
    script.track(NEW[2], "api_ms", 6, 80.0, received=14)  # late
    script.track(NEW[0], "api_ms", 7, -1.0, received=14)  # not its first
    script.track(NEVER[1], "api_ms", 6, 80.0, received=16)  # beyond all patience
    script.quiet_until(30)
    store.ingest(script.records)
    span = {"opened_at": minute(0), "closed_at": minute(15)}
    found = store.arrival_block(a_contrast(), metric, **span)
    assert found is not None
    assert (found.treatment_n, found.treatment_late, found.treatment_dropped) == (3, 1, 1)
    assert (found.control_n, found.control_late, found.control_dropped) == (1, 0, 0)
    assert store.arrival_block(a_contrast(), metric, opened_at=minute(15), closed_at=minute(30)) is None


def test_volume_counts_the_units_that_came_by_on_each_side(store: EventStore, script: EventScript) -> None:
    for unit, variant in ((VETERANS[0], "on"), (NEW[0], "on"), (NEVER[0], "off"), (NEVER[1], "off_holdout")):
        script.expose(unit, variant, 1)
    for unit in (VETERANS[0], VETERANS[0], NEW[0], NEVER[0], NEVER[1], NEVER[2]):
        script.track(unit, "api_request", 5)
    script.track(NEVER[0], "something_else", 6)
    script.track(NEVER[0], "api_request", 20)
    script.quiet_until(30)
    store.ingest(script.records)
    found = [
        store.volume_block(a_contrast(), ("api_request",), opened_at=minute(o), closed_at=minute(c))
        for o, c in ((0, 10), (10, 25))
    ]
    assert [(block.treatment_n, block.control_n) for block in found] == [(2, 2), (0, 1)]
