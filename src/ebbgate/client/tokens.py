"""`client.tokens`: for admins."""

from urllib.parse import quote

from ebbgate.client.connection import Connection
from ebbgate.core.access.view import CreateToken, NewToken, RevokeToken, TokenView

_PATH = "/api/v1/tokens"


class Tokens:
    """Makes, lists and revokes tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[TokenView]:
        return self._connection.get(_PATH, list[TokenView])

    def create(self, kind: str, name: str, *, reason: str, environment: str | None = None) -> NewToken:
        """A new token with its text, which cannot be had again. Raises BadRequestError."""
        body = CreateToken(kind=kind, name=name, environment=environment, reason=reason)
        return self._connection.post(_PATH, body, NewToken)

    def revoke(self, token_id: str, *, reason: str) -> TokenView:
        """Raises NotFoundError, and ConflictError for the last admin token."""
        path = f"{_PATH}/{quote(token_id, safe='')}/revoke"
        return self._connection.post(path, RevokeToken(reason=reason), TokenView)
