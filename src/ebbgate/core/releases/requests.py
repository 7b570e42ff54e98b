"""What the control API is asked about releases, and what it answers beside the releases themselves."""

from datetime import datetime
from typing import Annotated

import msgspec

from ebbgate.core.access.view import ReasonText
from ebbgate.core.releases.artifact import Artifact
from ebbgate.core.releases.deployment import Deployment
from ebbgate.core.releases.release import AppName, BuildRecord, Documents, Release, ReleaseState, VersionText
from ebbgate.core.releases.retention import Keeping
from ebbgate.core.releases.terms import DeployTerms

Commit = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{40}$(?!\n)")]
Key = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}$(?!\n)")]


class RegisterRelease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make a release of an archive that was uploaded. Deploy terms that the app has not had before need an admin: their
    commands run where control runs. is_adopted: it runs already, and counts as stable (RULES H4).
    """

    app: AppName
    version: VersionText
    artifact: Artifact
    documents: Documents
    reason: ReasonText
    commit: Commit | None = None
    tag: str | None = None
    environment: str = "production"
    flags: tuple[str, ...] = ()
    deploy: DeployTerms | None = None
    reversible: bool = True
    notes: str = ""
    build: BuildRecord | None = None
    is_adopted: bool = False


class RebuildRelease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put bytes back that are gone (RULES H4). accept_other_bytes: even where the digest is another one now."""

    artifact: Artifact
    documents: Documents
    reason: ReasonText
    build: BuildRecord | None = None
    accept_other_bytes: bool = False


class ActOnRelease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why."""

    reason: ReasonText


class DeployRelease(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send a release to its target. override: even if it is bad. key: the same key is the same deployment."""

    reason: ReasonText
    override: bool = False
    key: Key | None = None


class PruneReleases(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Let go of bytes that nothing needs. keep: so many newest releases stay in any case."""

    app: AppName
    reason: ReasonText
    keep: Annotated[int, msgspec.Meta(ge=0)] = 10
    is_dry_run: bool = False


class ReleaseLine(msgspec.Struct, frozen=True, kw_only=True):
    """A release in a list. Machine times. is_current: its target points to it. is_answering: that is known to answer,
    with nothing done to it since.
    """

    id: str
    app: str
    version: str
    state: ReleaseState
    created_at: datetime
    commit: str | None
    digest: str
    content_bytes: int
    is_pinned: bool
    is_current: bool
    is_answering: bool
    is_last_stable: bool
    are_bytes_there: bool


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a release. flags: (environment, flag) that it brings, or that rollouts of it steer. is_current,
    is_answering: as in a list.
    """

    release: Release
    is_current: bool
    is_answering: bool
    is_last_stable: bool
    are_bytes_there: bool
    flags: tuple[tuple[str, str], ...]
    rollouts: tuple[str, ...]
    deployments: tuple[Deployment, ...]


class VerifyFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was verified."""

    what: str
    is_good: bool
    text: str


class VerifyView(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found. is_good: nothing was wrong."""

    release: str
    findings: tuple[VerifyFinding, ...]
    is_good: bool


class PruneView(msgspec.Struct, frozen=True, kw_only=True):
    """What was let go of, and why the others stay. freed_bytes: on disk."""

    app: str
    is_dry_run: bool
    keeping: tuple[Keeping, ...]
    freed_bytes: int
    removed_folders: tuple[str, ...] = ()
