"""The proof that a version is served (RULES H2), for evaluators of every fate."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ebbgate.control.propagation import is_connected, prove
from ebbgate.core.events import EvaluatorReport
from ebbgate.core.events.roster import Roster
from ebbgate.core.rollouts.recovery import Propagation
from ebbgate.ports.event_store import EvaluatorStatus

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
LEASE = timedelta(minutes=15)


def one(name: str, version: int | None, *, heard_s: float = 1.0, **changes: Any) -> EvaluatorStatus:
    fields: dict[str, Any] = {
        "evaluator": name,
        "name": name,
        "kind": "sdk",
        "is_connected": True,
        "snapshot_version": version,
        "confirmed_at": None,
        "last_seen_at": NOON - timedelta(seconds=heard_s),
        "environment": "production",
    }
    return EvaluatorStatus(**{**fields, **changes})


def proof(*evaluators: EvaluatorStatus) -> Propagation:
    return prove(evaluators, 6, environment="production", server_lost=LEASE, now=NOON)


def test_who_is_connected_and_serves_less_is_a_straggler() -> None:
    found = proof(one("a", 6), one("b", 7), one("c", 5), one("d", None))
    assert (found.confirmed, found.expected, found.stragglers, found.unproven) == (2, 4, ("c", "d"), 0)
    assert not found.is_complete


def test_who_lost_its_server_is_unproven_by_name_until_its_lease_has_ended() -> None:
    """RULES B7: inside its lease it may serve the treatment, after it the control."""
    lost = {"is_connected": False}
    found = proof(one("a", 6), one("b", 5, heard_s=60, **lost), one("gone", 5, heard_s=936, **lost))
    assert (found.confirmed, found.expected, found.stragglers) == (1, 1, ())
    assert (found.unproven, found.unheard, found.lag_s_max) == (1, ("b",), 900.0)
    assert found.unproven_words == "1 unproven (<= 900 s: b)"


def test_who_was_closed_cleanly_is_neither_unproven_nor_expected() -> None:
    """It has given its lease back, so that it is told from one that lost its server."""
    closed = {"is_connected": False, "is_closed": True}
    found = proof(one("a", 6), one("b", 5, **closed), one("c", 6, **closed))
    assert (found.confirmed, found.expected, found.unproven, found.stragglers) == (1, 1, 0, ())


@pytest.mark.parametrize(("heard_s", "standing"), [(35, "straggler"), (36, "unheard"), (936, "dropped")])
def test_who_died_together_with_the_edge_is_no_straggler_for_ever(heard_s: float, standing: str) -> None:
    """Nobody was left to write `disconnected`; heartbeats come every 10 s."""
    found = proof(one("host-7", 5, heard_s=heard_s))
    assert found.stragglers == (("host-7",) if standing == "straggler" else ())
    assert found.unheard == (("host-7",) if standing == "unheard" else ())
    assert is_connected(one("host-7", 5, heard_s=heard_s), NOON) == (standing == "straggler")


def test_other_environments_prove_and_disprove_nothing() -> None:
    """Versions are counted over all environments, so that another's newest may be lower or higher for ever."""
    found = proof(one("a", 6), one("s", 4, environment="staging"), one("t", 9, environment="staging"))
    assert (found.confirmed, found.expected, found.stragglers) == (1, 1, ())
    assert proof(one("old", 4, environment=None)).stragglers == ("old",)  # it does not say, so it counts


def test_pollers_are_unproven_while_they_are_heard_and_their_lag_is_unknown() -> None:
    polls = {"kind": "ofrep", "confirmed_at": None}
    found = proof(
        one("b", 5, heard_s=60), one("mobile", 6, heard_s=300, **polls), one("old run", 6, heard_s=1e6, **polls)
    )
    assert (found.unproven, found.unheard, found.lag_s_max) == (2, ("b",), None)
    assert found.unproven_words == "2 unproven (b)"


def test_the_roster_tells_the_environment_and_since_when_it_was_connected() -> None:
    roster = Roster()

    def say(state: Any, second: float, version: int | None = None) -> None:
        at = NOON + timedelta(seconds=second)
        fields: dict[str, Any] = {"evaluator": "e", "name": "e", "kind": "sdk", "state": state, "reported_at": at}
        roster.take(EvaluatorReport(**fields, snapshot_version=version, environment="staging"), at)

    say("connected", 0)
    say("confirmed", 1, 3)
    say("disconnected", 2)
    say("confirmed", 20, 4)
    say("confirmed", 90, 5)  # silent for longer than heartbeats allow: it was away, whatever the edge knew of it
    since = [confirmed.connected_at for _, _, confirmed in map(next, map(roster.confirmations, (3, 4, 5)))]
    assert since == [NOON, NOON + timedelta(seconds=20), NOON + timedelta(seconds=90)]
    assert roster.evaluators["e"].environment == "staging"
