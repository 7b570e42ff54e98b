"""What evaluators report of themselves (RULES H2)."""

from collections.abc import Callable
from typing import Any

from ebbgate.core.events import EvaluatorCounts, EvaluatorReport
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute

Reopen = Callable[[], EventStore]


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


def test_counts_of_evaluators_are_cumulative_and_add_up(store: EventStore, script: EventScript, phase: Any) -> None:
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
    assert store.assignment(phase.contrast()).keyless == 3
