"""What is current: the release that an application's target points to, and whether it is known to answer."""

import msgspec

from ebbgate.core.releases import Deployment, Release
from ebbgate.core.releases.current import standing_of
from ebbgate.ports.control_store import ControlTransaction

_LOOKED_AT = 1_000
"""Deployments of an application that are looked at, the newest first."""


class Current(msgspec.Struct, frozen=True, kw_only=True):
    """release: what the target points to; None where that is nothing, or nothing that is known here. is_answering: it
    is known to have answered, with nothing done to it since. unsettled: the deployment since which it is not known.
    last_good: what is known to have answered last, whether it still runs or not: where a way back leads.
    """

    release: Release | None = None
    is_answering: bool = False
    unsettled: Deployment | None = None
    last_good: Release | None = None

    def is_of(self, release: Release) -> bool:
        """Whether the target points to that release."""
        return self.release is not None and self.release.id == release.id


def current_of(tx: ControlTransaction, app: str) -> Current:
    """By the deployments of the app; by the newest adopted release where none has changed anything yet."""
    found = standing_of(tx.deployments(app=app, limit=_LOOKED_AT))
    adopted = next((one for one in tx.releases(app=app) if one.is_adopted and one.is_stable), None)
    if found.is_untouched and found.points_to is None:
        return Current(release=adopted, is_answering=adopted is not None, last_good=adopted)
    return Current(
        release=tx.release(found.points_to) if found.points_to is not None else None,
        is_answering=found.is_answering,
        unsettled=found.unsettled,
        last_good=tx.release(found.last_good) if found.last_good is not None else adopted,
    )
