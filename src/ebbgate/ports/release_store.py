"""Releases and deployments in the control store: part of its transaction."""

from typing import Protocol

import msgspec

from ebbgate.core.releases import Deployment, DeploymentStatus, Release


class RolloutMark(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a rollout as tells whether it moved. release: as the rollout names it: an id, or a version alone."""

    id: str
    release: str
    status: str
    revision: int


class ReleaseTransaction(Protocol):
    """Errors as of the control store's transaction: ConflictError, StoreUnavailableError."""

    def release(self, release_id: str) -> Release | None: ...
    def releases(self, *, app: str | None = None) -> list[Release]:
        """Newest first."""
        ...

    def put_release(self, release: Release) -> Release:
        """Insert with revision 1 (its `number` is given now), or replace the one whose revision is
        `release.revision - 1`. Returns it as stored. The flags that it brings are linked when it is inserted.
        """
        ...

    def releases_of_flag(self, environment: str, flag: str) -> list[str]:
        """Names of releases that brought the flag, or were rolled out behind it, by name."""
        ...

    def flags_of_release(self, name: str) -> list[tuple[str, str]]:
        """(environment, flag) of a release: those that it brings, and those that rollouts of it steer, sorted."""
        ...

    def rollout_marks(self) -> list[RolloutMark]:
        """Of all rollouts, oldest first."""
        ...

    def deployment(self, deployment_id: str) -> Deployment | None: ...
    def deployment_by_key(self, key: str) -> Deployment | None: ...
    def deployments(
        self,
        *,
        app: str | None = None,
        target: str | None = None,
        statuses: tuple[DeploymentStatus, ...] | None = None,
        limit: int = 100,
    ) -> list[Deployment]:
        """Newest first."""
        ...

    def put_deployment(self, deployment: Deployment) -> Deployment:
        """As `put_release`. Raises ConflictError for a key that another deployment has."""
        ...
