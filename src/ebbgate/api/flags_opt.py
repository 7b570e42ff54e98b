"""/opt/{key}: an end user's own opt-in or opt-out, the one change that a client token may make (RULES B5).

A client token is of an application, and in a browser it is public: it says nothing of who the user is. So a flag has
to allow it, one request names one unit, no answer tells of lists, rules or other users, and one token can do it only
so often. Pages of the origins in `cors_origins` may call it, and of all routes here only it (`opt_cors`).
"""

import threading
from typing import Any

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import PRODUCTION, Environment, Key, Services
from ebbgate.api.guard import OPT_SELF
from ebbgate.api.opt_cors import BROWSER
from ebbgate.core.access.rate import RateBucket
from ebbgate.core.errors import PermissionDeniedError, RateLimitedError
from ebbgate.core.flags.view import OptSelf, OptView

ASKED = "asked for it"
"""The reason in the audit: a user gives none."""
WISHES_PER_S, WISHES_BURST = 5.0, 50
"""Of one token. Every wish is a snapshot that each evaluator reads, and a token that a page holds is public."""


class OptLimits:
    """How often each token may do it; for several threads."""

    def __init__(self, services: Any) -> None:
        """services: whose clock counts (machine time)."""
        self._services = services
        self._lock = threading.Lock()
        self._buckets: dict[str, RateBucket] = {}  # by token id: only of tokens that are good

    def take(self, token_id: str) -> None:
        """Raises RateLimitedError."""
        now = self._services.clock.monotonic()
        with self._lock:
            bucket = self._buckets.setdefault(token_id, RateBucket(per_s=WISHES_PER_S, burst=WISHES_BURST, now=now))
            if bucket.take(now):
                return
            raise RateLimitedError(
                f"more than {WISHES_PER_S:g} wishes a second with one token",
                hint="wait for as long as Retry-After says",
                retry_after_s=bucket.retry_after_s(),
            )


Limits = NamedDependency[SkipValidation[OptLimits]]


@post("/opt/{key:str}", sync_to_thread=True, status_code=200, operation_id="optSelf", tags=["flags"], opt=OPT_SELF)
def opt_self(
    services: Services,
    opt_limits: Limits,
    request: ApiRequest,
    key: Key,
    data: JSONBody[OptSelf],
    environment: Environment = PRODUCTION,
) -> OptView:
    """Put a user on the flag's opt-in list, or take it off, at its own wish; the flag's metadata must allow it."""
    if request.scope.get(BROWSER) and request.user.kind != "client":
        raise PermissionDeniedError(
            f"a token of kind {request.user.kind!r} has no place in a web page", hint="use a token of kind client"
        )
    opt_limits.take(request.user.id)
    only = request.user.environment
    if only is not None and only != environment:
        raise PermissionDeniedError(
            f"the token is for environment {only!r}", hint=f"ask with `?environment={only}`, or use another token"
        )
    found = services.flags.opt_self(environment, key, data.unit, is_in=data.is_in, actor=actor_of(request, ASKED))
    services.loop.wake()
    return found
