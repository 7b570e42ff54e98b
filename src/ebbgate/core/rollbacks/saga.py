"""The saga of a rollback (DESIGN section 8, RULES H1 to H4): flag off, proof, recovery; else redeploy, recovery again.

Each step has one function from what was seen to what follows. What acts is `control.rollbacks`; every move is stored
with what it rested on, so that a replay makes the same ones.
"""

from collections.abc import Callable, Mapping

import msgspec

from ebbgate.core.releases import DeploymentStatus
from ebbgate.core.rollouts.decision import Code, Decision, Hold, Step
from ebbgate.core.rollouts.look import RollbackFacts
from ebbgate.core.rollouts.recovery import Propagation, Recovery
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackStep


class Wait(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Look again. is_told: whether the waiting is a row of the history (the metrics moved). is_page: it takes too long;
    somebody is told, once.
    """

    reason: str
    metrics: tuple[str, ...] = ()
    is_told: bool = False
    is_page: bool = False


class Go(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Go to the next step. code: of the decision that is stored."""

    step: RollbackStep
    code: Code
    reason: str


class End(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It is over. is_page: somebody has to act, now."""

    outcome: RollbackOutcome
    reason: str
    metrics: tuple[str, ...] = ()
    is_page: bool = False


Move = Wait | Go | End


def next_move(step: RollbackStep, seen: RollbackFacts, recovery: Recovery | None) -> Move:
    """What follows in a step. recovery: what the metrics say, in the two steps that ask them."""
    return SAGA[step](seen, recovery)


def decision_of(move: Move) -> Decision | None:
    """The row that a move leaves in the rollout's history; None for waiting that says nothing new."""
    match move:
        case Wait():
            if not move.is_told:
                return None
            reason = f"waiting for the metrics: {move.reason or 'not yet proven'}"
            return Hold(code=Code.RECOVERING, reason=reason, metrics=move.metrics)
        case Go():
            return Step(code=move.code, reason=move.reason)
        case End():
            return Step(code=Code(move.outcome.value), reason=move.reason, metrics=move.metrics)


def words_of(proof: Propagation) -> str:
    """Such as `41/44 confirmed, 3 unproven (<= 60 s)` (RULES H2)."""
    return f"{proof.confirmed}/{proof.expected} confirmed, {proof.unproven_words}"


def _after_flag_off(seen: RollbackFacts, _: Recovery | None) -> Move:
    """Everybody follows; or the time is up, and the flag is written off as a way back or the metrics have to tell."""
    assert seen.proof is not None
    if not seen.flag_error and seen.proof.is_complete and seen.proof.expected:
        return Go(step=RollbackStep.RECOVERY, code=Code.PROPAGATED, reason=words_of(seen.proof))
    if not seen.is_late:
        return Wait(reason=seen.flag_error or words_of(seen.proof))
    if seen.flag_error:
        return _stage_two(seen, f"the flag could not be switched off: {seen.flag_error}")
    if seen.proof.stragglers and seen.stage_two.release is not None:
        return _stage_two(seen, f"evaluators do not follow: {seen.proof.straggler_words}")
    return Go(step=RollbackStep.RECOVERY, code=Code.PROPAGATED, reason=words_of(seen.proof))


def _after_recovery(seen: RollbackFacts, recovery: Recovery | None) -> Move:
    """Proven back, or the second stage, if there is one."""
    assert recovery is not None
    if recovery.outcome is None:
        return Wait(reason=recovery.reason, metrics=recovery.open, is_told=True)
    if recovery.outcome is not RollbackOutcome.RECOVERED and seen.stage_two.release is not None:
        return _stage_two(seen, f"the flag was not enough: {recovery.reason}")
    return _told_end(recovery, more=_no_stage_two(seen, recovery))


def _after_asking(seen: RollbackFacts, _: Recovery | None) -> Move:
    """The last stable release answers; or it does not, and nothing of ours can mend it."""
    deployment = seen.deployment
    assert deployment is not None
    if deployment.error and deployment.status is None:
        return End(outcome=RollbackOutcome.FAILED, reason=f"cannot redeploy: {deployment.error}", is_page=True)
    match deployment.status:
        case DeploymentStatus.DONE:
            shown = deployment.proof.value.replace("_", " ") if deployment.proof is not None else "nothing"
            reason = f"{deployment.release} is back; shown by: {shown}"
            return Go(step=RollbackStep.VERIFY, code=Code.REDEPLOYED, reason=reason)
        case DeploymentStatus.FAILED | DeploymentStatus.BROKEN:
            reason = f"redeploying {deployment.release} {deployment.status.value}: {deployment.error}"
            return End(outcome=RollbackOutcome.FAILED, reason=reason, is_page=True)
        case _:
            late = "; it takes longer than the plan allows, and goes on" if seen.is_late else ""
            return Wait(reason=f"{deployment.release} is on its way back{late}", is_page=seen.is_late)


def _after_redeployment(seen: RollbackFacts, recovery: Recovery | None) -> Move:
    """Proven back by the metrics, or not: there is no third stage."""
    assert recovery is not None
    if recovery.outcome is None:
        return Wait(reason=recovery.reason, metrics=recovery.open, is_told=True)
    return _told_end(recovery, more="; the last stable release was deployed again")


SAGA: Mapping[RollbackStep, Callable[[RollbackFacts, Recovery | None], Move]] = {
    RollbackStep.PROPAGATION: _after_flag_off,
    RollbackStep.RECOVERY: _after_recovery,
    RollbackStep.REDEPLOY: _after_asking,
    RollbackStep.VERIFY: _after_redeployment,
}
"""The whole saga. `flag_off` is committed with the decision itself, `done` has nothing after it."""


def _stage_two(seen: RollbackFacts, reason: str) -> Move:
    if seen.stage_two.release is None:
        why = f"{reason}; there is no second stage: {seen.stage_two.why}"
        return End(outcome=RollbackOutcome.FAILED, reason=why, is_page=True)
    return Go(step=RollbackStep.REDEPLOY, code=Code.REDEPLOY, reason=f"{reason}; {seen.stage_two.release} goes back")


def _no_stage_two(seen: RollbackFacts, recovery: Recovery) -> str:
    return "" if recovery.outcome is RollbackOutcome.RECOVERED else f"; no second stage: {seen.stage_two.why}"


def _told_end(recovery: Recovery, *, more: str) -> End:
    assert recovery.outcome is not None
    is_bad = recovery.outcome is not RollbackOutcome.RECOVERED
    return End(
        outcome=recovery.outcome,
        reason=f"{recovery.reason}{more}",
        metrics=recovery.open,
        is_page=is_bad,
    )
