"""Releases: what was built from which commit, where its bytes are, how far it has come, and how it is deployed."""

from ebbgate.core.releases.artifact import (
    RELEASE_FILE,
    Artifact,
    ArtifactFile,
    Dependency,
    Digest,
    Manifest,
    decode_manifest,
    encode_manifest,
)
from ebbgate.core.releases.deployment import Deployment, DeploymentStatus, DeployStep, Proof
from ebbgate.core.releases.release import (
    Approval,
    BadMark,
    BudgetResult,
    BuildRecord,
    CommandResult,
    Documents,
    RebuildMark,
    Release,
    ReleaseState,
    release_id,
)
from ebbgate.core.releases.steps import ReleaseTrigger, clear, condemn, last_stable, move
from ebbgate.core.releases.terms import Budget, BuildTerms, DeployTerms, TargetTerms, VersionScheme

__all__ = [
    "Approval",
    "RELEASE_FILE",
    "Artifact",
    "ArtifactFile",
    "BadMark",
    "Budget",
    "BudgetResult",
    "BuildRecord",
    "BuildTerms",
    "CommandResult",
    "Dependency",
    "DeployStep",
    "DeployTerms",
    "Deployment",
    "DeploymentStatus",
    "Digest",
    "Documents",
    "Manifest",
    "Proof",
    "RebuildMark",
    "Release",
    "ReleaseState",
    "ReleaseTrigger",
    "TargetTerms",
    "VersionScheme",
    "clear",
    "condemn",
    "decode_manifest",
    "encode_manifest",
    "last_stable",
    "move",
    "release_id",
]
