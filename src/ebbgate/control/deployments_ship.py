"""What a target is told of a deployment: the release that goes there, and the one to go back to."""

from collections.abc import Iterable

import msgspec

from ebbgate.core.releases import Deployment, DeployTerms, Release
from ebbgate.core.releases.current import answering_end
from ebbgate.ports.control_store import ControlTransaction
from ebbgate.ports.deployer import Shipment


class Voyage(msgspec.Struct, frozen=True, kw_only=True):
    """there: the release. back: the one that was current before; None where there was none, or it is this one, or bad.

    is_back_bad: it was there, but is quarantined: nobody goes back to it by itself.
    """

    there: Shipment
    back: Shipment | None
    is_back_bad: bool = False


def voyage_of(tx: ControlTransaction, deployment: Deployment) -> Voyage:
    """By the rows as they are now."""
    release = tx.release(deployment.release)
    previous = tx.release(deployment.previous) if deployment.previous is not None else None
    there = Shipment(
        deployment=deployment.id,
        nonce=deployment.nonce,
        app=deployment.app,
        release=deployment.release,
        version=deployment.version,
        digest=deployment.digest,
        commit=release.commit if release is not None else None,
        terms=deployment.terms,
        previous=previous.id if previous is not None else None,
        previous_version=previous.version if previous is not None else None,
        previous_digest=previous.artifact.digest if previous is not None else None,
    )
    if previous is None or previous.id == deployment.release:
        return Voyage(there=there, back=None)
    if previous.is_bad:
        return Voyage(there=there, back=None, is_back_bad=True)
    return Voyage(there=there, back=_back(deployment, previous, deployment.terms))


def answering_shipment(tx: ControlTransaction, deployments: Iterable[Deployment]) -> Shipment | None:
    """What answered last, as it was started: by its own deployment, or by one that brought it back. deployments: of one
    app, newest first.
    """
    for deployment in deployments:
        name = answering_end(deployment)
        release = tx.release(name) if name is not None else None
        if release is not None:
            is_back = release.id != deployment.release
            return _back(deployment, release, deployment.terms) if is_back else voyage_of(tx, deployment).there
    return None


def _back(deployment: Deployment, previous: Release, terms: DeployTerms) -> Shipment:
    """The old release, started as its own plan says, where this deployment put it."""
    own = previous.deploy if previous.deploy is not None and previous.deploy.to == terms.to else terms
    return Shipment(
        deployment=deployment.id,
        nonce=f"{deployment.nonce}-back",  # what the failed one started has the other word
        app=previous.app,
        release=previous.id,
        version=previous.version,
        digest=previous.artifact.digest,
        commit=previous.commit,
        terms=own,
        previous=deployment.release,
        previous_version=deployment.version,
        previous_digest=deployment.digest,
    )
