"""/flags: definitions, kill and restore, the client's own status command, opt-in lists, deletion."""

from litestar import Router, get, post, put
from litestar.params import JSONBody

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import PRODUCTION, Environment, Key, Services
from ebbgate.api.flags_history import diff_flag, list_flag_versions, revert_flag
from ebbgate.control.snapshots import active_rollout
from ebbgate.core.flags.view import (
    DeleteFlag,
    FlagDeletedView,
    FlagSwitch,
    FlagView,
    KillFlag,
    OptUnit,
    PutFlag,
    RestoreFlag,
    SetFlagStatus,
)
from ebbgate.core.rollouts.requests import FlagStatusView
from ebbgate.core.rollouts.view import line_of


@get("/", sync_to_thread=True, operation_id="listFlags")
def list_flags(services: Services, environment: Environment = PRODUCTION) -> list[FlagView]:
    """All flags of an environment."""
    return services.flags.list(environment)


@get("/{key:str}", sync_to_thread=True, operation_id="getFlag")
def get_flag(services: Services, key: Key, environment: Environment = PRODUCTION) -> FlagView:
    """One flag: as written, as served, and what stands between."""
    return services.flags.get(environment, key)


@put("/{key:str}", sync_to_thread=True, operation_id="putFlag")
def put_flag(
    services: Services, request: ApiRequest, key: Key, data: JSONBody[PutFlag], environment: Environment = PRODUCTION
) -> FlagView:
    """Create a flag, or replace its definition."""
    actor = actor_of(request, data.reason)
    found = services.flags.put(environment, key, data.definition, actor=actor, revision=data.revision)
    return _changed(services, found)


@post("/{key:str}/kill", sync_to_thread=True, status_code=200, operation_id="killFlag")
def kill_flag(
    services: Services, request: ApiRequest, key: Key, data: JSONBody[KillFlag], environment: Environment = PRODUCTION
) -> FlagView:
    """Serve the old version to everybody, whatever rule and rollout say; a running rollout is taken back."""
    found = services.flags.kill(environment, key, actor=actor_of(request, data.reason), variant=data.variant)
    return _changed(services, found)


@post("/{key:str}/restore", sync_to_thread=True, status_code=200, operation_id="restoreFlag")
def restore_flag(
    services: Services,
    request: ApiRequest,
    key: Key,
    data: JSONBody[RestoreFlag],
    environment: Environment = PRODUCTION,
) -> FlagView:
    """Lift the kill."""
    return _changed(services, services.flags.restore(environment, key, actor=actor_of(request, data.reason)))


@post("/{key:str}/status", sync_to_thread=True, status_code=200, operation_id="setFlagStatus")
def set_flag_status(
    services: Services,
    request: ApiRequest,
    key: Key,
    data: JSONBody[SetFlagStatus],
    environment: Environment = PRODUCTION,
) -> FlagStatusView:
    """Disabled: take a running rollout back, else kill the flag. Enabled: lift the kill."""
    actor = actor_of(request, data.reason)
    state = None
    if data.status is FlagSwitch.ENABLED:
        services.flags.restore(environment, key, actor=actor)
    else:
        state = services.rollouts.set_status(environment, key, is_enabled=False, actor=actor)
        if state is None:
            services.flags.kill(environment, key, actor=actor)
    services.loop.wake()
    if state is None:
        with services.store.transaction() as tx:
            state = active_rollout(tx, environment, key)
    return FlagStatusView(
        flag=services.flags.get(environment, key), rollout=line_of(state) if state is not None else None
    )


@post("/{key:str}/opt-in", sync_to_thread=True, status_code=200, operation_id="optIn")
def opt_in(
    services: Services, request: ApiRequest, key: Key, data: JSONBody[OptUnit], environment: Environment = PRODUCTION
) -> FlagView:
    """Put a unit on the flag's opt-in list."""
    actor = actor_of(request, data.reason)
    return _changed(services, services.flags.opt(environment, key, data.unit, is_in=True, actor=actor))


@post("/{key:str}/opt-out", sync_to_thread=True, status_code=200, operation_id="optOut")
def opt_out(
    services: Services, request: ApiRequest, key: Key, data: JSONBody[OptUnit], environment: Environment = PRODUCTION
) -> FlagView:
    """Take a unit off the flag's opt-in list."""
    actor = actor_of(request, data.reason)
    return _changed(services, services.flags.opt(environment, key, data.unit, is_in=False, actor=actor))


@post("/{key:str}/delete", sync_to_thread=True, status_code=200, operation_id="deleteFlag")
def delete_flag(
    services: Services,
    request: ApiRequest,
    key: Key,
    data: JSONBody[DeleteFlag],
    environment: Environment = PRODUCTION,
) -> FlagDeletedView:
    """Delete a flag with its kill and its opt-in list; its history stays, and a revert brings it back."""
    actor = actor_of(request, data.reason)
    gone = services.flags.delete(environment, key, actor=actor, revision=data.revision)
    services.loop.wake()
    return gone


def _changed(services: Services, found: FlagView) -> FlagView:
    services.loop.wake()
    return found


flag_router = Router(
    path="/flags",
    tags=["flags"],
    route_handlers=[
        list_flags,
        get_flag,
        put_flag,
        delete_flag,
        kill_flag,
        restore_flag,
        set_flag_status,
        opt_in,
        opt_out,
        list_flag_versions,
        diff_flag,
        revert_flag,
    ],
)
