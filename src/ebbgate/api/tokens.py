"""/tokens: for admins only."""

import msgspec
from litestar import Router, get, post
from litestar.params import JSONBody

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import Services, TokenId
from ebbgate.api.guard import ADMINISTER
from ebbgate.core.access.view import CreateToken, NewToken, RevokeToken, TokenView
from ebbgate.ports.control_store import TokenRow


@get("/", sync_to_thread=True, operation_id="listTokens")
def list_tokens(services: Services) -> list[TokenView]:
    """All tokens, oldest first, revoked ones as well."""
    return [_view(row) for row in services.access.list()]


@post("/", sync_to_thread=True, operation_id="createToken")
def create_token(services: Services, request: ApiRequest, data: JSONBody[CreateToken]) -> NewToken:
    """A new token; its text is in this answer only."""
    actor = actor_of(request, data.reason)
    row, secret = services.access.create_token(data.kind, data.name, data.environment, actor=actor)
    services.loop.wake()
    return NewToken(token=_view(row), secret=secret)


@post("/{token_id:str}/revoke", sync_to_thread=True, status_code=200, operation_id="revokeToken")
def revoke_token(services: Services, request: ApiRequest, token_id: TokenId, data: JSONBody[RevokeToken]) -> TokenView:
    """Take a token back for good."""
    row = services.access.revoke(token_id, actor=actor_of(request, data.reason))
    services.loop.wake()
    return _view(row)


def _view(row: TokenRow) -> TokenView:
    return msgspec.convert(row, TokenView, from_attributes=True)


token_router = Router(
    path="/tokens", tags=["tokens"], opt=ADMINISTER, route_handlers=[list_tokens, create_token, revoke_token]
)
