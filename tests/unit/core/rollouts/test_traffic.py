"""What `plan power` reckons with: people who return, and what they did on past days (RULES E7)."""

import random
from datetime import timedelta
from math import isclose
from typing import Any

import pytest

from ebbgate.core.metrics.definition import Direction, HarmBy, Metric, MetricKind
from ebbgate.core.metrics.history import History, HistoryRow
from ebbgate.core.rollouts.traffic import given_traffic, traffic_of


def a_metric(name: str, kind: MetricKind, **changes: Any) -> Metric:
    terms: dict[str, Any] = {"window": timedelta(hours=1), "lateness": timedelta(0), "event": "e", "trial": "t"}
    return Metric(name=name, kind=kind, bad=Direction.INCREASE, harm=HarmBy.MEAN, **{**terms, **changes})


def test_people_who_return_are_counted_once() -> None:
    rows = [HistoryRow(unit, day * 86_400.0 + unit, (0.0,)) for day in range(3) for unit in (0, 1, 2 + day)]
    traffic = traffic_of(History(metrics=("errors",), days=3, rows=tuple(rows)), [a_metric("errors", MetricKind.RATE)])
    assert traffic.units_a_day == 3
    assert traffic.reach == (3, 4, 5)
    assert [traffic.distinct(days) for days in (0.5, 1, 2.5, 30)] == [1.5, 3, 4.5, 5]
    assert traffic.days_for(4.5) == 2.5
    assert traffic.days_for(6) is None
    assert traffic.metrics["errors"].n == 5


def test_a_sample_stands_for_all() -> None:
    rows = tuple(HistoryRow(unit, float(unit), (1.0,)) for unit in range(100))
    whole = History(metrics=("errors",), days=1, sampled=0.1, rows=rows)
    assert isclose(traffic_of(whole, [a_metric("errors", MetricKind.RATE)]).units_a_day, 1_000)


def test_values_and_spreads_are_those_of_the_units() -> None:
    draw = random.Random(3)
    pairs = [(float(draw.randrange(0, 3)), 4.0) for _ in range(4_000)]
    rows = tuple(
        HistoryRow(unit, float(unit % 80_000), (pair, draw.lognormvariate(5, 0.6), draw.lognormvariate(3, 0.5), None))
        for unit, pair in enumerate(pairs)
    )
    metrics = [
        a_metric("clicks", MetricKind.RATIO),
        a_metric("api_time", MetricKind.QUANTILE, quantile=0.5),
        a_metric("dwell", MetricKind.MEAN),
        a_metric("nothing", MetricKind.MEAN),
    ]
    seen = traffic_of(History(metrics=tuple(m.name for m in metrics), days=1, rows=rows), metrics).metrics
    assert seen["clicks"].value == pytest.approx(0.25, rel=0.03)
    assert seen["clicks"].spread == pytest.approx((2 / 3) ** 0.5 / 4 / 0.25, rel=0.05)  # of a number among 0, 1, 2
    assert seen["api_time"].value == pytest.approx(148.4, rel=0.05)
    assert seen["api_time"].spread == pytest.approx(0.6, rel=0.05)
    assert seen["dwell"].spread == pytest.approx(0.52, rel=0.1)  # sqrt(exp(0.25) - 1), less what the cap takes away
    assert "nothing" not in seen  # it may be new with the version


def test_values_above_a_plan_s_cap_count_as_the_cap() -> None:
    rows = tuple(HistoryRow(unit, float(unit), (9e9 if unit == 7 else 2.0,)) for unit in range(100))
    metric = a_metric("dwell", MetricKind.MEAN, cap=12.0)
    seen = traffic_of(History(metrics=("dwell",), days=1, rows=rows), [metric]).metrics["dwell"]
    assert seen.value == pytest.approx(2.1)
    assert seen.spread == pytest.approx(1.0 / 2.1)


def test_given_numbers_of_new_users_add_up_day_by_day() -> None:
    assert given_traffic(1_000).distinct(30) == 1_000
    assert given_traffic(1_000, 100).distinct(11) == 2_000
    assert given_traffic(1_000, 100).days_for(1_500) == 6
