"""What a post-mortem says of the stages of a rollback."""

from typing import Any

from ebbgate.control.incident_facts import recovery_stage
from ebbgate.core.rollouts.state import RollbackState, RollbackStep
from ebbgate.testing.clock import VirtualClock
from ebbgate.testing.rollouts import NOON


def redeployed(**changes: Any) -> RollbackState:
    fields: dict[str, Any] = {
        "reason": "harm",
        "actor": "ada",
        "step": RollbackStep.VERIFY,
        "started_at": NOON,
        "off_version": 7,
        "off_at": NOON,
        "propagation_deadline_at": NOON,
        "redeploy_from_at": NOON,
        "redeploy_why": "asked for by ada",
    }
    return RollbackState(**{**fields, **changes})


def test_a_recovery_that_nobody_waited_for_did_not_fail() -> None:
    skipped = recovery_stage(VirtualClock(), redeployed(is_recovery_skipped=True))
    assert (skipped.worked, skipped.words) == (None, "Not waited for: asked for by ada.")
    failed = recovery_stage(VirtualClock(), redeployed(redeploy_why="the harm persists"))
    assert (failed.worked, failed.words) == (False, "The flag was not enough: the harm persists.")
