"""`client.releases`, with artifacts and deployments. `ref` is a release's id, or its version where one app has it."""

from collections.abc import Iterable
from urllib.parse import quote

from ebbgate.client.connection import Connection
from ebbgate.core.releases import Deployment, Manifest, Release
from ebbgate.core.releases.diff import ReleaseDiff
from ebbgate.core.releases.requests import (
    ActOnRelease,
    DeployRelease,
    PruneReleases,
    PruneView,
    RebuildRelease,
    RegisterRelease,
    ReleaseLine,
    ReleaseView,
    VerifyView,
)

_PATH = "/api/v1/releases"
_DEPLOYMENTS = "/api/v1/deployments"


class Releases:
    """Reads releases and acts on them. Every action has a reason, which goes into the audit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def upload(self, digest: str, pieces: Iterable[bytes]) -> None:
        """Send bytes to be kept under their digest. Raises ArtifactDamagedError, LimitError."""
        self._connection.upload(f"/api/v1/artifacts/{quote(digest, safe='')}", pieces)

    def register(self, request: RegisterRelease) -> Release:
        """Make a release of what was uploaded. Raises ConflictError, ArtifactMissingError, PermissionDeniedError."""
        return self._connection.post(_PATH, request, Release)

    def get(self, ref: str) -> ReleaseView:
        """Raises NotFoundError."""
        return self._connection.get(_one(ref), ReleaseView)

    def manifest(self, ref: str) -> Manifest:
        return self._connection.get(f"{_one(ref)}/manifest", Manifest)

    def paper(self, ref: str, name: str) -> str:
        """name: manifest, sbom, provenance or log."""
        return self._connection.text(f"{_one(ref)}/papers/{quote(name, safe='')}")

    def diff(self, before: str, after: str) -> ReleaseDiff:
        return self._connection.get(f"{_one(after)}/diff", ReleaseDiff, {"against": before})

    def verify(self, ref: str) -> VerifyView:
        """Reads all bytes again."""
        return self._connection.get(f"{_one(ref)}/verify", VerifyView)

    def deploy(self, ref: str, *, reason: str, override: bool = False, key: str | None = None) -> Deployment:
        """On its way when this returns. Raises QuarantineError."""
        body = DeployRelease(reason=reason, override=override, key=key)
        return self._connection.post(f"{_one(ref)}/deploy", body, Deployment)

    def rebuild(self, ref: str, request: RebuildRelease) -> Release:
        return self._connection.post(f"{_one(ref)}/rebuild", request, Release)

    def adopt(self, ref: str, *, reason: str) -> Release:
        """What answers counts as stable from now on, where no release does yet. Raises TransitionError."""
        return self._act(ref, "adopt", reason)

    def mark_bad(self, ref: str, *, reason: str) -> Release:
        return self._act(ref, "mark-bad", reason)

    def clear(self, ref: str, *, reason: str) -> Release:
        return self._act(ref, "clear", reason)

    def pin(self, ref: str, *, reason: str) -> Release:
        return self._act(ref, "pin", reason)

    def approve(self, ref: str, *, reason: str) -> Release:
        """Raises PermissionDeniedError for who registered it."""
        return self._act(ref, "approve", reason)

    def unpin(self, ref: str, *, reason: str) -> Release:
        return self._act(ref, "unpin", reason)

    def prune(self, app: str, *, keep: int, reason: str, is_dry_run: bool = False) -> PruneView:
        body = PruneReleases(app=app, keep=keep, reason=reason, is_dry_run=is_dry_run)
        return self._connection.post(f"{_PATH}/prune", body, PruneView)

    def deployment(self, deployment_id: str) -> Deployment:
        return self._connection.get(f"{_DEPLOYMENTS}/{quote(deployment_id, safe='')}", Deployment)

    def deployments(self, *, app: str | None = None, limit: int = 50) -> list[Deployment]:
        """Newest first."""
        return self._connection.get(_DEPLOYMENTS, list[Deployment], {"app": app, "limit": limit})

    def list(self, *, app: str | None = None) -> list[ReleaseLine]:  # after all that name the builtin
        """Newest first."""
        return self._connection.get(_PATH, list[ReleaseLine], {"app": app})

    def _act(self, ref: str, action: str, reason: str) -> Release:
        return self._connection.post(f"{_one(ref)}/{action}", ActOnRelease(reason=reason), Release)


def _one(ref: str) -> str:
    return f"{_PATH}/{quote(ref, safe='')}"
