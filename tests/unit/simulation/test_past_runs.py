"""`plan simulate`: a plan on the past of the client's own units (RULES E7)."""

import random
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from ebbgate.core.metrics.definition import Metric
from ebbgate.core.metrics.history import History, HistoryRow
from ebbgate.core.rollouts import plan_from_data
from ebbgate.core.rollouts.plan import Plan
from ebbgate.simulation.past_people import Crowd, Past, Planted
from ebbgate.simulation.past_runs import planted_harms, rehearse


def a_plan() -> Plan:
    return plan_from_data(
        {
            "app": "shop",
            "flag": "newWidgets",
            "phases": [
                {"to": "30%", "who": "random", "stay": "1d..2d"},
                {"to": "60%", "who": "random", "stay": "1d..2d"},
                {"to": "100%", "watch": "1d"},
            ],
            "guardrails": {
                "errors": {"rate": "api_error / api_request", "baseline": "5%", "worse_by": "10pp"},
                "api_time": {"p50": "api_ms", "worse_by": "40%", "critical": "> 5s for 1h"},
                "clicks": {"ratio": "click / view", "bad": "decrease"},
            },
        }
    )


def a_past(units: int = 300, days: int = 3) -> Past:
    draw, rows = random.Random(9), []
    for day in range(days):
        for unit in range(units):
            if draw.random() < 0.7:
                at = day * 86_400 + draw.random() * 86_400
                clicks = (float(draw.random() < 0.3), 1.0)
                rows.append(HistoryRow(unit, at, (float(draw.random() < 0.05), draw.lognormvariate(5.5, 0.5), clicks)))
    rows.sort(key=lambda row: row.at_s)
    history = History(metrics=("errors", "api_time", "clicks"), days=days, rows=tuple(rows))
    return Past(history, metrics())


def metrics() -> tuple[Metric, ...]:
    return tuple(guardrail.metric for guardrail in a_plan().guardrails)


def test_one_seed_is_one_result_and_a_large_harm_is_always_caught() -> None:
    plan, past = a_plan(), a_past()
    harms = (Planted(metric="errors", size=8.0), Planted(metric="api_time", size=2.0))
    told: list[int] = []
    first = rehearse(plan, past, harms, runs=3, seed=3, progress=told.append)
    assert first == rehearse(plan, past, harms, runs=3, seed=3)
    assert first != rehearse(plan, past, harms, runs=3, seed=4)
    assert told == list(range(1, 10))
    null, errors, api_time = first.scenarios
    assert (null.caught, null.harm, first.is_sound) == (0, None, True)
    assert (errors.caught, errors.by_metric) == (3, {"errors": 3})
    assert (api_time.caught, api_time.by_metric) == (3, {"api_time": 3})
    assert errors.median_units is not None
    assert 0 < errors.median_units < first.units
    assert errors.median_after is not None
    assert errors.median_after <= timedelta(days=3)


def test_a_harm_is_planted_in_those_alone_who_have_the_new_version() -> None:
    past = a_past(units=5_000, days=1)
    crowd = Crowd(past, np.random.default_rng(1), holdout=0.0)
    rows = crowd.first_rows(crowd.after(0))[crowd.base]
    treated = crowd.bucket < 500_000
    for metric in metrics():
        before, _ = crowd.observed(metric, rows, treated, None)
        after, _ = crowd.observed(metric, rows, treated, Planted(metric=metric.name, size=0.5))
        assert np.array_equal(before[~treated], after[~treated], equal_nan=True)
        change = np.nanmean(after[treated]) / np.nanmean(before[treated])
        assert change == pytest.approx(0.5 if metric.name == "clicks" else 1.5, abs=0.12)


def test_the_past_goes_round_and_every_unit_comes_once_first() -> None:
    past = a_past(units=50)
    crowd = Crowd(past, np.random.default_rng(1), holdout=0.0)
    begin = 10 * past.period + 17
    after = crowd.after(begin)
    assert after.min() >= begin
    assert after.max() < begin + past.period
    rows = crowd.first_rows(after)
    assert sorted(past.unit[rows]) == list(range(past.units))
    assert all(after[rows[unit]] == after[past.unit == unit].min() for unit in range(past.units))


def test_by_default_twice_the_margin_is_planted() -> None:
    sizes = {harm.metric: harm.size for harm in planted_harms(a_plan(), metrics())}
    assert sizes == {"errors": pytest.approx(4.0), "api_time": 0.8, "clicks": 0.5}


def test_a_report_is_one_json_document() -> None:
    report = rehearse(a_plan(), a_past(units=100), (), runs=1, seed=1)
    assert msgspec.json.decode(msgspec.json.encode(report))["scenarios"][0]["runs"] == 1
