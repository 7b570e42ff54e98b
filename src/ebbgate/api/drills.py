"""/drills and /preflight: the way back, tried before it is needed."""

from typing import Annotated

from litestar import Router, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import Limit, Services
from ebbgate.core.rollbacks.drill import Drill, StartDrill
from ebbgate.core.rollbacks.preflight import AskPreflight, Preflight

DrillId = Annotated[str, PathParameter(description="The drill's id, such as `drill-1`.")]
OfApp = Annotated[str | None, QueryParameter(description="Of this application only.")]


@get("/", sync_to_thread=True, operation_id="listDrills")
def list_drills(services: Services, app: OfApp = None, limit: Limit = 50) -> list[Drill]:
    """Newest first."""
    return services.drills.list(app=app, limit=limit)


@post("/", sync_to_thread=True, operation_id="startDrill")
def start_drill(services: Services, request: ApiRequest, data: JSONBody[StartDrill]) -> Drill:
    """Begin a drill; ask for it again until it is over."""
    begun = services.drills.start(
        data.app, environment=data.environment, actor=actor_of(request, data.reason), flag_only=data.flag_only
    )
    services.loop.wake()
    return begun


@get("/{drill_id:str}", sync_to_thread=True, operation_id="getDrill")
def get_drill(services: Services, drill_id: DrillId) -> Drill:
    """One drill, with the times of its parts so far."""
    return services.drills.get(drill_id)


@post("/preflight", sync_to_thread=True, status_code=200, operation_id="askPreflight", tags=["drills"])
def ask_preflight(services: Services, request: ApiRequest, data: JSONBody[AskPreflight]) -> Preflight:
    """Check a plan before it starts: the flag is toggled on a scratch flag, bytes are hashed, the target is asked."""
    plan = services.read_plan(data.plan, data.overlay)
    actor = actor_of(request, data.reason)
    return services.preflight.check(plan, release=data.release.strip(), actor=actor, tell=data.tell)


drill_router = Router(path="/drills", tags=["drills"], route_handlers=[list_drills, start_drill, get_drill])
