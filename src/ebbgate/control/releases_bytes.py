"""The bytes of releases: whether they are what is said of them, and what differs between two."""

import msgspec

from ebbgate.core.errors import ArtifactDamagedError, ArtifactMissingError, BadRequestError, StoreUnavailableError
from ebbgate.core.releases import Artifact, Documents, Manifest, Release, decode_manifest
from ebbgate.core.releases.diff import ReleaseDiff, dependency_changes, file_changes, sizes
from ebbgate.core.releases.requests import VerifyFinding, VerifyView
from ebbgate.ports.artifacts import ArtifactStore

MANIFEST_MAX = 64_000_000
"""Bytes of a manifest: about 300,000 files."""


class ReleaseBytes:
    """Reads what the artifact store keeps, and believes nothing but digests."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts

    def check(self, artifact: Artifact, documents: Documents) -> None:
        """What is said of an archive is what it is: its manifest is read, its bytes are hashed. Raises
        ArtifactMissingError, ArtifactDamagedError, BadRequestError.
        """
        if self._artifacts.verify(artifact.digest) != artifact.archive_bytes:
            raise BadRequestError("the archive has another length than is said", hint="upload what was packed")
        for digest in (documents.sbom, documents.provenance, documents.log):
            if digest is not None:
                self._artifacts.verify(digest)
        manifest = self._decoded(documents.manifest)
        if (len(manifest.files), sizes(manifest)[0]) != (artifact.files, artifact.content_bytes):
            raise BadRequestError("the manifest is not that of the archive", hint="upload what was packed")

    def manifest(self, release: Release) -> Manifest:
        """Its files and dependencies, hashed. Raises ArtifactMissingError, ArtifactDamagedError."""
        return self._decoded(release.documents.manifest)

    def diff(self, old: Release, new: Release) -> ReleaseDiff:
        """What differs between two releases. Raises what `manifest` does."""
        was, now = self.manifest(old), self.manifest(new)
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

    def verify(self, release: Release) -> VerifyView:
        """Read all its bytes again and compare with their digests."""
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

    def _decoded(self, digest: str) -> Manifest:
        data = self._artifacts.read(digest, limit=MANIFEST_MAX)
        try:
            return decode_manifest(data)
        except msgspec.DecodeError as error:
            raise BadRequestError(f"{digest} is no manifest: {error}", hint="upload what was packed") from error
