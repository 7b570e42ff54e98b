"""Who acts: the token's name goes into the audit, with the reason that the request gives."""

from typing import Any

from litestar import Request

from ebbgate.control.audit import Actor
from ebbgate.ports.control_store import TokenRow

ApiRequest = Request[TokenRow, Any, Any]


def actor_of(request: ApiRequest, reason: str) -> Actor:
    """The actor of a change."""
    return Actor(name=request.user.name, reason=reason.strip())
