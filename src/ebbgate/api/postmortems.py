"""/postmortems and /actions: what is written about an incident, and what is to be done."""

from typing import Annotated

import msgspec
from litestar import MediaType, Response, Router, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import Services
from ebbgate.api.incidents import IncidentRef
from ebbgate.core.incidents import ActionItem, ActionState, PostMortem, is_overdue
from ebbgate.core.incidents.requests import ActionView, AddAction, EndAction, MovePostMortem, WriteSection

OfIncident = Annotated[str | None, QueryParameter(description="Of this incident only.")]
OpenOnly = Annotated[bool, QueryParameter(description="Only those that have not ended.")]
ActionId = Annotated[int, PathParameter(description="The action item's number.")]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"


@get("/{ref:str}", sync_to_thread=True, operation_id="getPostMortem")
def get_post_mortem(services: Services, ref: IncidentRef) -> PostMortem:
    """The document: facts, and judgements or their blanks."""
    return services.postmortems.get(ref)


@get("/{ref:str}/markdown", sync_to_thread=True, media_type="text/markdown", operation_id="getPostMortemMarkdown")
def get_markdown(services: Services, ref: IncidentRef) -> str:
    """The document with timeline and action items as Markdown."""
    return services.postmortems.markdown(ref)


@get("/{ref:str}/html", sync_to_thread=True, media_type=MediaType.HTML, operation_id="getPostMortemHtml")
def get_html(services: Services, ref: IncidentRef) -> Response[str]:
    """The same as one page with its charts."""
    return Response(
        services.postmortems.html(ref), media_type=MediaType.HTML, headers={"content-security-policy": POLICY}
    )


@post("/{ref:str}/sections", sync_to_thread=True, status_code=200, operation_id="writeSection")
def write_section(
    services: Services, request: ApiRequest, ref: IncidentRef, data: JSONBody[WriteSection]
) -> PostMortem:
    """Write a judgement. What the machine found stays as it is."""
    written = services.postmortems.write(ref, data.section, data.text, actor=actor_of(request, data.reason))
    services.loop.wake()
    return written


@post("/{ref:str}/status", sync_to_thread=True, status_code=200, operation_id="movePostMortem")
def move_post_mortem(
    services: Services, request: ApiRequest, ref: IncidentRef, data: JSONBody[MovePostMortem]
) -> PostMortem:
    """Draft (anew), submit, review (not by an author), close."""
    act = {
        "draft": services.postmortems.draft,
        "submit": services.postmortems.submit,
        "review": services.postmortems.review,
        "close": services.postmortems.close,
    }[data.step]
    moved = act(ref, actor=actor_of(request, data.reason))
    services.loop.wake()
    return moved


@post("/{ref:str}/actions", sync_to_thread=True, operation_id="addAction")
def add_action(services: Services, request: ApiRequest, ref: IncidentRef, data: JSONBody[AddAction]) -> ActionView:
    """Add something that is to be done."""
    item = services.postmortems.add_action(
        ref,
        data.text.strip(),
        owner=data.owner.strip(),
        due_on=data.due_on,
        kind=data.kind,
        actor=actor_of(request, data.reason),
    )
    services.loop.wake()
    return _view(services, item)


@get("/", sync_to_thread=True, operation_id="listActions")
def list_actions(services: Services, incident: OfIncident = None, open_only: OpenOnly = False) -> list[ActionView]:
    """Action items, oldest first."""
    state = ActionState.OPEN if open_only else None
    return [_view(services, item) for item in services.postmortems.actions(incident, state=state)]


@post("/{action_id:int}/end", sync_to_thread=True, status_code=200, operation_id="endAction")
def end_action(services: Services, request: ApiRequest, action_id: ActionId, data: JSONBody[EndAction]) -> ActionView:
    """Say that it is done, or dropped, and how."""
    actor = actor_of(request, data.reason)
    ended = services.postmortems.end_action(action_id, ActionState(data.state), actor=actor)
    services.loop.wake()
    return _view(services, ended)


def _view(services: Services, item: ActionItem) -> ActionView:
    overdue = is_overdue(item, now=services.clock.machine_now())
    return ActionView(**{**msgspec.structs.asdict(item), "is_overdue": overdue})


post_mortem_router = Router(
    path="/postmortems",
    tags=["incidents"],
    route_handlers=[get_post_mortem, get_markdown, get_html, write_section, move_post_mortem, add_action],
)
action_router = Router(path="/actions", tags=["incidents"], route_handlers=[list_actions, end_action])
