"""Incidents, what was said of them, their post-mortems and what is to be done."""

import msgspec
import sqlalchemy as sa

from ebbgate.adapters.sql.schema import action_items, incident_notes, incidents, post_mortems, reports
from ebbgate.adapters.sql.session import RELOAD, Session
from ebbgate.core.errors import ConflictError
from ebbgate.core.incidents import ActionItem, ActionState, Incident, IncidentStatus, Note, PostMortem
from ebbgate.core.rollbacks.reports import Report


class IncidentTables:
    """What the 3 a.m. left behind."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def incident(self, incident_id: str) -> Incident | None:
        row = self._session.first(sa.select(incidents.c.body).where(incidents.c.id == incident_id))
        return None if row is None else row.body

    def incident_of_rollout(self, rollout_id: str) -> Incident | None:
        row = self._session.first(sa.select(incidents.c.body).where(incidents.c.rollout_id == rollout_id))
        return None if row is None else row.body

    def incidents(self, *, open_only: bool = False, app: str | None = None, limit: int = 100) -> list[Incident]:
        query = sa.select(incidents.c.body).order_by(incidents.c.number.desc()).limit(limit)
        if open_only:
            query = query.where(incidents.c.status != IncidentStatus.CLOSED.value)
        if app is not None:
            query = query.where(incidents.c.app == app)
        return [row.body for row in self._session.rows(query)]

    def incident_count(self) -> int:
        row = self._session.first(sa.select(sa.func.count()).select_from(incidents))
        assert row is not None, "a count has a row"
        return int(row[0])

    def put_incident(self, incident: Incident) -> None:
        values = {
            "revision": incident.revision,
            "status": incident.status.value,
            "app": incident.app,
            "rollout_id": incident.rollout,
            "body": incident,
        }
        if incident.revision == 1:
            done = self._session.insert_new(incidents, id=incident.id, number=incident.number, **values)
        else:
            is_before = (incidents.c.id == incident.id) & (incidents.c.revision == incident.revision - 1)
            done = self._session.run(sa.update(incidents).where(is_before).values(values)).rowcount == 1
        if not done:
            raise ConflictError(f"incident {incident.id} was changed meanwhile, or is there already", hint=RELOAD)

    def add_note(self, row: Note) -> None:
        self._session.run(sa.insert(incident_notes).values(incident_id=row.incident, body=row))

    def notes(self, incident_id: str) -> list[Note]:
        query = sa.select(incident_notes).where(incident_notes.c.incident_id == incident_id)
        rows = self._session.rows(query.order_by(incident_notes.c.id))
        return [msgspec.structs.replace(row.body, id=row.id) for row in rows]

    def add_report(self, row: Report) -> Report:
        added = self._session.run(sa.insert(reports).values(rollout_id=row.rollout, body=row).returning(reports.c.id))
        return msgspec.structs.replace(row, id=added.one().id)

    def reports(self, *, rollout: str | None = None, limit: int | None = None) -> list[Report]:
        query = sa.select(reports).order_by(reports.c.id.desc()).limit(limit)
        if rollout is not None:
            query = query.where(reports.c.rollout_id == rollout)
        return [msgspec.structs.replace(row.body, id=row.id) for row in self._session.rows(query)][::-1]

    def post_mortem(self, incident_id: str) -> PostMortem | None:
        row = self._session.first(sa.select(post_mortems.c.body).where(post_mortems.c.incident_id == incident_id))
        return None if row is None else row.body

    def put_post_mortem(self, document: PostMortem) -> None:
        values = {"revision": document.revision, "body": document}
        if document.revision == 1:
            done = self._session.insert_new(post_mortems, incident_id=document.incident, **values)
        else:
            known = post_mortems.c
            is_before = (known.incident_id == document.incident) & (known.revision == document.revision - 1)
            done = self._session.run(sa.update(post_mortems).where(is_before).values(values)).rowcount == 1
        if not done:
            raise ConflictError(f"the post-mortem of {document.incident} was changed meanwhile", hint=RELOAD)

    def action_item(self, item_id: int) -> ActionItem | None:
        found = self._session.first(sa.select(action_items).where(action_items.c.id == item_id))
        return None if found is None else msgspec.structs.replace(found.body, id=found.id)

    def action_items(self, *, incident: str | None = None, state: ActionState | None = None) -> list[ActionItem]:
        query = sa.select(action_items).order_by(action_items.c.id)
        if incident is not None:
            query = query.where(action_items.c.incident_id == incident)
        if state is not None:
            query = query.where(action_items.c.state == state.value)
        return [msgspec.structs.replace(row.body, id=row.id) for row in self._session.rows(query)]

    def put_action_item(self, item: ActionItem) -> ActionItem:
        values = {"incident_id": item.incident, "state": item.state.value, "revision": item.revision, "body": item}
        if item.revision == 1:
            row = self._session.run(sa.insert(action_items).values(values).returning(action_items.c.id)).one()
            return msgspec.structs.replace(item, id=row.id)
        is_before = (action_items.c.id == item.id) & (action_items.c.revision == item.revision - 1)
        if self._session.run(sa.update(action_items).where(is_before).values(values)).rowcount != 1:
            raise ConflictError(f"action item {item.id} was changed meanwhile", hint=RELOAD)
        return item
