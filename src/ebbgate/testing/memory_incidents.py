"""The memory control store's incidents."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from ebbgate.core.errors import ConflictError
from ebbgate.core.incidents import ActionItem, ActionState, Incident, Note, PostMortem
from ebbgate.core.rollbacks.reports import Report

_RELOAD = "read it again and repeat the change"


class _Tables(Protocol):
    incidents: dict[str, Incident]
    incident_notes: list[Note]  # the id is the position + 1
    user_reports: list[Report]  # the id is the position + 1
    post_mortems: dict[str, PostMortem]
    action_items: dict[int, ActionItem]


class MemoryIncidents(ABC):
    """Part of the memory store's transaction."""

    _undo: list[Callable[[], object]]
    _set: Callable[[dict[Any, Any], Any, Any], None]
    _append: Callable[[list[Any], Any], None]

    @property
    @abstractmethod
    def _tables(self) -> _Tables:
        """The transaction's own."""

    def incident(self, incident_id: str) -> Incident | None:
        return self._tables.incidents.get(incident_id)

    def incident_of_rollout(self, rollout_id: str) -> Incident | None:
        return next((one for one in self._tables.incidents.values() if one.rollout == rollout_id), None)

    def incidents(self, *, open_only: bool = False, app: str | None = None, limit: int = 100) -> list[Incident]:
        found = sorted(self._tables.incidents.values(), key=lambda one: -one.number)
        fit = [one for one in found if app in (None, one.app) and (one.is_open or not open_only)]
        return fit[:limit]

    def incident_count(self) -> int:
        return len(self._tables.incidents)

    def put_incident(self, incident: Incident) -> None:
        before = self._tables.incidents.get(incident.id)
        taken = self.incident_of_rollout(incident.rollout) if incident.rollout is not None else None
        is_mine = taken is None or taken.id == incident.id
        if (before.revision if before else 0) != incident.revision - 1 or not is_mine:
            raise ConflictError(f"incident {incident.id} was changed meanwhile, or is there already", hint=_RELOAD)
        self._set(self._tables.incidents, incident.id, incident)

    def add_note(self, row: Note) -> None:
        notes = self._tables.incident_notes
        self._append(notes, msgspec.structs.replace(row, id=len(notes) + 1))

    def notes(self, incident_id: str) -> list[Note]:
        return [row for row in self._tables.incident_notes if row.incident == incident_id]

    def add_report(self, row: Report) -> Report:
        rows = self._tables.user_reports
        row = msgspec.structs.replace(row, id=len(rows) + 1)
        self._append(rows, row)
        return row

    def reports(self, *, rollout: str | None = None, limit: int | None = None) -> list[Report]:
        found = [row for row in self._tables.user_reports if rollout in (None, row.rollout)]
        return found if limit is None else found[-limit:]

    def post_mortem(self, incident_id: str) -> PostMortem | None:
        return self._tables.post_mortems.get(incident_id)

    def put_post_mortem(self, document: PostMortem) -> None:
        before = self._tables.post_mortems.get(document.incident)
        if (before.revision if before else 0) != document.revision - 1:
            raise ConflictError(f"the post-mortem of {document.incident} was changed meanwhile", hint=_RELOAD)
        self._set(self._tables.post_mortems, document.incident, document)

    def action_item(self, item_id: int) -> ActionItem | None:
        return self._tables.action_items.get(item_id)

    def action_items(self, *, incident: str | None = None, state: ActionState | None = None) -> list[ActionItem]:
        found = self._tables.action_items.values()
        return [one for one in found if incident in (None, one.incident) and state in (None, one.state)]

    def put_action_item(self, item: ActionItem) -> ActionItem:
        items = self._tables.action_items
        if item.revision == 1:
            item = msgspec.structs.replace(item, id=len(items) + 1)
        elif item.id not in items or items[item.id].revision != item.revision - 1:
            raise ConflictError(f"action item {item.id} was changed meanwhile", hint=_RELOAD)
        self._set(items, item.id, item)
        return item
