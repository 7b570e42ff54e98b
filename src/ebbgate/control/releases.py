"""What people do with releases: register, adopt, mark, pin, compare, verify."""

from collections.abc import Callable

import msgspec

from ebbgate.control.audit import Actor
from ebbgate.control.releases_bytes import ReleaseBytes
from ebbgate.control.releases_current import Current, current_of
from ebbgate.control.releases_find import find_release, rollouts_of
from ebbgate.control.releases_follow import ReleaseFollower
from ebbgate.control.releases_rows import note_release, store_release
from ebbgate.core.errors import ConflictError, PermissionDeniedError, TransitionError
from ebbgate.core.releases import (
    Approval,
    Manifest,
    RebuildMark,
    Release,
    ReleaseState,
    ReleaseTrigger,
    clear,
    condemn,
    last_stable,
    move,
    release_id,
)
from ebbgate.core.releases.diff import ReleaseDiff
from ebbgate.core.releases.requests import RebuildRelease, RegisterRelease, ReleaseLine, ReleaseView, VerifyView
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore


class ReleaseService:
    """Releases of all apps. Every change leaves one audit row and one outbox row in its own transaction."""

    def __init__(self, store: ControlStore, artifacts: ArtifactStore, clock: Clock) -> None:
        self._store = store
        self._artifacts = artifacts
        self._clock = clock
        self._bytes = ReleaseBytes(artifacts)
        self._follower = ReleaseFollower(store, clock)

    def list(self, app: str | None = None) -> list[ReleaseLine]:
        """Newest first."""
        with self._store.transaction() as tx:
            releases = tx.releases(app=app)
            apps = {release.app for release in releases}
            current = {name: current_of(tx, name) for name in apps}
            stable = {found.id for name in apps if (found := last_stable(tx.releases(app=name)))}
        return [self._line(one, current[one.app], is_last_stable=one.id in stable) for one in releases]

    def get(self, reference: str) -> ReleaseView:
        """Raises NotFoundError."""
        with self._store.transaction() as tx:
            release = find_release(tx, reference)
            current, stable = current_of(tx, release.app), last_stable(tx.releases(app=release.app))
            states = rollouts_of(tx, release)
            flags = {*tx.flags_of_release(release.id), *((s.plan.environment, s.plan.flag) for s in states)}
            mine = [one for one in tx.deployments(app=release.app) if one.release == release.id]
        return ReleaseView(
            release=release,
            is_current=current.is_of(release),
            is_answering=current.is_of(release) and current.is_answering,
            is_last_stable=stable is not None and stable.id == release.id,
            are_bytes_there=self._artifacts.has(release.artifact.digest),
            flags=tuple(sorted(flags)),
            rollouts=tuple(state.id for state in states),
            deployments=tuple(mine[:10]),
        )

    def last_stable(self, app: str) -> Release | None:
        """The newest release that finished its watch and is not bad (RULES H4)."""
        with self._store.transaction() as tx:
            return last_stable(tx.releases(app=app))

    def register(self, request: RegisterRelease, *, actor: Actor, is_admin: bool) -> Release:
        """Make a release of what was uploaded; what its rollouts came to before it was known counts as ever.

        Raises ConflictError (the version exists), ArtifactMissingError, ArtifactDamagedError, PermissionDeniedError
        (deploy terms that are new to the app, and no admin).
        """
        self._bytes.check(request.artifact, request.documents)
        now = self._clock.machine_now()
        release = Release(
            id=release_id(request.app, request.version),
            app=request.app,
            version=request.version,
            artifact=request.artifact,
            documents=request.documents,
            created_at=now,
            commit=request.commit,
            tag=request.tag,
            environment=request.environment,
            flags=request.flags,
            deploy=request.deploy,
            reversible=request.reversible,
            is_adopted=request.is_adopted,
            notes=request.notes,
            build=request.build,
            registered_by=actor.name,
        )
        if request.is_adopted:
            release = move(release, ReleaseTrigger.SETTLE, at=now)
        with self._store.transaction() as tx:
            if tx.release(release.id) is not None:
                raise ConflictError(f"release {release.id} is there already", hint="give another --version")
            known = [one.deploy for one in tx.releases(app=release.app)]
            if release.deploy is not None and release.deploy not in known and not is_admin:
                raise PermissionDeniedError(
                    f"these deploy terms are new to {release.app}, and their commands run where control runs",
                    hint="let an admin's token register the first release with them",
                )
            stored = tx.put_release(release)
            action = "release.adopt" if request.is_adopted else "release.register"
            note_release(tx, self._clock, actor, action, None, stored)
            return self._follower.catch_up(tx, stored)

    def rebuild(self, reference: str, request: RebuildRelease, *, actor: Actor) -> Release:
        """Put bytes back that are gone or damaged, and mark the release so (RULES H4)."""
        self._bytes.check(request.artifact, request.documents)

        def change(release: Release) -> Release:
            is_same = release.artifact.digest == request.artifact.digest
            if not is_same and not request.accept_other_bytes:
                raise ConflictError(
                    f"the rebuilt bytes are {request.artifact.digest}, not {release.artifact.digest}",
                    hint="something outside of the commit changed; take them all the same with --accept-other-bytes",
                )
            mark = RebuildMark(
                at=self._clock.machine_now(),
                actor=actor.name,
                reason=actor.reason,
                digest_before=release.artifact.digest,
                is_same=is_same,
            )
            return msgspec.structs.replace(
                release,
                artifact=request.artifact,
                documents=request.documents,
                build=request.build or release.build,
                rebuilds=(*release.rebuilds, mark),
                are_bytes_pruned=False,
            )

        return self._change(reference, actor, "release.rebuild", change)

    def adopt(self, reference: str, *, actor: Actor) -> Release:
        """Take what answers for stable, on a person's word, where no release is yet (RULES H4).

        Raises TransitionError.
        """
        with self._store.transaction() as tx:
            before = find_release(tx, reference)
            if before.is_stable:
                return before
            if (stable := last_stable(tx.releases(app=before.app))) is not None:
                hint = "whatever comes after a stable release becomes stable by its rollout"
                raise TransitionError(f"{stable.id} is stable already", hint=hint)
            current = current_of(tx, before.app)
            if before.state is not ReleaseState.DEPLOYED or not (current.is_of(before) and current.is_answering):
                hint = f"deploy it first: ebbgate release deploy {before.id} --reason ..."
                raise TransitionError(f"{before.id} is not what answers", hint=hint)
            moved = move(before, ReleaseTrigger.SETTLE, at=self._clock.machine_now())
            after = store_release(tx, before, msgspec.structs.replace(moved, is_adopted=True))
            note_release(tx, self._clock, actor, "release.adopt", before, after)
        return after

    def mark_bad(self, reference: str, *, actor: Actor) -> Release:
        """Quarantine it."""

        def change(release: Release) -> Release:
            return condemn(release, reason=actor.reason, actor=actor.name, at=self._clock.machine_now())

        return self._change(reference, actor, "release.mark_bad", change)

    def clear(self, reference: str, *, actor: Actor) -> Release:
        """Take the mark away; it has to prove itself anew. Raises TransitionError unless it is bad."""
        now = self._clock.machine_now()
        return self._change(reference, actor, "release.clear", lambda one: clear(one, at=now))

    def pin(self, reference: str, *, actor: Actor) -> Release:
        """Keep its bytes until it is unpinned."""
        return self._change(reference, actor, "release.pin", lambda one: msgspec.structs.replace(one, is_pinned=True))

    def approve(self, reference: str, *, actor: Actor) -> Release:
        """Say yes to it, once. Raises PermissionDeniedError for who registered it, ConflictError for a second yes."""

        def change(one: Release) -> Release:
            if actor.name == one.registered_by:
                raise PermissionDeniedError(f"{actor.name} registered {one.id}", hint="somebody else has to approve it")
            if any(known.actor == actor.name for known in one.approvals):
                raise ConflictError(f"{actor.name} has approved {one.id} already", hint="somebody else may, too")
            said = Approval(actor=actor.name, reason=actor.reason, at=self._clock.machine_now())
            return msgspec.structs.replace(one, approvals=(*one.approvals, said))

        return self._change(reference, actor, "release.approve", change)

    def unpin(self, reference: str, *, actor: Actor) -> Release:
        return self._change(
            reference, actor, "release.unpin", lambda one: msgspec.structs.replace(one, is_pinned=False)
        )

    def manifest(self, reference: str) -> Manifest:
        """Its files and dependencies, hashed. Raises ArtifactMissingError, ArtifactDamagedError."""
        return self._bytes.manifest(self._found(reference))

    def diff(self, before: str, after: str) -> ReleaseDiff:
        """What differs between two releases."""
        return self._bytes.diff(self._found(before), self._found(after))

    def verify(self, reference: str) -> VerifyView:
        """Read all its bytes again and compare with their digests."""
        return self._bytes.verify(self._found(reference))

    def _found(self, reference: str) -> Release:
        with self._store.transaction() as tx:
            return find_release(tx, reference)

    def _line(self, release: Release, current: Current, *, is_last_stable: bool) -> ReleaseLine:
        return ReleaseLine(
            id=release.id,
            app=release.app,
            version=release.version,
            state=release.state,
            created_at=release.created_at,
            commit=release.commit,
            digest=release.artifact.digest,
            content_bytes=release.artifact.content_bytes,
            is_pinned=release.is_pinned,
            is_current=current.is_of(release),
            is_answering=current.is_of(release) and current.is_answering,
            is_last_stable=is_last_stable,
            are_bytes_there=self._artifacts.has(release.artifact.digest),
        )

    def _change(self, reference: str, actor: Actor, action: str, step: Callable[[Release], Release]) -> Release:
        with self._store.transaction() as tx:
            before = find_release(tx, reference)
            after = step(before)
            if after == before:
                return before
            after = store_release(tx, before, after)
            note_release(tx, self._clock, actor, action, before, after)
        return after
