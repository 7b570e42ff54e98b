"""Releases and deployments."""

from typing import Any

import msgspec
import sqlalchemy as sa

from ebbgate.adapters.sql.schema import (
    deployments,
    release_flags,
    release_records,
    releases,
    rollout_flags,
    rollouts,
)
from ebbgate.adapters.sql.session import RELOAD, Session
from ebbgate.core.errors import ConflictError
from ebbgate.core.releases import Deployment, DeploymentStatus, Release
from ebbgate.ports.release_store import RolloutMark


class ReleaseTables:
    """What was built, and where it went."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def release(self, release_id: str) -> Release | None:
        row = self._session.first(sa.select(release_records.c.body).where(release_records.c.id == release_id))
        return None if row is None else row.body

    def releases(self, *, app: str | None = None) -> list[Release]:
        query = sa.select(release_records.c.body).order_by(release_records.c.number.desc())
        if app is not None:
            query = query.where(release_records.c.app == app)
        return [row.body for row in self._session.rows(query)]

    def put_release(self, release: Release) -> Release:
        if release.revision == 1:
            release = msgspec.structs.replace(release, number=self._next_number(release_records))
            is_done = self._insert_release(release)
        else:
            is_done = self._replace(release_records, release.id, release.revision, body=release)
        if not is_done:
            raise ConflictError(f"release {release.id} was changed meanwhile, or is there already", hint=RELOAD)
        return release

    def _insert_release(self, release: Release) -> bool:
        is_new = self._session.insert_new(
            release_records,
            id=release.id,
            app=release.app,
            number=release.number,
            revision=release.revision,
            body=release,
        )
        if is_new:
            self._session.insert_new(releases, name=release.id, created_at=release.created_at)
            for flag in release.flags:
                self._session.insert_new(release_flags, release=release.id, environment=release.environment, flag=flag)
        return is_new

    def releases_of_flag(self, environment: str, flag: str) -> list[str]:
        same = (release_flags.c.environment == environment, release_flags.c.flag == flag)
        query = sa.select(release_flags.c.release).where(*same).order_by(release_flags.c.release)
        return [row.release for row in self._session.rows(query)]

    def flags_of_release(self, name: str) -> list[tuple[str, str]]:
        brought = sa.select(release_flags.c.environment, release_flags.c.flag).where(release_flags.c.release == name)
        steered = (
            sa.select(rollout_flags.c.environment, rollout_flags.c.flag)
            .join(rollouts, rollouts.c.id == rollout_flags.c.rollout_id)
            .where(rollouts.c.release == name)
        )
        rows = [*self._session.rows(brought), *self._session.rows(steered)]
        return sorted({(row.environment, row.flag) for row in rows})

    def rollout_marks(self) -> list[RolloutMark]:
        c = rollouts.c
        query = sa.select(c.id, c.release, c.status, c.revision).order_by(c.number)
        return [RolloutMark(**row._mapping) for row in self._session.rows(query)]

    def deployment(self, deployment_id: str) -> Deployment | None:
        row = self._session.first(sa.select(deployments.c.body).where(deployments.c.id == deployment_id))
        return None if row is None else row.body

    def deployment_by_key(self, key: str) -> Deployment | None:
        row = self._session.first(sa.select(deployments.c.body).where(deployments.c.key == key))
        return None if row is None else row.body

    def deployments(
        self,
        *,
        app: str | None = None,
        target: str | None = None,
        statuses: tuple[DeploymentStatus, ...] | None = None,
        limit: int = 100,
    ) -> list[Deployment]:
        query = sa.select(deployments.c.body).order_by(deployments.c.number.desc()).limit(limit)
        if app is not None:
            query = query.where(deployments.c.app == app)
        if target is not None:
            query = query.where(deployments.c.target == target)
        if statuses is not None:
            query = query.where(deployments.c.status.in_([status.value for status in statuses]))
        return [row.body for row in self._session.rows(query)]

    def put_deployment(self, deployment: Deployment) -> Deployment:
        status = deployment.status.value
        if deployment.revision == 1:
            deployment = msgspec.structs.replace(deployment, number=self._next_number(deployments))
            is_done = self._session.insert_new(
                deployments,
                id=deployment.id,
                key=deployment.key,
                app=deployment.app,
                target=deployment.target,
                number=deployment.number,
                status=status,
                revision=deployment.revision,
                body=deployment,
            )
        else:
            is_done = self._replace(deployments, deployment.id, deployment.revision, status=status, body=deployment)
        if not is_done:
            raise ConflictError(f"deployment {deployment.id} was changed meanwhile, or is there already", hint=RELOAD)
        return deployment

    def _replace(self, table: sa.Table, key: str, revision: int, **values: Any) -> bool:
        assert revision >= 1, "a stored revision is at least 1"
        before = sa.update(table).where(table.c.id == key, table.c.revision == revision - 1)
        return self._session.run(before.values(revision=revision, **values)).rowcount == 1

    def _next_number(self, table: sa.Table) -> int:
        """There is one writer at a time, so nobody else takes it."""
        return int(self._session.run(sa.select(sa.func.max(table.c.number))).scalar() or 0) + 1
