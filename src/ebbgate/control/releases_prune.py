"""Letting go of bytes that nothing needs. What a way back may need is never pruned (RULES H4)."""

from collections.abc import Mapping

import msgspec

from ebbgate.control.apps import nearest
from ebbgate.control.audit import Actor
from ebbgate.control.releases_current import current_of
from ebbgate.control.releases_find import release_of_rollout
from ebbgate.control.releases_rows import note_release, store_release
from ebbgate.core.errors import NotFoundError
from ebbgate.core.releases import DeploymentStatus, DeployTerms, Release
from ebbgate.core.releases.requests import PruneView
from ebbgate.core.releases.retention import Keeping, choose_kept
from ebbgate.core.rollouts.state import FINAL
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction
from ebbgate.ports.deployer import Deployer


class PruneService:
    """Bytes go, the release's record and its papers stay: what it was can still be told."""

    def __init__(self, store: ControlStore, artifacts: ArtifactStore, deployer: Deployer, clock: Clock) -> None:
        self._store = store
        self._artifacts = artifacts
        self._deployer = deployer
        self._clock = clock

    def prune(self, app: str, *, keep: int, actor: Actor, is_dry_run: bool = False) -> PruneView:
        """keep: so many newest releases stay in any case. Raises StoreUnavailableError, and NotFoundError for an app
        without a release.
        """
        with self._store.transaction() as tx:
            if not tx.releases(app=app):
                apps = sorted({release.app for release in tx.releases()})
                raise NotFoundError(f"no app {app!r} has releases", hint=f"apps: {nearest(app, apps) or 'none yet'}")
            lines = self._chosen(tx, app, keep)
            going = {line.release for line in lines if not line.is_kept}
            if not is_dry_run:
                self._mark(tx, app, going, actor)
            staying = {one.artifact.digest for one in tx.releases() if one.app != app or one.id not in going}
            releases = tx.releases(app=app)
        if is_dry_run:
            return PruneView(app=app, is_dry_run=True, keeping=tuple(lines), freed_bytes=0)
        digests = {one.artifact.digest for one in releases if one.id in going} - staying
        freed = sum(self._artifacts.delete(digest) for digest in sorted(digests))
        folders = self._remove_folders(releases, going)
        return PruneView(
            app=app, is_dry_run=False, keeping=tuple(lines), freed_bytes=freed, removed_folders=tuple(folders)
        )

    def _chosen(self, tx: ControlTransaction, app: str, keep: int) -> list[Keeping]:
        current = current_of(tx, app).release
        ids = {current.id} if current is not None else set()
        return choose_kept(tx.releases(app=app), keep=keep, current=ids, referenced=references(tx, app))

    def _mark(self, tx: ControlTransaction, app: str, going: set[str], actor: Actor) -> None:
        """Before the bytes go: a kill in between leaves bytes that nobody misses, never a release that lacks them."""
        for release in tx.releases(app=app):
            if release.id in going and not release.are_bytes_pruned:
                after = store_release(tx, release, msgspec.structs.replace(release, are_bytes_pruned=True))
                note_release(tx, self._clock, actor, "release.prune", release, after)

    def _remove_folders(self, releases: list[Release], going: set[str]) -> list[str]:
        """From the targets as well; one that is current there is left alone by the target itself."""
        removed: list[str] = []
        terms: dict[str, DeployTerms] = {one.deploy.to.key: one.deploy for one in releases if one.deploy is not None}
        for one in terms.values():
            target = self._deployer.target(one)
            here = target.current()
            for release in target.placed():
                if release in going and release != here:
                    target.remove(release)
                    removed.append(release)
        return removed


def references(tx: ControlTransaction, app: str) -> Mapping[str, str]:
    """Ids of releases of an app that something open refers to, with what it is."""
    found: dict[str, str] = {}
    for mark in tx.rollout_marks():
        state = tx.rollout(mark.id) if mark.status not in FINAL else None
        release = release_of_rollout(tx, app, state.release) if state and state.plan.app == app else None
        if release is not None:
            found[release.id] = f"rollout {mark.id} is open"
    for incident in tx.incidents(open_only=True, app=app, limit=1_000):
        if incident.release is not None and (named := release_of_rollout(tx, app, incident.release)) is not None:
            found[named.id] = f"incident {incident.id} is open"
    waiting = (DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)
    for deployment in tx.deployments(app=app, statuses=waiting, limit=1_000):
        for name in (deployment.release, deployment.previous):
            if name is not None:
                found[name] = f"deployment {deployment.id} is not over"
    current = current_of(tx, app)
    if current.last_good is not None and not current.is_answering:
        found[current.last_good.id] = "it is what answered last"
    if (left := current.unsettled) is not None:
        for name in (left.release, left.previous):
            if name is not None:
                found[name] = f"deployment {left.id} is {left.status.value}: it may be what runs"
    return found
