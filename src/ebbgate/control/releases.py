"""What people do with releases: register, adopt, mark, pin, compare, verify. Bytes come and go by their digests."""

from collections.abc import Callable

import msgspec

from ebbgate.control.audit import Actor, record, tell
from ebbgate.control.releases_current import Current, current_of
from ebbgate.control.releases_find import find_release
from ebbgate.core.errors import (
    ArtifactDamagedError,
    ArtifactMissingError,
    BadRequestError,
    ConflictError,
    PermissionDeniedError,
    StoreUnavailableError,
    TransitionError,
)
from ebbgate.core.releases import (
    Approval,
    Artifact,
    Documents,
    Manifest,
    RebuildMark,
    Release,
    ReleaseState,
    ReleaseTrigger,
    clear,
    condemn,
    decode_manifest,
    last_stable,
    move,
    release_id,
)
from ebbgate.core.releases.diff import ReleaseDiff, dependency_changes, file_changes, sizes
from ebbgate.core.releases.requests import (
    RebuildRelease,
    RegisterRelease,
    ReleaseLine,
    ReleaseView,
    VerifyFinding,
    VerifyView,
)
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction

MANIFEST_MAX = 64_000_000
"""Bytes of a manifest: about 300,000 files."""


class ReleaseService:
    """Releases of all apps. Every change leaves one audit row and one outbox row in its own transaction."""

    def __init__(self, store: ControlStore, artifacts: ArtifactStore, clock: Clock) -> None:
        self._store = store
        self._artifacts = artifacts
        self._clock = clock

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
            marks = [mark for mark in tx.rollout_marks() if mark.release in (release.id, release.version)]
            states = [state for mark in marks if (state := tx.rollout(mark.id)) and state.plan.app == release.app]
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
        """Make a release of what was uploaded. Raises ConflictError (the version exists), ArtifactMissingError,
        ArtifactDamagedError, PermissionDeniedError (deploy terms that are new to the app, and no admin).
        """
        self._check_bytes(request.artifact, request.documents)
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
            self._note(tx, actor, "release.adopt" if request.is_adopted else "release.register", None, stored)
        return stored

    def rebuild(self, reference: str, request: RebuildRelease, *, actor: Actor) -> Release:
        """Put bytes back that are gone or damaged, and mark the release so (RULES H4)."""
        self._check_bytes(request.artifact, request.documents)

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
            self._note(tx, actor, "release.adopt", before, after)
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
        with self._store.transaction() as tx:
            release = find_release(tx, reference)
        return self._manifest(release)

    def diff(self, before: str, after: str) -> ReleaseDiff:
        """What differs between two releases."""
        with self._store.transaction() as tx:
            old, new = find_release(tx, before), find_release(tx, after)
        was, now = self._manifest(old), self._manifest(new)
        return ReleaseDiff(
            before=old.id,
            after=new.id,
            commit_before=old.commit,
            commit_after=new.commit,
            is_same_bytes=old.artifact.digest == new.artifact.digest,
            growth=sizes(now)[0] - sizes(was)[0],
            gzip_growth=sizes(now)[1] - sizes(was)[1],
            files=file_changes(was, now),
            dependencies=dependency_changes(was, now),
        )

    def verify(self, reference: str) -> VerifyView:
        """Read all its bytes again and compare with their digests."""
        with self._store.transaction() as tx:
            release = find_release(tx, reference)
        documents = release.documents
        blobs = {
            "archive": release.artifact.digest,
            "manifest": documents.manifest,
            "sbom": documents.sbom,
            "provenance": documents.provenance,
            "log": documents.log,
        }
        findings = tuple(self._verified(name, digest) for name, digest in blobs.items() if digest is not None)
        return VerifyView(release=release.id, findings=findings, is_good=all(one.is_good for one in findings))

    def _verified(self, name: str, digest: str) -> VerifyFinding:
        try:
            length = self._artifacts.verify(digest)
        except (ArtifactMissingError, ArtifactDamagedError, StoreUnavailableError) as error:
            return VerifyFinding(what=name, is_good=False, text=error.message)
        return VerifyFinding(what=name, is_good=True, text=f"{digest}, {length:,} bytes")

    def _check_bytes(self, artifact: Artifact, documents: Documents) -> None:
        """What is said of an archive is what it is: its manifest is read, its bytes are hashed."""
        if self._artifacts.verify(artifact.digest) != artifact.archive_bytes:
            raise BadRequestError("the archive has another length than is said", hint="upload what was packed")
        for digest in (documents.sbom, documents.provenance, documents.log):
            if digest is not None:
                self._artifacts.verify(digest)
        manifest = self._decoded(documents.manifest)
        if (len(manifest.files), sizes(manifest)[0]) != (artifact.files, artifact.content_bytes):
            raise BadRequestError("the manifest is not that of the archive", hint="upload what was packed")

    def _manifest(self, release: Release) -> Manifest:
        return self._decoded(release.documents.manifest)

    def _decoded(self, digest: str) -> Manifest:
        data = self._artifacts.read(digest, limit=MANIFEST_MAX)
        try:
            return decode_manifest(data)
        except msgspec.DecodeError as error:
            raise BadRequestError(f"{digest} is no manifest: {error}", hint="upload what was packed") from error

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
            self._note(tx, actor, action, before, after)
        return after

    def _note(self, tx: ControlTransaction, actor: Actor, action: str, before: Release | None, after: Release) -> None:
        note_release(tx, self._clock, actor, action, before, after)


def store_release(tx: ControlTransaction, before: Release, after: Release) -> Release:
    """Write a changed release with the next revision. Raises ConflictError when somebody else was faster."""
    return tx.put_release(msgspec.structs.replace(after, revision=before.revision + 1))


def note_release(
    tx: ControlTransaction, clock: Clock, actor: Actor, action: str, before: Release | None, after: Release
) -> None:
    """One audit row and one outbox row for one change of a release."""
    record(
        tx,
        clock,
        actor,
        action=action,
        subject=f"release:{after.id}",
        before=_summary(before) if before is not None else None,
        after=_summary(after),
    )
    tell(
        tx,
        clock,
        topic="release",
        subject=after.id,
        key=f"release:{after.id}:{after.revision}",
        payload={"action": action, "actor": actor.name, "reason": actor.reason, **_summary(after)},
    )


def _summary(release: Release) -> dict[str, object]:
    return {
        "state": release.state.value,
        "digest": release.artifact.digest,
        "commit": release.commit,
        "is_pinned": release.is_pinned,
        "revision": release.revision,
    }
