"""What a target points to and what is known to answer there, told from the deployments of one application."""

from collections.abc import Iterable

import msgspec

from ebbgate.core.releases.deployment import Deployment, DeploymentStatus, DeployStep

_BEFORE_TOUCHING = frozenset({DeployStep.FETCH, DeployStep.PLACE})


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """points_to: id of the release that the target points to, None where it is none, or none that is known.
    last_good: id of the release that is known to have answered last, whether it still does or not. unsettled: the
    deployment since which nobody knows what answers: it ended broken, gave way to a rollback, or is under way.
    is_untouched: no deployment has changed anything; what runs came there by other hands.
    """

    points_to: str | None = None
    last_good: str | None = None
    unsettled: Deployment | None = None
    is_untouched: bool = False

    @property
    def is_answering(self) -> bool:
        """Whether what the target points to is known to have answered, with nothing done to it since."""
        return self.points_to is not None and self.unsettled is None and self.points_to == self.last_good


def standing_of(deployments: Iterable[Deployment]) -> Standing:
    """How an application's target stands. deployments: newest first."""
    begun = [one for one in deployments if one.started_at is not None]
    touching = [one for one in begun if _has_touched(one)]
    good = next((one for one in touching if answering_end(one) is not None), None)
    newest = touching[0] if touching else None
    is_settled = newest is None or newest is good or _is_empty(newest)
    return Standing(
        points_to=_seen_last(begun, newest),
        last_good=answering_end(good) if good is not None else None,
        unsettled=None if is_settled else newest,
        is_untouched=not touching,
    )


def answering_end(deployment: Deployment) -> str | None:
    """The release that answered at its end: its own, or on the way back the one before."""
    if deployment.status is DeploymentStatus.DONE:
        return deployment.release
    is_back = deployment.status is DeploymentStatus.FAILED and _ended_at(deployment) is DeployStep.CHECK_BACK
    return deployment.previous if is_back else None


def _seen_last(begun: list[Deployment], newest: Deployment | None) -> str | None:
    """What the target said last. One that touched nothing may have found nothing there that it knew."""
    for one in begun:
        if one.points_to is not None:
            return one.points_to
        if one is newest:
            return answering_end(one)  # a row of before it was written down
    return None


def _has_touched(deployment: Deployment) -> bool:
    """Whether it may have changed what runs: before its switch it has not, but who broke is not believed."""
    step = deployment.step if not deployment.is_over else _ended_at(deployment)
    return deployment.status is DeploymentStatus.BROKEN or step not in _BEFORE_TOUCHING


def _is_empty(deployment: Deployment) -> bool:
    """Whether it was switched off, as nothing was there before it."""
    return deployment.status is DeploymentStatus.FAILED and _ended_at(deployment) is DeployStep.SWITCH_BACK


def _ended_at(deployment: Deployment) -> DeployStep | None:
    """The step after which it was over: that of its last line."""
    return deployment.events[-1].step if deployment.events else None
