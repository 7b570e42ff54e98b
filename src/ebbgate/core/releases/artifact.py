"""An artifact: the kept files of one build as one archive. Its digest is its identity; equal trees have equal bytes."""

from typing import Annotated, Any

import msgspec

Digest = Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$(?!\n)")]
"""`sha256:` and 64 hex digits."""

RELEASE_FILE = ".ebbgate-release.json"
"""Beside the kept files in a deployed folder, outside of the digest: tells the app what it is."""


class ArtifactFile(msgspec.Struct, frozen=True, kw_only=True):
    """One kept file or link. path: from the root of the repository, with slashes. gzip_bytes: at level 6.

    link: where a symbolic link points, else None. sha256: hex, of the contents or of the link's text.
    """

    path: str
    bytes: int
    gzip_bytes: int
    sha256: str
    is_executable: bool = False
    link: str | None = None


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """digest: of the archive's bytes. archive_bytes: its length. content_bytes, gzip_bytes: sums over the files."""

    digest: Digest
    archive_bytes: int
    content_bytes: int
    gzip_bytes: int
    files: int


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """One resolved package, wherever in the tree. integrity: as the lock file writes it (`sha512-...`), or empty.

    place: its folder in the tree (`node_modules/a/node_modules/b`), which tells two versions of one name apart.
    """

    name: str
    version: str
    place: str
    integrity: str = ""
    resolved: str = ""
    is_dev: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in an artifact: kept beside it, content-addressed as well. locked_by: the lock file that pinned the
    dependencies before the build ran; None where nothing did.
    """

    files: tuple[ArtifactFile, ...]
    dependencies: tuple[Dependency, ...] = ()
    locked_by: str | None = None


def encode_manifest(manifest: Manifest) -> bytes:
    """As JSON; equal manifests give equal bytes."""
    return msgspec.json.encode(manifest)


def decode_manifest(data: bytes) -> Manifest:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Manifest)


def release_file(*, app: str, version: str, digest: str, commit: str | None, deployment: str) -> dict[str, Any]:
    """The contents of RELEASE_FILE."""
    return {"app": app, "version": version, "digest": digest, "commit": commit, "deployment": deployment}
