"""How a rollout stands, as an exit status."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.cli.exits import Exit, exit_of_view
from ebbgate.cli.rollouts_act import exit_of_outcome
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackState, RollbackStep, Status
from ebbgate.core.rollouts.view import RolloutView, ladder
from ebbgate.testing.rollouts import NOON, a_rollout


def a_view(status: Status, **changes: Any) -> RolloutView:
    state = a_rollout()
    return RolloutView(
        id=state.id,
        app="dashboard",
        flag="newWidgets",
        release="v1.4.0",
        environment="production",
        status=status,
        mode=state.mode,
        attempt=1,
        overlay=None,
        created_at=NOON,
        now=NOON,
        phase="early",
        phases=ladder(state),
        sentence="",
        looks=0,
        revision=1,
        **changes,
    )


def taken_back(outcome: RollbackOutcome) -> RolloutView:
    rollback = RollbackState(
        reason="harm",
        actor="ebbgate",
        step=RollbackStep.DONE,
        started_at=NOON,
        off_version=3,
        off_at=NOON,
        propagation_deadline_at=NOON + timedelta(minutes=1),
        outcome=outcome,
    )
    return a_view(Status.ROLLED_BACK, rollback=rollback)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.SUCCEEDED, Exit.OK),
        (Status.ABORTED, Exit.ERROR),
        (Status.PAUSED, Exit.WAITING),
        (Status.REVIEW, Exit.WAITING),
        (Status.RUNNING, Exit.INCONCLUSIVE),
        (Status.WATCHING, Exit.INCONCLUSIVE),
        (Status.ROLLING_BACK, Exit.INCONCLUSIVE),
    ],
)
def test_each_status_has_its_exit_status(status: Status, expected: Exit) -> None:
    assert exit_of_view(a_view(status)) is expected


@pytest.mark.parametrize(
    ("outcome", "as_status", "as_command"),
    [
        (RollbackOutcome.RECOVERED, Exit.ROLLED_BACK, Exit.OK),
        (RollbackOutcome.UNVERIFIED, Exit.INCONCLUSIVE, Exit.INCONCLUSIVE),
        (RollbackOutcome.FAILED, Exit.ROLLED_BACK, Exit.ERROR),
    ],
)
def test_a_rollback_is_bad_news_for_a_pipeline_but_success_for_who_asked_for_it(
    outcome: RollbackOutcome, as_status: Exit, as_command: Exit
) -> None:
    view = taken_back(outcome)
    assert exit_of_view(view) is as_status
    assert exit_of_outcome(view) is as_command


def test_a_rollback_that_was_followed_but_did_not_end_is_no_success() -> None:
    view = msgspec.structs.replace(taken_back(RollbackOutcome.RECOVERED), status=Status.ROLLING_BACK)
    assert exit_of_outcome(view) is Exit.ERROR
