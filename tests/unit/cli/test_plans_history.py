"""Why there are no past days: nothing arrives, nothing of it is counted, or no window has closed."""

from datetime import timedelta

import msgspec

from ebbgate.cli.plans_history import metrics_of, no_history
from ebbgate.core.events.view import ArrivalsView, ArrivedEvent
from ebbgate.testing.rollouts import NOON, a_plan

METRICS = metrics_of(a_plan())


def arrivals(*names: str, at: timedelta = timedelta(0)) -> ArrivalsView:
    arrived = tuple(ArrivedEvent(name=name, count=5_000, newest_at=NOON + at) for name in names)
    return ArrivalsView(watermark=NOON, names=arrived, evaluations=(), silence=())


def test_events_whose_windows_are_open_are_told_with_the_time_from_which_they_count() -> None:
    daily = msgspec.structs.replace(METRICS[0], window=timedelta(days=1), lateness=timedelta(hours=2))
    error = no_history((daily,), arrivals(daily.event, at=timedelta(minutes=-5)), days=14)
    assert f"no window has closed yet; the longest is that of {daily.name}: 1d and 2h for late events" in error.message
    assert "counts from 2026-03-03 13:55 of plan time on" in error.message


def test_events_that_no_metric_counts_are_not_called_no_events() -> None:
    error = no_history(METRICS, arrivals("something_else"), days=14)
    assert "none that the plan's metrics count" in error.message
    assert f"`{METRICS[0].event}`" in error.message


def test_nothing_at_all_and_nothing_of_late_are_told_as_before() -> None:
    assert "no events of the past 14 days" in no_history(METRICS, arrivals(), days=14).message
    old = arrivals(METRICS[0].event, at=timedelta(days=-30))
    assert "no events of the past 7 days" in no_history(METRICS, old, days=7).message
