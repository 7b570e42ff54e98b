"""The memory control store's releases and deployments."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from ebbgate.core.errors import ConflictError
from ebbgate.core.releases import Deployment, DeploymentStatus, Release
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.release_store import RolloutMark

_RELOAD = "read it again and repeat the change"


class _Tables(Protocol):
    releases: dict[str, Release]
    deployments: dict[str, Deployment]
    rollouts: dict[str, RolloutState]


class MemoryReleases(ABC):
    """Part of the memory store's transaction."""

    _set: Callable[[dict[Any, Any], Any, Any], None]

    @property
    @abstractmethod
    def _tables(self) -> _Tables:
        """The transaction's own."""

    def release(self, release_id: str) -> Release | None:
        return self._tables.releases.get(release_id)

    def releases(self, *, app: str | None = None) -> list[Release]:
        return [one for one in reversed(self._tables.releases.values()) if app in (None, one.app)]

    def put_release(self, release: Release) -> Release:
        table = self._tables.releases
        before = table.get(release.id)
        _check(f"release {release.id}", before, release.revision)
        stored = release if before else msgspec.structs.replace(release, number=len(table) + 1)
        self._set(table, release.id, stored)
        return stored

    def releases_of_flag(self, environment: str, flag: str) -> list[str]:
        brought = {
            one.id for one in self._tables.releases.values() if one.environment == environment and flag in one.flags
        }
        steered = {
            state.release
            for state in self._tables.rollouts.values()
            if (state.plan.environment, state.plan.flag) == (environment, flag)
        }
        return sorted(brought | steered)

    def flags_of_release(self, name: str) -> list[tuple[str, str]]:
        release = self._tables.releases.get(name)
        brought = {(release.environment, flag) for flag in release.flags} if release else set()
        steered = {
            (state.plan.environment, state.plan.flag)
            for state in self._tables.rollouts.values()
            if state.release == name
        }
        return sorted(brought | steered)

    def rollout_marks(self) -> list[RolloutMark]:
        return [
            RolloutMark(id=one.id, release=one.release, status=one.status.value, revision=one.revision)
            for one in self._tables.rollouts.values()
        ]

    def deployment(self, deployment_id: str) -> Deployment | None:
        return self._tables.deployments.get(deployment_id)

    def deployment_by_key(self, key: str) -> Deployment | None:
        return next((one for one in self._tables.deployments.values() if one.key == key), None)

    def deployments(
        self,
        *,
        app: str | None = None,
        target: str | None = None,
        statuses: tuple[DeploymentStatus, ...] | None = None,
        limit: int = 100,
    ) -> list[Deployment]:
        found = [
            one
            for one in reversed(self._tables.deployments.values())
            if app in (None, one.app) and target in (None, one.target) and (statuses is None or one.status in statuses)
        ]
        return found[:limit]

    def put_deployment(self, deployment: Deployment) -> Deployment:
        table = self._tables.deployments
        before = table.get(deployment.id)
        _check(f"deployment {deployment.id}", before, deployment.revision)
        if before is None and self.deployment_by_key(deployment.key) is not None:
            raise ConflictError(f"another deployment has the key {deployment.key}", hint=_RELOAD)
        stored = deployment if before else msgspec.structs.replace(deployment, number=len(table) + 1)
        self._set(table, deployment.id, stored)
        return stored


def _check(what: str, before: Release | Deployment | None, revision: int) -> None:
    if (before.revision if before else 0) != revision - 1:
        raise ConflictError(f"{what} was changed meanwhile, or is there already", hint=_RELOAD)
