"""/opt/{key}: an end user's own opt-in or opt-out, the one change that a client token may make (RULES B5).

A client token is of an application, and in a browser it is public: it says nothing of who the user is. So a flag has
to allow it, one request names one unit, and no answer tells of lists, rules or other users. Browsers on another origin
cannot call it yet: the control API sends no CORS headers; an application's back end can, with the same token.
"""

from litestar import post
from litestar.params import JSONBody

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import PRODUCTION, Environment, Key, Services
from ebbgate.api.guard import OPT_SELF
from ebbgate.core.errors import PermissionDeniedError
from ebbgate.core.flags.view import OptSelf, OptView

ASKED = "asked for it"
"""The reason in the audit: a user gives none."""


@post("/opt/{key:str}", sync_to_thread=True, status_code=200, operation_id="optSelf", tags=["flags"], opt=OPT_SELF)
def opt_self(
    services: Services, request: ApiRequest, key: Key, data: JSONBody[OptSelf], environment: Environment = PRODUCTION
) -> OptView:
    """Put a user on the flag's opt-in list, or take it off, at its own wish; the flag's metadata must allow it."""
    only = request.user.environment
    if only is not None and only != environment:
        raise PermissionDeniedError(
            f"the token is for environment {only!r}", hint=f"ask with `?environment={only}`, or use another token"
        )
    found = services.flags.opt_self(environment, key, data.unit, is_in=data.is_in, actor=actor_of(request, ASKED))
    services.loop.wake()
    return found
