"""Who may call what. Every route needs a token, but those that say that they are open."""

import asyncio
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from ebbgate.api.services import ApiServices
from ebbgate.core.access import Permission
from ebbgate.core.errors import AuthenticationError

PERMISSION = "permission"
"""The key in a handler's `opt` under which its permission stands; a handler that names none needs `operate`."""

OPEN = {PERMISSION: None}
READ_METRICS: dict[str, Permission] = {PERMISSION: "read_metrics"}
ADMINISTER: dict[str, Permission] = {PERMISSION: "administer"}

REPORT: dict[str, Permission] = {PERMISSION: "report"}

OPT_SELF: dict[str, Permission] = {PERMISSION: "opt_self"}

Connection = ASGIConnection[Any, Any, Any, Any]


class Guard:
    """Lets a request through whose token may do what the route does; the handler finds the token in `request.user`."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services

    async def __call__(self, connection: Connection, handler: BaseRouteHandler) -> None:
        """Raises AuthenticationError, PermissionDeniedError, StoreUnavailableError."""
        permission: Permission | None = handler.opt.get(PERMISSION, "operate")
        if permission is None:
            return
        secret = secret_of(connection)
        connection.scope["user"] = await asyncio.to_thread(self._services.access.authorize, secret, permission)


def secret_of(connection: Connection) -> str:
    """The token that a request carries. Raises AuthenticationError."""
    scheme, _, credentials = connection.headers.get("authorization", "").partition(" ")
    secret = credentials.strip() if scheme.lower() == "bearer" else connection.headers.get("x-api-key", "").strip()
    if not secret:
        raise AuthenticationError(
            "the request carries no token", hint="send `Authorization: Bearer <token>`, or `X-API-Key: <token>`"
        )
    return secret
