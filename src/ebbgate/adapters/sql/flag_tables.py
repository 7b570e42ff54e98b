"""Clock, flags, kills and snapshots."""

from typing import Any

import sqlalchemy as sa

from ebbgate.adapters.sql.schema import clock, environments, flags, kills, snapshots
from ebbgate.adapters.sql.session import RELOAD, Session
from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import ConflictError
from ebbgate.ports.control_store import EnvironmentRow, FlagRow, KillRow, SnapshotRow


class FlagTables:
    """What the edge serves, and the clock that goes with it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def clock_mapping(self) -> ClockMapping | None:
        row = self._session.first(sa.select(clock.c.origin_at, clock.c.plan_origin_at, clock.c.scale))
        return None if row is None else ClockMapping(**row._mapping)

    def put_clock_mapping(self, mapping: ClockMapping) -> None:
        self._session.upsert(
            clock, id=1, origin_at=mapping.origin_at, plan_origin_at=mapping.plan_origin_at, scale=mapping.scale
        )

    def flag(self, environment: str, key: str) -> FlagRow | None:
        row = self._session.first(sa.select(flags).where(flags.c.environment == environment, flags.c.key == key))
        return None if row is None else FlagRow(**row._mapping)

    def flags(self, environment: str) -> list[FlagRow]:
        query = sa.select(flags).where(flags.c.environment == environment)
        return sorted((FlagRow(**row._mapping) for row in self._session.rows(query)), key=lambda row: row.key)

    def put_flag(self, row: FlagRow) -> None:
        assert row.revision >= 1, "a stored revision is at least 1"
        values: dict[str, Any] = {
            "revision": row.revision,
            "updated_at": row.updated_at,
            "definition": row.definition,
            "opt_in": row.opt_in,
        }
        if row.revision == 1:
            done = self._session.insert_new(flags, environment=row.environment, key=row.key, **values)
        else:
            same = (flags.c.environment == row.environment, flags.c.key == row.key)
            change = sa.update(flags).where(*same, flags.c.revision == row.revision - 1).values(values)
            done = self._session.run(change).rowcount == 1
        if not done:
            stored = self.flag(row.environment, row.key)
            raise ConflictError(
                f"flag {row.key} is at revision {stored.revision if stored else 0}, not {row.revision - 1}", hint=RELOAD
            )

    def delete_flag(self, environment: str, key: str) -> None:
        self._session.run(sa.delete(flags).where(flags.c.environment == environment, flags.c.key == key))

    def environments(self) -> list[str]:
        used = (sa.select(table.c.environment) for table in (flags, kills, snapshots))
        query = sa.union(*used, sa.select(environments.c.name))
        return sorted(name for (name,) in self._session.run(query))

    def environment(self, name: str) -> EnvironmentRow | None:
        row = self._session.first(sa.select(environments).where(environments.c.name == name))
        return None if row is None else EnvironmentRow(**row._mapping)

    def put_environment(self, row: EnvironmentRow) -> None:
        self._session.upsert(environments, name=row.name, created_at=row.created_at, bucketing=row.bucketing)

    def kills(self, environment: str) -> list[KillRow]:
        query = sa.select(kills).where(kills.c.environment == environment)
        return sorted((KillRow(**row._mapping) for row in self._session.rows(query)), key=lambda row: row.flag)

    def put_kill(self, row: KillRow) -> None:
        self._session.upsert(
            kills,
            environment=row.environment,
            flag=row.flag,
            variant=row.variant,
            actor=row.actor,
            reason=row.reason,
            killed_at=row.killed_at,
        )

    def delete_kill(self, environment: str, flag: str) -> None:
        self._session.run(sa.delete(kills).where(kills.c.environment == environment, kills.c.flag == flag))

    def latest_snapshot(self, environment: str) -> SnapshotRow | None:
        return next(iter(self.snapshots(environment, limit=1)), None)

    def latest_version(self) -> int:
        return int(self._session.run(sa.select(sa.func.max(snapshots.c.version))).scalar() or 0)

    def snapshots(self, environment: str, *, limit: int = 50) -> list[SnapshotRow]:
        query = sa.select(snapshots).where(snapshots.c.environment == environment)
        newest = self._session.rows(query.order_by(snapshots.c.version.desc()).limit(limit))
        return [SnapshotRow(**row._mapping) for row in newest]

    def add_snapshot(self, row: SnapshotRow) -> None:
        latest = self.latest_version()
        if row.version <= latest:
            raise ConflictError(f"snapshot version {row.version} is not newer than {latest}", hint=RELOAD)
        self._session.insert_new(
            snapshots,
            version=row.version,
            environment=row.environment,
            body=row.body,
            cause=row.cause,
            created_at=row.created_at,
        )
