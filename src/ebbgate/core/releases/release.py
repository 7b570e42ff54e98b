"""A release: one version of an application, its commit, its bytes, and how far it has come."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

import msgspec

from ebbgate.core.releases.artifact import Artifact, Digest
from ebbgate.core.releases.terms import DeployTerms

VERSION_PATTERN = r"^v?[0-9][0-9A-Za-z.+_-]{0,63}$(?!\n)"
VersionText = Annotated[str, msgspec.Meta(pattern=VERSION_PATTERN)]
"""Begins with a digit, or `v` and a digit: it becomes a tag and a folder's name."""

APP_PATTERN = r"^[A-Za-z][A-Za-z0-9_.:-]{0,127}$(?!\n)"
AppName = Annotated[str, msgspec.Meta(pattern=APP_PATTERN)]


class ReleaseState(StrEnum):
    """How far a release has come. `core.releases.steps` has the table."""

    BUILT = "built"
    DEPLOYED = "deployed"
    WATCHING = "watching"  # everybody has it, and it is being watched
    STABLE = "stable"  # it finished its watch, or was adopted (RULES H4)
    BAD = "bad"  # quarantined: not started or deployed again without an override


class BadMark(msgspec.Struct, frozen=True, kw_only=True):
    """Why a release is bad. Machine time."""

    reason: str
    actor: str
    at: datetime


class RebuildMark(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes were gone and were made again from the commit (RULES H4). digest_before: of those that are gone.

    is_same: whether the new bytes are the old ones. Machine time.
    """

    at: datetime
    actor: str
    reason: str
    digest_before: Digest
    is_same: bool


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """One command of a build and how long it took (machine time)."""

    command: str
    took: timedelta


class BudgetResult(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as it was measured. used: bytes; limit: exclusive. is_met None: cannot be told, `note` says why.

    kind: growth, size or total. worst: the largest file, for `size`.
    """

    files: str
    kind: str
    limit: int
    used: int | None
    is_met: bool | None
    is_gzip: bool = False
    worst: str | None = None
    note: str = ""


class BuildRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a release was built. Machine times. risks: sentences for people, such as an unlocked build."""

    builder: str  # of the provenance: ebbgate and its version
    started_at: datetime
    took: timedelta
    commands: tuple[CommandResult, ...]
    budgets: tuple[BudgetResult, ...] = ()
    risks: tuple[str, ...] = ()
    dependencies: int = 0
    locked_by: str | None = None
    toolchain: dict[str, str] = {}  # name to version, of what is recorded: node, npm, git, python
    is_signed: bool = False


class Documents(msgspec.Struct, frozen=True, kw_only=True):
    """Digests of what is kept beside the archive. manifest is always there; the others only for what was built."""

    manifest: Digest
    sbom: Digest | None = None
    provenance: Digest | None = None
    log: Digest | None = None


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody said yes to it. Machine time."""

    actor: str
    reason: str
    at: datetime


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A release as control keeps it. Machine times.

    id: `app@version`. number: 1, 2, ... over all releases of the store, in the order of registration. commit: that it
    was built from; None where it was adopted. tag: annotated tag on that commit. flags: keys of flags that it brings,
    in `environment`; a flag may belong to many releases. reversible: False where going back to the old one loses data
    (RULES F7).
    """

    id: str
    app: str
    version: str
    artifact: Artifact
    documents: Documents
    created_at: datetime
    state: ReleaseState = ReleaseState.BUILT
    number: int = 0
    revision: int = 1
    commit: str | None = None
    tag: str | None = None
    environment: str = "production"
    flags: tuple[str, ...] = ()
    deploy: DeployTerms | None = None
    reversible: bool = True
    is_adopted: bool = False
    is_pinned: bool = False
    are_bytes_pruned: bool = False
    notes: str = ""
    build: BuildRecord | None = None
    bad: BadMark | None = None
    registered_by: str = ""
    approvals: tuple[Approval, ...] = ()
    rebuilds: tuple[RebuildMark, ...] = ()
    deployed_at: datetime | None = None
    stable_at: datetime | None = None

    @property
    def is_bad(self) -> bool:
        return self.state is ReleaseState.BAD

    @property
    def is_stable(self) -> bool:
        return self.state is ReleaseState.STABLE


def release_id(app: str, version: str) -> str:
    """The id of a release of that app."""
    return f"{app}@{version}"
