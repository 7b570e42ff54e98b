"""Drills and their times."""

import sqlalchemy as sa

from ebbgate.adapters.sql.schema import drills
from ebbgate.adapters.sql.session import RELOAD, Session
from ebbgate.core.errors import ConflictError
from ebbgate.core.rollbacks.drill import Drill, DrillStatus


class DrillTables:
    """What was tried before it was needed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def drill(self, drill_id: str) -> Drill | None:
        row = self._session.first(sa.select(drills.c.body).where(drills.c.id == drill_id))
        return None if row is None else row.body

    def drills(self, *, app: str | None = None, status: DrillStatus | None = None, limit: int = 50) -> list[Drill]:
        query = sa.select(drills.c.body).order_by(drills.c.number.desc()).limit(limit)
        if app is not None:
            query = query.where(drills.c.app == app)
        if status is not None:
            query = query.where(drills.c.status == status.value)
        return [row.body for row in self._session.rows(query)]

    def put_drill(self, drill: Drill) -> None:
        values = {"app": drill.app, "status": drill.status.value, "revision": drill.revision, "body": drill}
        if drill.revision == 1:
            done = self._session.insert_new(drills, id=drill.id, number=drill.number, **values)
        else:
            is_before = (drills.c.id == drill.id) & (drills.c.revision == drill.revision - 1)
            done = self._session.run(sa.update(drills).where(is_before).values(values)).rowcount == 1
        if not done:
            raise ConflictError(f"drill {drill.id} was changed meanwhile, or is there already", hint=RELOAD)
