"""What is known of evaluators, report by report (RULES H2)."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ebbgate.core.events import EvaluatorCounts, EvaluatorReport
from ebbgate.core.events.roster import CONFIRMATIONS_KEPT, Roster

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def take(roster: Roster, state: Any, second: float, **changes: Any) -> None:
    at = NOON + timedelta(seconds=second)
    fields = {"evaluator": "e1", "name": "web-1", "kind": "sdk", "state": state, "reported_at": at}
    roster.take(EvaluatorReport(**{**fields, **changes}), at)


def confirmed(roster: Roster, version: int) -> list[tuple[str, int, datetime]]:
    return [(evaluator, what.version, what.at) for evaluator, _, what in roster.confirmations(version)]


def test_the_first_confirmation_of_a_version_or_a_later_one_counts() -> None:
    roster = Roster()
    take(roster, "confirmed", 1, snapshot_version=3)
    take(roster, "heartbeat", 2, snapshot_version=3)
    take(roster, "heartbeat", 3, snapshot_version=5)  # its confirmation was lost on the way
    assert confirmed(roster, 4) == [("e1", 5, NOON + timedelta(seconds=3))]
    assert confirmed(roster, 3) == [("e1", 3, NOON + timedelta(seconds=1))]
    assert confirmed(roster, 6) == []


def test_an_evaluator_that_goes_back_to_an_old_version_is_seen_to_serve_it() -> None:
    roster = Roster()
    take(roster, "confirmed", 1, snapshot_version=5)
    take(roster, "heartbeat", 2, snapshot_version=4)
    known = roster.evaluators["e1"]
    assert (known.snapshot_version, known.confirmed_at) == (4, NOON + timedelta(seconds=2))
    assert confirmed(roster, 5) == [("e1", 5, NOON + timedelta(seconds=1))]


def test_polling_evaluators_confirm_nothing() -> None:
    roster = Roster()
    take(roster, "heartbeat", 1, kind="ofrep", snapshot_version=5)
    assert confirmed(roster, 5) == []
    assert roster.evaluators["e1"].confirmed_at is None


def test_a_heartbeat_does_not_say_that_the_stream_is_back() -> None:
    roster = Roster()
    take(roster, "connected", 0, kind="stream")
    take(roster, "confirmed", 1, snapshot_version=1)
    take(roster, "disconnected", 2, kind="stream")
    take(roster, "heartbeat", 3, snapshot_version=1)
    assert (roster.evaluators["e1"].is_connected, roster.evaluators["e1"].kind) == (False, "sdk")


def test_a_goodbye_stands_whatever_the_edge_says_of_the_stream_afterwards() -> None:
    """The edge writes its own reports later than it takes those of others."""
    roster = Roster()
    take(roster, "confirmed", 1, snapshot_version=1)
    take(roster, "closed", 2, snapshot_version=1)
    take(roster, "connected", 3, kind="stream")
    assert (roster.evaluators["e1"].is_closed, roster.evaluators["e1"].is_connected) == (True, False)
    take(roster, "confirmed", 4, snapshot_version=2)
    assert (roster.evaluators["e1"].is_closed, roster.evaluators["e1"].is_connected) == (False, True)


def test_remembered_confirmations_are_bounded() -> None:
    roster = Roster()
    for version in range(CONFIRMATIONS_KEPT + 50):
        take(roster, "confirmed", version, snapshot_version=version)
    assert len(roster.evaluators["e1"].confirmations) == CONFIRMATIONS_KEPT


def test_counts_may_come_twice_or_out_of_order() -> None:
    roster = Roster()
    take(roster, "heartbeat", 2, counts=EvaluatorCounts(evaluations={"f": 9}, code_defaults={"g": 1}))
    take(roster, "heartbeat", 1, counts=EvaluatorCounts(evaluations={"f": 5}))
    take(roster, "heartbeat", 2, counts=EvaluatorCounts(evaluations={"f": 9}))
    take(roster, "heartbeat", 2, evaluator="e2", counts=EvaluatorCounts(evaluations={"f": 1}))
    tallies = roster.tallies()
    assert (tallies["f"].evaluations, tallies["g"].code_defaults) == (10, 1)
