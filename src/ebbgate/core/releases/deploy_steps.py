"""The order of a deployment's steps, as values: where it goes from each step, when it is good and when it is not."""

from datetime import datetime

import msgspec

from ebbgate.core.releases.deployment import DeployEvent, Deployment, DeploymentStatus, DeployStep, Proof

EVENTS_KEPT = 60

AFTER_GOOD: dict[DeployStep, DeployStep] = {
    DeployStep.FETCH: DeployStep.PLACE,
    DeployStep.PLACE: DeployStep.SWITCH,
    DeployStep.SWITCH: DeployStep.RESTART,
    DeployStep.RESTART: DeployStep.CHECK,
    DeployStep.CHECK: DeployStep.END,
    DeployStep.SWITCH_BACK: DeployStep.RESTART_BACK,
    DeployStep.RESTART_BACK: DeployStep.CHECK_BACK,
    DeployStep.CHECK_BACK: DeployStep.END,
}
"""The way there, and the way back."""

_UNTOUCHED = frozenset({DeployStep.FETCH, DeployStep.PLACE})
"""A failure here has changed nothing that runs."""

_TOUCHED = frozenset({DeployStep.SWITCH, DeployStep.RESTART, DeployStep.CHECK})
"""A failure here is undone."""


def begun(deployment: Deployment, *, here: str | None, previous: str | None, at: datetime) -> Deployment:
    """It has its target. here: id of what the target calls current. previous: id of what there is to go back to."""
    return msgspec.structs.replace(
        deployment,
        status=DeploymentStatus.RUNNING,
        previous=previous,
        points_to=here,
        started_at=deployment.started_at or at,
    )


def noted(deployment: Deployment, text: str, *, at: datetime) -> Deployment:
    """With one more line in its story; the oldest go where there are too many."""
    event = DeployEvent(at=at, step=deployment.step, text=text)
    return msgspec.structs.replace(deployment, events=(*deployment.events, event)[-EVENTS_KEPT:])


def went_well(deployment: Deployment, *, text: str, at: datetime, proof: Proof | None = None) -> Deployment:
    """After a step that did what it should."""
    after = noted(deployment, text, at=at)
    following = AFTER_GOOD[deployment.step]
    if following is not DeployStep.END:
        return msgspec.structs.replace(after, step=following)
    is_back = deployment.step is DeployStep.CHECK_BACK
    status = DeploymentStatus.FAILED if is_back else DeploymentStatus.DONE
    return _ended(after, status, at, proof=None if is_back else proof)


def went_wrong(deployment: Deployment, *, text: str, at: datetime, can_go_back: bool) -> Deployment:
    """After a step that failed. can_go_back: whether the state before is to be brought back."""
    after = noted(deployment, text, at=at)
    if deployment.step in _UNTOUCHED:
        return _ended(after, DeploymentStatus.FAILED, at, error=text)
    if deployment.step in _TOUCHED and can_go_back:
        return msgspec.structs.replace(after, step=DeployStep.SWITCH_BACK, error=text)
    return _ended(after, DeploymentStatus.BROKEN, at, error=f"{deployment.error}; {text}" if deployment.error else text)


def ended_empty(deployment: Deployment, *, text: str, at: datetime) -> Deployment:
    """Switched back to nothing: there was no release before, so nothing is to be restarted."""
    return _ended(noted(deployment, text, at=at), DeploymentStatus.FAILED, at)


def gave_way(deployment: Deployment, *, text: str, at: datetime) -> Deployment:
    """It was given up for a rollback of the same target, which switches next."""
    return _ended(noted(deployment, text, at=at), DeploymentStatus.FAILED, at, error=text)


def broke(deployment: Deployment, *, text: str, at: datetime) -> Deployment:
    """Given up at a step that never came to an end, good or bad: what runs is for a person to find out."""
    error = f"{deployment.error}; {text}" if deployment.error else text
    return _ended(noted(deployment, text, at=at), DeploymentStatus.BROKEN, at, error=error)


def _ended(
    deployment: Deployment, status: DeploymentStatus, at: datetime, *, error: str = "", proof: Proof | None = None
) -> Deployment:
    return msgspec.structs.replace(
        deployment,
        status=status,
        step=DeployStep.END,
        ended_at=at,
        error=error or deployment.error,
        proof=proof,
    )
