"""/flags/{key}/history, diff, revert."""

from typing import Annotated

from litestar import get, post
from litestar.params import JSONBody, QueryParameter

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import PRODUCTION, Environment, Key, Limit, Services
from ebbgate.core.flags.history_view import FlagDiffView, FlagVersionView, RevertFlag
from ebbgate.core.flags.view import FlagView

Before = Annotated[int | None, QueryParameter(ge=1, description="Only versions below this one.")]
Older = Annotated[int, QueryParameter(ge=1, description="The version to compare from.")]
Newer = Annotated[int, QueryParameter(ge=1, description="The version to compare to.")]


@get("/{key:str}/history", sync_to_thread=True, operation_id="listFlagVersions")
def list_flag_versions(
    services: Services, key: Key, environment: Environment = PRODUCTION, before: Before = None, limit: Limit = 50
) -> list[FlagVersionView]:
    """Every change of a flag, newest first: who, when, why, and what differs. Also of a flag that was deleted."""
    return services.flag_history.list(environment, key, before=before, limit=limit)


@get("/{key:str}/diff", sync_to_thread=True, operation_id="diffFlag")
def diff_flag(
    services: Services, key: Key, older: Older, newer: Newer, environment: Environment = PRODUCTION
) -> FlagDiffView:
    """What differs between two versions, in sentences."""
    return services.flag_history.diff(environment, key, older, newer)


@post("/{key:str}/revert", sync_to_thread=True, status_code=200, operation_id="revertFlag")
def revert_flag(
    services: Services, request: ApiRequest, key: Key, data: JSONBody[RevertFlag], environment: Environment = PRODUCTION
) -> FlagView:
    """Write the definition of a version anew, as a new version. Refused while a rollout runs on the flag."""
    actor = actor_of(request, data.reason)
    found = services.flag_history.revert(environment, key, data.version, actor=actor, revision=data.revision)
    services.loop.wake()
    return found
