"""Who asks, and whether they may: token, permission, environment, rate."""

from ebbgate.core.access import AccessList, Permission, StoredToken, kinds_that_may, may, token_sha256
from ebbgate.core.access.rate import RateBucket
from ebbgate.core.errors import AuthenticationError, BadRequestError, PermissionDeniedError, RateLimitedError
from ebbgate.edge.http import NotReadyError, Scope, header, query
from ebbgate.edge.settings import EdgeSettings
from ebbgate.edge.tickets import Ticket, read_ticket
from ebbgate.edge.usage import TokenUsage, UsageBook
from ebbgate.ports.clock import Clock

BROWSER = "ebbgate.browser"  # in a request's scope: it comes from a page of another origin

_ANYONE = StoredToken(id="anyone", kind="server", sha256="0" * 64)  # in no list, and the hash of nothing known


class Grant:
    """A token that was accepted, with what the edge keeps for it while it runs."""

    __slots__ = ("bucket", "token", "usage")

    def __init__(self, token: StoredToken, bucket: RateBucket, usage: TokenUsage) -> None:
        self.token = token
        self.bucket = bucket
        self.usage = usage


class Guard:
    """Admits requests. Before the access list is read nobody can be told from anybody: that is 503, not 401."""

    def __init__(self, settings: EdgeSettings, clock: Clock, usage: UsageBook) -> None:
        self._settings = settings
        self._clock = clock
        self._usage = usage
        self._seen: dict[bytes, Grant] = {}  # by tokens that were found good, so that not every call hashes its own
        self._grants: dict[str, Grant] = {}  # by the token's hash: a lookup's duration tells nothing of the token
        self._by_id: dict[str, Grant] = {}
        self._is_loaded = False
        self._anyone = self._grant(_ANYONE)

    @property
    def is_loaded(self) -> bool:
        return self._is_loaded

    def use(self, access: AccessList) -> None:
        """Take a new list. Rates and counts of the tokens that stay go on."""
        self._grants = {token.sha256: self._grant(token) for token in access.tokens if not token.is_revoked}
        self._seen.clear()
        self._by_id = {grant.token.id: grant for grant in self._grants.values()}
        self._is_loaded = True

    def is_granted(self, token_id: str) -> bool:
        """Whether the token is still good."""
        return token_id in self._by_id

    def admit(self, scope: Scope, permission: Permission) -> Grant:
        """The grant of the request's token.

        Raises AuthenticationError, PermissionDeniedError, RateLimitedError; NotReadyError before there is a list.
        """
        if not self._is_loaded:
            raise NotReadyError("the list of tokens has not been read yet", hint="Start control, or wait for it.")
        token = _token_of(scope)
        grant = self._seen.get(token) or self._grants.get(token_sha256(token))
        if grant is None:
            what = "the token is not known, or it was revoked" if token else "no token was sent"
            raise AuthenticationError(what, hint="Ask an admin for a token: `ebbgate token create`.")
        self._seen[token] = grant
        if scope.get(BROWSER) and grant.token.kind != "client":
            raise PermissionDeniedError(
                f"a token of kind `{grant.token.kind}` has no place in a web page", hint="Use a token of kind client."
            )
        if not may(grant.token.kind, permission):
            kinds = " or ".join(kinds_that_may(permission))
            raise PermissionDeniedError(
                f"a token of kind `{grant.token.kind}` may not do this", hint=f"Use a token of kind {kinds}."
            )
        self._take(grant)
        if grant.usage.wants_agent and permission == "evaluate":
            grant.usage.note_agent(header(scope, b"user-agent"))
        return grant

    def admit_anyone(self) -> Grant:
        """The grant of callers that need no token. Raises RateLimitedError."""
        self._take(self._anyone)
        return self._anyone

    def is_good(self, grant: Grant) -> bool:
        """Whether a grant still holds."""
        return grant is self._anyone or self.is_granted(grant.token.id)

    def admit_ticket(self, text: str) -> tuple[Grant, Ticket]:
        """The grant of the token that signed the ticket, expired or not. Raises as `admit` does."""
        if not self._is_loaded:
            raise NotReadyError("the list of tokens has not been read yet", hint="Start control, or wait for it.")
        signed = read_ticket(text)
        grant = self._by_id.get(signed.ticket.token_id)
        if grant is None or not signed.is_of(grant.token.sha256):
            raise AuthenticationError(
                "the ticket is not known, or its token was revoked",
                hint="Evaluate in bulk again, and take the stream's address from the answer.",
            )
        self._take(grant)
        return grant, signed.ticket

    def _take(self, grant: Grant) -> None:
        if not grant.bucket.take(self._clock.monotonic()):
            raise RateLimitedError(
                f"more than {self._settings.rate_per_s:g} requests a second with one token",
                hint="Wait for as long as Retry-After says; send events in larger batches.",
                retry_after_s=grant.bucket.retry_after_s(),
            )

    def environment(self, scope: Scope, grant: Grant) -> str:
        """The environment that a request is about: what its query names, else the token's, else the setting.

        Raises PermissionDeniedError where the token is bound to another one, BadRequestError for an empty name.
        """
        bound = grant.token.environment
        asked = query(scope).get("environment") if scope["query_string"] else None
        if asked is None:
            return bound or self._settings.environment
        if not asked:
            raise BadRequestError("`environment` is empty", hint="Leave it out, or name an environment.")
        return self.environment_of(asked, grant)

    def environment_of(self, asked: str, grant: Grant) -> str:
        """The environment of that name. Raises PermissionDeniedError where the token is bound to another one."""
        bound = grant.token.environment
        if bound is not None and asked != bound:
            raise PermissionDeniedError(
                f"the token is for environment `{bound}` only", hint=f"Use a token for `{asked}`."
            )
        return asked

    def _grant(self, token: StoredToken) -> Grant:
        settings, known = self._settings, self._by_id.get(token.id)
        bucket = known.bucket if known else None
        if bucket is None:
            bucket = RateBucket(per_s=settings.rate_per_s, burst=settings.rate_burst, now=self._clock.monotonic())
        return Grant(token, bucket, self._usage.of(token.id, token.environment))


def _token_of(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"authorization":
            if value[:7].lower() == b"bearer ":
                return bytes(value[7:].strip())
            break
        if name == b"x-api-key":
            return bytes(value)
    raise AuthenticationError(
        "the request carries no token", hint="Send `Authorization: Bearer <token>` or `X-API-Key: <token>`."
    )
