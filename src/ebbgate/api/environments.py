"""/environments: their settings, their flags as one document, and what does not arrive."""

from typing import Annotated, Any

import msgspec
from litestar import Router, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import ENVIRONMENT, Services
from ebbgate.control.flags_silence import silent_flags
from ebbgate.core.flags.environments_view import (
    BucketingView,
    CreateEnvironment,
    EnvironmentView,
    ImportDocument,
    ImportView,
    SetBucketing,
    SilentFlag,
)

Name = Annotated[str, PathParameter(pattern=ENVIRONMENT, description="The environment.")]
IsServed = Annotated[bool, QueryParameter(description="With rollouts and kills rendered, as evaluators get it.")]


@get("/", sync_to_thread=True, operation_id="listEnvironments")
def list_environments(services: Services) -> list[EnvironmentView]:
    """All environments, by name."""
    return services.environments.list()


@post("/", sync_to_thread=True, operation_id="createEnvironment")
def create_environment(services: Services, request: ApiRequest, data: JSONBody[CreateEnvironment]) -> EnvironmentView:
    """A new environment, served at once."""
    actor = actor_of(request, data.reason)
    made = services.environments.create(data.name, bucketing=data.bucketing, actor=actor)
    services.loop.wake()
    return made


@post("/{name:str}/bucketing", sync_to_thread=True, status_code=200, operation_id="setBucketing")
def set_bucketing(services: Services, request: ApiRequest, name: Name, data: JSONBody[SetBucketing]) -> BucketingView:
    """Draw everybody anew by another generation; running rollouts are aborted, and the answer names them."""
    changed = services.environments.set_bucketing(name, data.bucketing, actor=actor_of(request, data.reason))
    services.loop.wake()
    return changed


@get("/{name:str}/document", sync_to_thread=True, operation_id="exportFlags")
def export_flags(services: Services, name: Name, is_served: IsServed = False) -> dict[str, Any]:
    """All flags as one flagd document: as written, or as served."""
    document: dict[str, Any] = msgspec.json.decode(services.flag_exchange.export(name, is_served=is_served))
    return document


@post("/{name:str}/document", sync_to_thread=True, status_code=200, operation_id="importFlags")
def import_flags(services: Services, request: ApiRequest, name: Name, data: JSONBody[ImportDocument]) -> ImportView:
    """Take a flagd document, whole or not at all; or, as a dry run, say what it would change."""
    found = services.flag_exchange.take(
        name,
        data.document,
        actor=actor_of(request, data.reason),
        is_replacing=data.is_replacing,
        is_dry_run=data.is_dry_run,
        snapshot_version=data.snapshot_version,
        flag_set=data.flag_set,
    )
    services.loop.wake()
    return found


@get("/{name:str}/silence", sync_to_thread=True, operation_id="listSilentFlags")
def list_silent_flags(services: Services, name: Name) -> list[SilentFlag]:
    """Flags never evaluated, attributes that rules ask for in vain, code defaults served."""
    return silent_flags(services.store, services.events, name)


environment_router = Router(
    path="/environments",
    tags=["environments"],
    route_handlers=[
        list_environments,
        create_environment,
        set_bucketing,
        export_flags,
        import_flags,
        list_silent_flags,
    ],
)
