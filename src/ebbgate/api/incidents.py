"""/incidents: open, steer, note, and what happened. `ref` is an incident's id, its rollout's, or its flag's name."""

from typing import Annotated

from litestar import Router, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import Limit, Services
from ebbgate.core.incidents import Entry, Incident, Note
from ebbgate.core.incidents.requests import (
    AddNote,
    AssignRole,
    MoveIncident,
    OpenedIncident,
    OpenIncident,
    SetSeverity,
)

IncidentRef = Annotated[
    str, PathParameter(description="An incident's id, its rollout's id, or its flag's name (the newest that is open).")
]
OpenOnly = Annotated[bool, QueryParameter(description="Only those that are not closed.")]
OfApp = Annotated[str | None, QueryParameter(description="Of this application only.")]


@get("/", sync_to_thread=True, operation_id="listIncidents")
def list_incidents(
    services: Services, open_only: OpenOnly = False, app: OfApp = None, limit: Limit = 100
) -> list[Incident]:
    """Newest first."""
    return services.incidents.list(open_only=open_only, app=app, limit=limit)


@post("/", sync_to_thread=True, operation_id="openIncident")
def open_incident(services: Services, request: ApiRequest, data: JSONBody[OpenIncident]) -> OpenedIncident:
    """Open one by hand. A rollout that is taken back has one already. Of corrupted data, it takes the application's
    running rollouts back, and is the incident of the newest of them. What became of each is in the answer.
    """
    opened = services.triggers.open(data, actor=actor_of(request, data.reason))
    services.loop.wake()
    return opened


@get("/{ref:str}", sync_to_thread=True, operation_id="getIncident")
def get_incident(services: Services, ref: IncidentRef) -> Incident:
    """One incident."""
    return services.incidents.get(ref)


@get("/{ref:str}/timeline", sync_to_thread=True, operation_id="getTimeline")
def get_timeline(services: Services, ref: IncidentRef) -> list[Entry]:
    """Every decision, change, proof, deployment, message and note, oldest first, each with a link to its evidence."""
    return services.postmortems.timeline(ref)


@get("/{ref:str}/notes", sync_to_thread=True, operation_id="listNotes")
def list_notes(services: Services, ref: IncidentRef) -> list[Note]:
    """What was noted, oldest first."""
    return services.incidents.notes(ref)


@post("/{ref:str}/notes", sync_to_thread=True, operation_id="addNote")
def add_note(services: Services, request: ApiRequest, ref: IncidentRef, data: JSONBody[AddNote]) -> Note:
    """Keep what somebody says."""
    actor = actor_of(request, data.reason)
    noted = services.incidents.note(ref, actor.reason, link=data.link, actor=actor)
    services.loop.wake()
    return noted


@post("/{ref:str}/roles", sync_to_thread=True, status_code=200, operation_id="assignRole")
def assign_role(services: Services, request: ApiRequest, ref: IncidentRef, data: JSONBody[AssignRole]) -> Incident:
    """Give somebody a role, or take it away."""
    changed = services.incidents.assign(ref, data.role, data.who.strip(), actor=actor_of(request, data.reason))
    services.loop.wake()
    return changed


@post("/{ref:str}/severity", sync_to_thread=True, status_code=200, operation_id="setSeverity")
def set_severity(services: Services, request: ApiRequest, ref: IncidentRef, data: JSONBody[SetSeverity]) -> Incident:
    """Say how grave it is."""
    changed = services.incidents.set_severity(ref, data.severity, actor=actor_of(request, data.reason))
    services.loop.wake()
    return changed


@post("/{ref:str}/status", sync_to_thread=True, status_code=200, operation_id="moveIncident")
def move_incident(services: Services, request: ApiRequest, ref: IncidentRef, data: JSONBody[MoveIncident]) -> Incident:
    """Say how it stands: stable (the post-mortem is drafted), active again, or closed."""
    act = {
        "stable": services.incidents.stabilise,
        "active": services.incidents.reopen,
        "closed": services.incidents.close,
    }[data.status]
    changed = act(ref, actor=actor_of(request, data.reason))
    services.loop.wake()
    return changed


incident_router = Router(
    path="/incidents",
    tags=["incidents"],
    route_handlers=[
        list_incidents,
        open_incident,
        get_incident,
        get_timeline,
        list_notes,
        add_note,
        assign_role,
        set_severity,
        move_incident,
    ],
)
