"""Incidents, notes, post-mortems and action items in the control store: part of its transaction."""

from typing import Protocol

from ebbgate.core.incidents import ActionItem, ActionState, Incident, Note, PostMortem
from ebbgate.core.rollbacks.reports import Report


class IncidentTransaction(Protocol):
    """Errors as of the control store's transaction: ConflictError, StoreUnavailableError.

    `put_*`: insert with revision 1, or replace what has revision - 1 (else ConflictError).
    """

    def incident(self, incident_id: str) -> Incident | None: ...
    def incident_of_rollout(self, rollout_id: str) -> Incident | None: ...
    def incidents(self, *, open_only: bool = False, app: str | None = None, limit: int = 100) -> list[Incident]:
        """Newest first."""
        ...

    def incident_count(self) -> int: ...
    def put_incident(self, incident: Incident) -> None:
        """Raises ConflictError also where another incident has the rollout."""
        ...

    def add_note(self, row: Note) -> None: ...
    def notes(self, incident_id: str) -> list[Note]:
        """In order of id."""
        ...

    def add_report(self, row: Report) -> Report:
        """As stored, with its id."""
        ...

    def reports(self, *, rollout: str | None = None, limit: int | None = None) -> list[Report]:
        """In order of id: the newest `limit` of them."""
        ...

    def post_mortem(self, incident_id: str) -> PostMortem | None: ...
    def put_post_mortem(self, document: PostMortem) -> None: ...

    def action_item(self, item_id: int) -> ActionItem | None: ...
    def action_items(self, *, incident: str | None = None, state: ActionState | None = None) -> list[ActionItem]:
        """In order of id."""
        ...

    def put_action_item(self, item: ActionItem) -> ActionItem:
        """As stored: an id of 0 is given one."""
        ...
