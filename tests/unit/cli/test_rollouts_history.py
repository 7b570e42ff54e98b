"""How a long history is told in a few lines."""

from datetime import timedelta

from ebbgate.cli.rollouts_history import replay_lines, runs_of
from ebbgate.core.rollouts.decision import Advance, Code, Decision, Hold
from ebbgate.core.rollouts.explain import DecisionView
from ebbgate.core.rollouts.replay import ReplayView
from ebbgate.core.rollouts.state import Status
from ebbgate.testing.rollouts import NOON

YOUNG = Hold(code=Code.TOO_YOUNG, reason="too young")
UNDECIDED = Hold(code=Code.UNDECIDED, reason="no verdict yet")
SAFE = Advance(code=Code.SAFE, reason="every guardrail is safe")


def rows(*decisions: Decision) -> list[DecisionView]:
    return [
        DecisionView(
            rollout_id="newWidgets-1",
            sequence=n,
            decision=decision,
            status_before=Status.RUNNING,
            status_after=Status.RUNNING,
            looked_at=NOON + timedelta(hours=n),
            machine_at=NOON,
            offset=n,
        )
        for n, decision in enumerate(decisions, 1)
    ]


def test_looks_that_gave_the_same_answer_stand_together() -> None:
    found = runs_of(rows(YOUNG, YOUNG, UNDECIDED, SAFE, YOUNG), is_every=False)
    assert [[row.sequence for row in run] for run in found] == [[1, 2], [3], [4], [5]]


def test_every_look_can_be_asked_for() -> None:
    assert len(runs_of(rows(YOUNG, YOUNG), is_every=True)) == 2


def test_a_replay_without_decisions_claims_nothing() -> None:
    (said,) = replay_lines(ReplayView(rollout_id="newWidgets-1", decisions=0, values=0, state_is_same=None))
    assert said == "newWidgets-1: no decision yet, so that there is nothing to replay"
    (said,) = replay_lines(ReplayView(rollout_id="newWidgets-1", decisions=2, values=7, state_is_same=True))
    assert "2 decisions replayed, 7 values compared: all the same" in str(said)
