"""`client.incidents` and `client.postmortems`."""

from datetime import date
from typing import Literal
from urllib.parse import quote

from ebbgate.client.connection import Connection
from ebbgate.core.incidents import (
    ActionKind,
    Entry,
    Incident,
    IncidentKind,
    Note,
    PostMortem,
    Role,
    Severity,
)
from ebbgate.core.incidents.alertmanager import AlertmanagerMessage, AlertTaken
from ebbgate.core.incidents.requests import (
    ActionView,
    AddAction,
    AddNote,
    AssignRole,
    EndAction,
    MoveIncident,
    MovePostMortem,
    OpenedIncident,
    OpenIncident,
    SetSeverity,
    WriteSection,
)
from ebbgate.core.rollbacks.reports import AddReport, Report, ReportStanding, ReportTaken

_INCIDENTS, _POSTMORTEMS, _ACTIONS = "/api/v1/incidents", "/api/v1/postmortems", "/api/v1/actions"


class Incidents:
    """What is wrong now, and what happened. ref: an incident's id, its rollout's, or its flag's name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, ref: str) -> Incident:
        return self._connection.get(_path(_INCIDENTS, ref), Incident)

    def open(
        self,
        *,
        app: str,
        kind: IncidentKind,
        title: str,
        reason: str,
        severity: Severity | None = None,
        environment: str = "production",
        release: str | None = None,
        is_new_app: bool = False,
    ) -> OpenedIncident:
        """Open one by hand; of corrupted data, it takes the application's running rollouts back. Raises NotFoundError
        for an unknown environment, and for an unknown app that is not said to be new.
        """
        body = OpenIncident(
            app=app,
            kind=kind,
            title=title,
            reason=reason,
            severity=severity,
            environment=environment,
            release=release,
            is_new_app=is_new_app,
        )
        return self._connection.post(_INCIDENTS, body, OpenedIncident)

    def note(self, ref: str, text: str, *, link: str = "") -> Note:
        return self._connection.post(_path(_INCIDENTS, ref, "notes"), AddNote(reason=text, link=link), Note)

    def report(
        self,
        *,
        kind: str,
        text: str,
        app: str = "",
        flag: str = "",
        environment: str = "production",
        unit: str = "",
        variant: str = "",
        count: int = 1,
    ) -> list[ReportTaken]:
        """What a user says; the version that the unit had is looked up. Raises BadRequestError, and NotFoundError for a
        flag or an environment that is not known.
        """
        body = AddReport(
            kind=kind,
            reason=text,
            app=app,
            flag=flag,
            environment=environment,
            unit=unit,
            variant=variant,
            count=count,
        )
        return self._connection.post("/api/v1/reports", body, list[ReportTaken])

    def reports(self, *, rollout: str | None = None, limit: int = 200) -> list[Report]:
        """Newest first."""
        return self._connection.get("/api/v1/reports", list[Report], {"rollout": rollout, "limit": limit})

    def report_standings(self) -> list[ReportStanding]:
        """Of every rollout under way: how many from which version."""
        return self._connection.get("/api/v1/reports/standings", list[ReportStanding])

    def take_alerts(self, message: AlertmanagerMessage) -> list[AlertTaken]:
        """What Alertmanager posts by itself; here for drills and other monitors."""
        return self._connection.post("/api/v1/hooks/alertmanager", message, list[AlertTaken])

    def assign(self, ref: str, role: Role, who: str, *, reason: str) -> Incident:
        body = AssignRole(role=role, who=who, reason=reason)
        return self._connection.post(_path(_INCIDENTS, ref, "roles"), body, Incident)

    def set_severity(self, ref: str, severity: Severity, *, reason: str) -> Incident:
        body = SetSeverity(severity=severity, reason=reason)
        return self._connection.post(_path(_INCIDENTS, ref, "severity"), body, Incident)

    def move(self, ref: str, status: Literal["stable", "active", "closed"], *, reason: str) -> Incident:
        """Raises TransitionError."""
        body = MoveIncident(status=status, reason=reason)
        return self._connection.post(_path(_INCIDENTS, ref, "status"), body, Incident)

    def timeline(self, ref: str) -> list[Entry]:
        return self._connection.get(_path(_INCIDENTS, ref, "timeline"), list[Entry])

    def notes(self, ref: str) -> list[Note]:
        return self._connection.get(_path(_INCIDENTS, ref, "notes"), list[Note])

    def list(self, *, open_only: bool = False, app: str | None = None, limit: int = 100) -> list[Incident]:
        """Newest first."""
        query = {"open_only": open_only, "app": app, "limit": limit}
        return self._connection.get(_INCIDENTS, list[Incident], query)


class PostMortems:
    """What is written about an incident, and what is to be done."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, ref: str) -> PostMortem:
        """Raises NotFoundError while there is none."""
        return self._connection.get(_path(_POSTMORTEMS, ref), PostMortem)

    def markdown(self, ref: str) -> str:
        return self._connection.text(_path(_POSTMORTEMS, ref, "markdown"))

    def html(self, ref: str) -> str:
        return self._connection.text(_path(_POSTMORTEMS, ref, "html"))

    def write(self, ref: str, section: str, text: str, *, reason: str) -> PostMortem:
        body = WriteSection(section=section, text=text, reason=reason)
        return self._connection.post(_path(_POSTMORTEMS, ref, "sections"), body, PostMortem)

    def move(self, ref: str, step: Literal["draft", "submit", "review", "close"], *, reason: str) -> PostMortem:
        """Raises TransitionError, and PermissionDeniedError where an author would review."""
        body = MovePostMortem(step=step, reason=reason)
        return self._connection.post(_path(_POSTMORTEMS, ref, "status"), body, PostMortem)

    def add_action(self, ref: str, text: str, *, owner: str, due_on: date, kind: ActionKind, reason: str) -> ActionView:
        body = AddAction(text=text, owner=owner, due_on=due_on, kind=kind, reason=reason)
        return self._connection.post(_path(_POSTMORTEMS, ref, "actions"), body, ActionView)

    def end_action(self, action_id: int, state: Literal["done", "dropped"], *, reason: str) -> ActionView:
        body = EndAction(state=state, reason=reason)
        return self._connection.post(f"{_ACTIONS}/{action_id}/end", body, ActionView)

    def actions(self, *, incident: str | None = None, open_only: bool = False) -> list[ActionView]:
        """Oldest first."""
        query = {"incident": incident, "open_only": open_only}
        return self._connection.get(_ACTIONS, list[ActionView], query)


def _path(root: str, ref: str, *rest: str) -> str:
    return "/".join([root, quote(ref, safe=""), *rest])
