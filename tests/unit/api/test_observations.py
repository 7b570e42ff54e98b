from typing import Any

import pytest

from ebbgate.core.metrics.history import HistoryRequest


def test_arrivals_name_what_comes_and_what_does_not(desk: Any) -> None:
    observations = desk.client().observations
    assert observations.arrivals().watermark is None
    desk.start()
    desk.live(3)
    arrivals = observations.arrivals()
    assert {"api_request", "api_ms"} <= {name.name for name in arrivals.names}
    assert arrivals.watermark == desk.events.watermark()


def test_totals_are_those_of_the_event_store(desk: Any) -> None:
    desk.start()
    desk.live(2)
    totals, stored = desk.client().observations.totals(), desk.events.totals()
    assert (totals.units, totals.events, totals.exposures) == (stored.units, stored.events, stored.exposures)
    assert totals.units > 0
    assert totals.offset == desk.events.offset()


def test_evaluators_are_listed_with_what_they_serve(desk: Any) -> None:
    desk.start()
    desk.live(1)
    evaluators = desk.client().observations.evaluators()
    assert len(evaluators) == 4
    with desk.store.transaction() as tx:
        assert {evaluator.snapshot_version for evaluator in evaluators} == {tx.latest_version()}
    assert all(evaluator.is_connected for evaluator in evaluators)


def test_the_clock_tells_both_times_and_their_mapping(desk: Any) -> None:
    clock = desk.client().server.clock()
    assert clock.machine_at == desk.clock.machine_now()
    assert clock.plan_at == desk.clock.plan_now()
    assert clock.mapping == desk.clock.mapping


def test_audit_and_outbox_are_read_by_subject_and_page(desk: Any) -> None:
    records = desk.client().records
    desk.start()
    desk.client().rollouts.pause("newWidgets", reason="wait")
    entries = records.audit(subject="rollout:newWidgets-1")
    assert [entry.action for entry in entries] == ["rollout.start", "rollout.pause"]
    everything = records.audit()
    assert records.audit(after=everything[1].id, limit=1) == everything[2:3]
    told = records.outbox()
    assert [entry.payload["action"] for entry in told] == ["rollout.start", "rollout.pause"]
    assert records.outbox(undelivered=True) == told
    desk.loop.tick()
    assert [entry for entry in records.outbox(undelivered=True) if entry.topic == "rollout"] == []


def test_history_has_one_observation_of_each_metric_for_each_unit_and_day(desk: Any) -> None:
    desk.start()
    desk.live(30)
    metrics = tuple(guardrail.metric for guardrail in desk.client().rollouts.plan("newWidgets").guardrails)
    found = desk.client().observations.history(HistoryRequest(metrics=metrics, days=1))
    assert found.metrics == tuple(metric.name for metric in metrics)
    assert found.units == len(found.rows) > 0
    assert all(0 <= row.at_s < 86_400 and row.values[0] in (0.0, 1.0, None) for row in found.rows)
    few = desk.client().observations.history(HistoryRequest(metrics=metrics, days=1, units=10))
    assert 0 < few.sampled < 1
    assert few.units < found.units


def test_a_history_of_no_days_is_refused_by_name(desk: Any) -> None:
    with pytest.raises(ValueError, match="`days` is 0"):
        HistoryRequest(metrics=(), days=0)
