"""Asking for deployments. What carries them out is in `deployments_worker`; both work on the same rows."""

from collections.abc import Callable
from datetime import timedelta

import msgspec

from ebbgate.control.audit import Actor, record_and_tell
from ebbgate.control.releases_current import current_of
from ebbgate.control.releases_find import find_release, refuse_quarantined
from ebbgate.core.errors import BadRequestError, ConflictError, NotFoundError
from ebbgate.core.releases import Deployment, Release, last_stable
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction

Entropy = Callable[[], str]
"""A new word that nobody can guess."""

_POLL = timedelta(milliseconds=50)


class DeploymentService:
    """Deployments of all apps. wake: called when there is something to do."""

    def __init__(self, store: ControlStore, clock: Clock, entropy: Entropy, *, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._wake = wake

    def deploy(
        self, reference: str, *, actor: Actor, key: str, override: bool = False, is_rollback: bool = False
    ) -> Deployment:
        """Send a release to its target; the same key is the same deployment (RULES H1). It is on its way when this
        returns, not at its end. Raises NotFoundError, QuarantineError, BadRequestError (no deploy terms),
        ConflictError (the key stands for another release).
        """
        with self._store.transaction() as tx:
            release = find_release(tx, reference)
            asked = self._asked_before(tx, key, release)
            if asked is None:
                refuse_quarantined(release, override=override)
                asked = self._queue(tx, release, actor, key=key, is_rollback=is_rollback, override=override)
        self._wake()
        return asked

    def redeploy_last_stable(self, app: str, *, key: str, actor: Actor, but: str | None = None) -> Deployment:
        """The second stage of a rollback (DESIGN section 8). but: id of the release that is being taken back.

        Raises NotFoundError where no release of the app finished its watch.
        """
        with self._store.transaction() as tx:
            if (asked := tx.deployment_by_key(key)) is not None:
                return asked
            release = last_stable(tx.releases(app=app), but=but)
            if release is None:
                raise NotFoundError(
                    f"{app} has no stable release to go back to",
                    hint='record the version that runs: ebbgate release adopt FOLDER --version v1.3.2 --reason "..."',
                )
            asked = self._queue(tx, release, actor, key=key, is_rollback=True)
        self._wake()
        return asked

    def last_stable(self, app: str) -> Release | None:
        """The newest release that finished its watch and is not bad (RULES H4)."""
        with self._store.transaction() as tx:
            return last_stable(tx.releases(app=app))

    def current(self, app: str) -> Release | None:
        """What the app's target points to, whether it answers or not."""
        with self._store.transaction() as tx:
            return current_of(tx, app).release

    def get(self, deployment_id: str) -> Deployment:
        """Raises NotFoundError."""
        with self._store.transaction() as tx:
            found = tx.deployment(deployment_id)
        if found is None:
            raise NotFoundError(f"no deployment {deployment_id!r}", hint="list them: ebbgate release deployments")
        return found

    def list(self, *, app: str | None = None, limit: int = 50) -> list[Deployment]:
        """Newest first."""
        with self._store.transaction() as tx:
            return tx.deployments(app=app, limit=limit)

    def wait(self, deployment_id: str, *, timeout: timedelta) -> Deployment:
        """The deployment when it is over, or as it is after `timeout` (machine time)."""
        until = self._clock.monotonic() + timeout.total_seconds()
        while True:
            found = self.get(deployment_id)
            if found.is_over or self._clock.monotonic() >= until:
                return found
            self._clock.sleep(_POLL)

    def _asked_before(self, tx: ControlTransaction, key: str, release: Release) -> Deployment | None:
        asked = tx.deployment_by_key(key)
        if asked is not None and asked.release != release.id:
            raise ConflictError(f"the key {key} stands for a deployment of {asked.release}", hint="use another key")
        return asked

    def _queue(
        self,
        tx: ControlTransaction,
        release: Release,
        actor: Actor,
        *,
        key: str,
        is_rollback: bool,
        override: bool = False,
    ) -> Deployment:
        if release.deploy is None:
            raise BadRequestError(
                f"release {release.id} names no target", hint="write `deploy:` in the plan, then build the next release"
            )
        number = next((one.number for one in tx.deployments(limit=1)), 0) + 1
        deployment = tx.put_deployment(
            Deployment(
                id=f"{release.app}-deploy-{number}",
                key=key,
                app=release.app,
                release=release.id,
                version=release.version,
                digest=release.artifact.digest,
                terms=release.deploy,
                actor=actor.name,
                reason=actor.reason,
                nonce=self._entropy(),
                created_at=self._clock.machine_now(),
                is_rollback=is_rollback,
                override=override,
            )
        )
        note_deployment(tx, self._clock, actor, "deployment.ask", deployment)
        return deployment


def store_deployment(tx: ControlTransaction, before: Deployment, after: Deployment) -> Deployment:
    """Write a changed deployment with the next revision. Raises ConflictError when somebody else was faster."""
    return tx.put_deployment(msgspec.structs.replace(after, revision=before.revision + 1))


def note_deployment(tx: ControlTransaction, clock: Clock, actor: Actor, action: str, deployment: Deployment) -> None:
    """One audit row and one outbox row for one change that people are to hear of."""
    summary: dict[str, object] = {
        "app": deployment.app,
        "release": deployment.release,
        "status": deployment.status.value,
        "previous": deployment.previous,
        "proof": deployment.proof.value if deployment.proof else None,
        "error": deployment.error,
        "is_rollback": deployment.is_rollback,
    }
    subject = ("deployment", deployment.id, deployment.revision)
    record_and_tell(tx, clock, actor, action=action, subject=subject, before=None, after=summary)
