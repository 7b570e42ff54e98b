"""The table of the two-stage rollback: each step with each kind of what can be seen (RULES H1 to H4, F7)."""

from typing import Any

import pytest

from ebbgate.core.releases import DeploymentStatus, Proof
from ebbgate.core.rollbacks import SAGA, End, Go, Wait, decision_of, next_move
from ebbgate.core.rollouts.decision import Code, Hold, Step
from ebbgate.core.rollouts.look import DeploymentSeen, RollbackFacts, StageTwo
from ebbgate.core.rollouts.recovery import Propagation, Recovery
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackStep

ALL = Propagation(confirmed=3, expected=3, unproven=0)
LAGGING = Propagation(confirmed=2, expected=3, unproven=0, stragglers=("app-3",))
NOBODY = Propagation(confirmed=0, expected=0, unproven=2)
STABLE = "dash@v1.0.0"
THERE, NONE = StageTwo(release=STABLE), StageTwo(why="dash has no stable release to go back to")
FULL = "the disk is full"
OPEN, BACK, BAD, UNKNOWN = (
    Recovery(outcome=outcome, reason="the numbers say so", open=("errors",))
    for outcome in (None, RollbackOutcome.RECOVERED, RollbackOutcome.FAILED, RollbackOutcome.UNVERIFIED)
)


def after_flag(proof: Propagation, **seen: Any) -> Any:
    return next_move(RollbackStep.PROPAGATION, RollbackFacts(proof=proof, **seen), None)


def test_the_table_has_every_step_that_something_follows_from() -> None:
    assert set(SAGA) == set(RollbackStep) - {RollbackStep.FLAG_OFF, RollbackStep.DONE}


@pytest.mark.parametrize("is_late", [False, True])
def test_once_everybody_follows_the_metrics_are_asked(is_late: bool) -> None:
    move = after_flag(ALL, is_late=is_late, stage_two=THERE)
    assert move == Go(step=RollbackStep.RECOVERY, code=Code.PROPAGATED, reason="3/3 confirmed, 0 unproven")


@pytest.mark.parametrize(
    "seen",
    [{"proof": LAGGING}, {"proof": NOBODY}, {"proof": ALL, "flag_error": FULL}, {"proof": NOBODY, "flag_error": FULL}],
)
def test_before_the_deadline_it_waits_and_says_nothing(seen: dict[str, Any]) -> None:
    move = next_move(RollbackStep.PROPAGATION, RollbackFacts(stage_two=THERE, **seen), None)
    assert isinstance(move, Wait)
    assert decision_of(move) is None


@pytest.mark.parametrize("proof", [ALL, LAGGING, NOBODY])
def test_a_flag_that_cannot_be_switched_by_the_deadline_is_written_off(proof: Propagation) -> None:
    move = after_flag(proof, is_late=True, flag_error=FULL, stage_two=THERE)
    assert isinstance(move, Go)
    assert (move.step, move.code) == (RollbackStep.REDEPLOY, Code.REDEPLOY)
    assert FULL in move.reason
    assert STABLE in move.reason


def test_without_a_second_stage_that_is_the_end_and_somebody_is_paged() -> None:
    move = after_flag(NOBODY, is_late=True, flag_error=FULL, stage_two=NONE)
    assert isinstance(move, End)
    assert (move.outcome, move.is_page) == (RollbackOutcome.FAILED, True)
    assert NONE.why in move.reason


def test_evaluators_that_do_not_follow_lead_to_the_second_stage_where_there_is_one() -> None:
    move = after_flag(LAGGING, is_late=True, stage_two=THERE)
    assert isinstance(move, Go)
    assert move.step is RollbackStep.REDEPLOY
    assert "app-3" in move.reason
    assert after_flag(LAGGING, is_late=True, stage_two=NONE) == Go(
        step=RollbackStep.RECOVERY, code=Code.PROPAGATED, reason="2/3 confirmed, 0 unproven"
    )


def test_those_that_cannot_confirm_are_left_to_the_metrics() -> None:
    move = after_flag(NOBODY, is_late=True, stage_two=THERE)
    assert isinstance(move, Go)
    assert move.step is RollbackStep.RECOVERY


@pytest.mark.parametrize("step", [RollbackStep.RECOVERY, RollbackStep.VERIFY])
@pytest.mark.parametrize("stage", [THERE, NONE])
def test_metrics_that_are_not_known_yet_are_waited_for_and_told(step: RollbackStep, stage: StageTwo) -> None:
    decision = decision_of(next_move(step, RollbackFacts(proof=ALL, stage_two=stage), OPEN))
    assert isinstance(decision, Hold)
    assert (decision.code, decision.metrics) == (Code.RECOVERING, ("errors",))


@pytest.mark.parametrize("step", [RollbackStep.RECOVERY, RollbackStep.VERIFY])
@pytest.mark.parametrize("stage", [THERE, NONE])
def test_recovered_is_the_end_wherever_it_is_proven(step: RollbackStep, stage: StageTwo) -> None:
    move = next_move(step, RollbackFacts(proof=ALL, stage_two=stage), BACK)
    assert isinstance(move, End)
    assert (move.outcome, move.is_page) == (RollbackOutcome.RECOVERED, False)


@pytest.mark.parametrize("recovery", [BAD, UNKNOWN])
def test_a_recovery_that_fails_or_cannot_be_shown_leads_to_the_second_stage(recovery: Recovery) -> None:
    move = next_move(RollbackStep.RECOVERY, RollbackFacts(proof=ALL, stage_two=THERE), recovery)
    assert isinstance(move, Go)
    assert move.step is RollbackStep.REDEPLOY
    assert "not enough" in move.reason


@pytest.mark.parametrize("recovery", [BAD, UNKNOWN])
@pytest.mark.parametrize(
    ("step", "stage"), [(RollbackStep.RECOVERY, NONE), (RollbackStep.VERIFY, THERE), (RollbackStep.VERIFY, NONE)]
)
def test_where_nothing_is_left_the_outcome_is_what_it_is_and_somebody_is_paged(
    recovery: Recovery, step: RollbackStep, stage: StageTwo
) -> None:
    move = next_move(step, RollbackFacts(proof=ALL, stage_two=stage), recovery)
    assert isinstance(move, End)
    assert (move.outcome, move.is_page) == (recovery.outcome, True)
    decision = decision_of(move)
    assert isinstance(decision, Step)
    assert decision.code.value == move.outcome.value


def asked(status: DeploymentStatus | None, *, is_late: bool = False, **more: Any) -> Any:
    seen = RollbackFacts(proof=ALL, is_late=is_late, deployment=DeploymentSeen(release=STABLE, status=status, **more))
    return next_move(RollbackStep.REDEPLOY, seen, None)


def test_a_release_that_answers_is_verified_and_its_proof_is_named() -> None:
    move = asked(DeploymentStatus.DONE, proof=Proof.SERVED_DIGEST)
    assert isinstance(move, Go)
    assert (move.step, move.code) == (RollbackStep.VERIFY, Code.REDEPLOYED)
    assert move.reason == f"{STABLE} is back; shown by: served digest"


@pytest.mark.parametrize("status", [DeploymentStatus.FAILED, DeploymentStatus.BROKEN])
def test_a_redeployment_that_fails_is_the_end_and_somebody_is_paged(status: DeploymentStatus) -> None:
    move = asked(status, error="no space left")
    assert isinstance(move, End)
    assert (move.outcome, move.is_page) == (RollbackOutcome.FAILED, True)
    assert "no space left" in move.reason


def test_one_that_cannot_even_be_asked_for_is_the_end_as_well() -> None:
    move = asked(None, error="dash has no stable release")
    assert isinstance(move, End)
    assert (move.outcome, move.is_page) == (RollbackOutcome.FAILED, True)


@pytest.mark.parametrize("status", [DeploymentStatus.QUEUED, DeploymentStatus.RUNNING])
def test_one_under_way_is_waited_for_and_paged_about_when_it_takes_too_long(status: DeploymentStatus) -> None:
    assert asked(status) == Wait(reason=f"{STABLE} is on its way back")
    late = asked(status, is_late=True)
    assert isinstance(late, Wait)
    assert late.is_page
    assert decision_of(late) is None
