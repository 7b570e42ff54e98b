"""How a rollout's state changes: pure, one function a change, all through the table of transitions."""

from datetime import datetime

import msgspec

from ebbgate.core.rollouts.decide import seen_key
from ebbgate.core.rollouts.decision import Review
from ebbgate.core.rollouts.exposure import begin_phase
from ebbgate.core.rollouts.plan import Response
from ebbgate.core.rollouts.state import (
    ReviewState,
    RollbackOutcome,
    RollbackState,
    RollbackStep,
    RolloutState,
    Status,
    Trigger,
    next_status,
)

_replace = msgspec.structs.replace


def begin(state: RolloutState, *, snapshot_version: int, now: datetime) -> RolloutState:
    """Start the first phase. now: plan time. snapshot_version: of the snapshot that will serve it."""
    status = next_status(state.status, Trigger.START)
    record = begin_phase(state, 0, measured_attribute_share=0.0, snapshot_version=snapshot_version, now=now)
    started = _replace(state, status=status, phases=(record,), summarised_to=now)
    return _replace(started, status=Status.WATCHING) if started.is_last_phase else started


def advance(
    state: RolloutState, *, snapshot_version: int, measured_attribute_share: float, now: datetime, reason: str
) -> RolloutState:
    """Go to the next phase; the last one is the watch, and from the watch it goes to success."""
    clean = _replace(state, review=None, resume_to=None, reason=reason, acknowledged=frozenset())
    if state.is_last_phase:
        return _replace(clean, status=next_status(state.status, Trigger.SUCCEED), ended_at=now)
    index = state.phase_index + 1
    record = begin_phase(
        state, index, measured_attribute_share=measured_attribute_share, snapshot_version=snapshot_version, now=now
    )
    trigger = Trigger.WATCH if index == len(state.plan.phases) - 1 else Trigger.ADVANCE
    return _replace(clean, status=next_status(state.status, trigger), phases=(*state.phases, record), summarised_to=now)


def pause(state: RolloutState, *, reason: str) -> RolloutState:
    """Stop advancing; exposure stays where it is."""
    return _replace(
        state,
        status=next_status(state.status, Trigger.PAUSE),
        resume_to=state.resume_to or state.status,
        review=None,
        reason=reason,
        acknowledged=state.acknowledged | _asked(state),
    )


def resume(state: RolloutState, *, reason: str) -> RolloutState:
    """Go on from a pause or a review; what a person has looked at does not open a review again in this phase."""
    next_status(state.status, Trigger.RESUME)
    return _replace(
        state,
        status=state.resume_to or Status.RUNNING,
        resume_to=None,
        review=None,
        reason=reason,
        acknowledged=state.acknowledged | _asked(state),
    )


def _asked(state: RolloutState) -> frozenset[str]:
    return frozenset() if state.review is None else frozenset({state.review.key})


def open_review(state: RolloutState, review: Review, *, now: datetime) -> RolloutState:
    """Ask a person, with an owner, a deadline and what happens then (RULES F3)."""
    return _replace(
        state,
        status=next_status(state.status, Trigger.REVIEW),
        resume_to=state.resume_to or state.status,
        reason=review.reason,
        review=ReviewState(
            code=review.code.value,
            key=seen_key(review.code, review.metrics),
            reason=review.reason,
            owner=state.plan.commander or "the rollout's owner",
            opened_at=now,
            deadline_at=now + review.deadline,
            then=review.then if review.then is not Response.HOLD else Response.PAUSE,
            proposes=review.proposes,
        ),
    )


def roll_back(
    state: RolloutState, *, reason: str, actor: str, off_version: int, now: datetime, machine_now: datetime
) -> RolloutState:
    """Begin to take the version back; the kill overlay is written in the same transaction (RULES B6, H1)."""
    return _replace(
        state,
        status=next_status(state.status, Trigger.ROLL_BACK),
        resume_to=None,
        review=None,
        reason=reason,
        rollback=RollbackState(
            reason=reason,
            actor=actor,
            step=RollbackStep.PROPAGATION,
            started_at=now,
            off_version=off_version,
            off_at=machine_now,
            propagation_deadline_at=machine_now + state.plan.verify.propagation,
        ),
    )


def settle(state: RolloutState, outcome: RollbackOutcome, *, reason: str, now: datetime) -> RolloutState:
    """The rollback is over, and this is how it ended (RULES H3)."""
    assert state.rollback is not None, "only a rollback settles"
    return _replace(
        state,
        status=next_status(state.status, Trigger.SETTLE),
        ended_at=now,
        reason=reason,
        rollback=_replace(state.rollback, step=RollbackStep.DONE, outcome=outcome, outcome_reason=reason, ended_at=now),
    )


def abort(state: RolloutState, *, reason: str, now: datetime) -> RolloutState:
    """End the rollout without a verdict; its rule is taken off the flag."""
    return _replace(
        state,
        status=next_status(state.status, Trigger.ABORT),
        ended_at=now,
        reason=reason,
        review=None,
        resume_to=None,
    )
