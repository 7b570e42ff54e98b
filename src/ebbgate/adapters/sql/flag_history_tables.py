"""The versions of flags."""

import msgspec
import sqlalchemy as sa

from ebbgate.adapters.sql.schema import flag_versions
from ebbgate.adapters.sql.session import RELOAD, Session
from ebbgate.core.errors import ConflictError
from ebbgate.ports.control_store import FlagVersionRow

_v = flag_versions.c


class FlagHistoryTables:
    """What a flag was, by version."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_flag_version(self, row: FlagVersionRow) -> None:
        same = (_v.environment == row.environment, _v.flag == row.flag)
        newest = int(self._session.run(sa.select(sa.func.max(_v.version)).where(*same)).scalar() or 0)
        if row.version != newest + 1:
            raise ConflictError(f"flag {row.flag} is at version {newest}, not {row.version - 1}", hint=RELOAD)
        self._session.insert_new(flag_versions, **msgspec.structs.asdict(row))

    def flag_version(self, environment: str, flag: str, version: int) -> FlagVersionRow | None:
        same = (_v.environment == environment, _v.flag == flag, _v.version == version)
        row = self._session.first(sa.select(flag_versions).where(*same))
        return None if row is None else FlagVersionRow(**row._mapping)

    def flag_versions(
        self, environment: str, flag: str, *, before: int | None = None, limit: int = 50
    ) -> list[FlagVersionRow]:
        query = sa.select(flag_versions).where(_v.environment == environment, _v.flag == flag)
        if before is not None:
            query = query.where(_v.version < before)
        rows = self._session.rows(query.order_by(_v.version.desc()).limit(limit))
        return [FlagVersionRow(**row._mapping) for row in rows]

    def newest_flag_versions(self, environment: str) -> dict[str, int]:
        newest = sa.func.max(_v.version).label("newest")
        query = sa.select(_v.flag, newest).where(_v.environment == environment).group_by(_v.flag).order_by(_v.flag)
        return {row.flag: int(row.newest) for row in self._session.rows(query)}

    def flag_deletions(self, environment: str) -> dict[str, int]:
        query = (
            sa.select(_v.flag, sa.func.max(_v.snapshot_version).label("snapshot_version"))
            .where(_v.environment == environment, _v.definition.is_(None))
            .group_by(_v.flag)
            .order_by(_v.flag)
        )
        return {row.flag: int(row.snapshot_version) for row in self._session.rows(query)}
