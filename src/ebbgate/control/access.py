"""Tokens: who may talk to the edge and to control. Nothing is open by default; only hashes are kept."""

import secrets
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import cast, get_args

import msgspec

from ebbgate.control.audit import Actor, record
from ebbgate.core.access import (
    AccessList,
    Permission,
    StoredToken,
    TokenKind,
    kind_of,
    kinds_that_may,
    make_token,
    may,
    token_sha256,
)
from ebbgate.core.access.tokens import ENTROPY_BYTES
from ebbgate.core.errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
)
from ebbgate.ports.access import AccessPublisher
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, TokenRow

NAME_MAX = 100
KINDS: tuple[TokenKind, ...] = get_args(TokenKind)
_BY_ENVIRONMENT: tuple[TokenKind, ...] = ("client", "server")  # people see all environments
_ID_BYTES = 6


class AccessService:
    """Creates, revokes and checks tokens. Every change leaves one audit row in its transaction, then goes to the edge.

    entropy: gives that many random bytes. publishing: held from reading the list to having published it; one that
    other processes hold, too, where they publish. A change that could not be told to the edge is stored all the same:
    StoreUnavailableError, and the next `publish` (at the latest at the next start) makes up for it.
    """

    def __init__(
        self,
        store: ControlStore,
        clock: Clock,
        publisher: AccessPublisher,
        *,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        publishing: Callable[[], AbstractContextManager[object]] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._entropy = entropy
        lock = threading.Lock()
        self._publishing = publishing or (lambda: lock)

    def list(self) -> list[TokenRow]:
        """All tokens, oldest first, revoked ones as well."""
        with self._store.transaction() as tx:
            return tx.tokens()

    def create_token(
        self, kind: str, name: str, environment: str | None = None, *, actor: Actor
    ) -> tuple[TokenRow, str]:
        """A new token, and its text, which cannot be had again. environment: the only one it is good for; None = all.

        Raises BadRequestError.
        """
        checked = check_token(kind, name, environment)
        with self._store.transaction() as tx:
            if environment is not None and environment not in (known := tx.environments()):
                raise BadRequestError(
                    f"there is no environment {environment!r}",
                    hint=f"there are: {', '.join(known)}; or: ebbgate environment create {environment} --reason ...",
                )
            row, secret = self._add(tx, checked, name, environment, actor)
        self.publish()
        return row, secret

    def revoke(self, token_id: str, *, actor: Actor) -> TokenRow:
        """From now on the token is unknown. Revoking it again changes nothing.

        Raises NotFoundError, and ConflictError for the last admin token, without which nobody could make another.
        """
        with self._store.transaction() as tx:
            rows = tx.tokens()
            row = next((row for row in rows if row.id == token_id), None)
            if row is None:
                raise NotFoundError(f"there is no token {token_id!r}", hint="list the tokens for their ids")
            if row.revoked_at is None:
                if row.kind == "admin" and len(_usable_admins(rows)) == 1:
                    raise ConflictError("this is the last admin token", hint="create another admin token first")
                before, row = row, msgspec.structs.replace(row, revoked_at=self._clock.machine_now())
                tx.put_token(row)
                subject, change = f"token:{row.id}", {"before": _shown(before), "after": _shown(row)}
                record(tx, self._clock, actor, action="token.revoke", subject=subject, **change)
        self.publish()
        return row

    def ensure_admin(self, hand_out: Callable[[str], None]) -> bool:
        """Make a first admin token where there is no usable one; whether it was made.

        hand_out: gets its text before it is stored. When that fails there is no token, and the next start tries again:
        one that is stored but was never handed out would lock everybody out for good.
        """
        with self._store.transaction() as tx:
            if _usable_admins(tx.tokens()):
                return False
            first = Actor(name="ebbgate", reason="there was no admin token at the start")
            _, secret = self._add(tx, "admin", "first admin", None, first)
            hand_out(secret)
        self.publish()
        return True

    def authenticate(self, secret: str) -> TokenRow:
        """The token of that text. Raises AuthenticationError for one that is not known, or was revoked."""
        if kind_of(secret) is not None:
            with self._store.transaction() as tx:
                row = tx.token_by_hash(token_sha256(secret))
            if row is not None and row.revoked_at is None:
                return row
        raise AuthenticationError(
            "the token is not known, or was revoked", hint="send `Authorization: Bearer <token>` with a valid token"
        )

    def authorize(self, secret: str, permission: Permission) -> TokenRow:
        """The token of that text, if its kind may do that. Raises AuthenticationError, PermissionDeniedError."""
        row = self.authenticate(secret)
        if not may(cast(TokenKind, row.kind), permission):
            raise PermissionDeniedError(
                f"a token of kind {row.kind} may not do this",
                hint=f"use a token of kind {' or '.join(kinds_that_may(permission))}",
            )
        return row

    def publish(self) -> None:
        """Give the edge the list as it now is. Repeatable; raises StoreUnavailableError."""
        with self._publishing():  # else a list read before a revocation could overwrite the one after it
            with self._store.transaction() as tx:
                rows = tx.tokens()
            self._publisher.publish(AccessList(tokens=tuple(_stored(row) for row in rows)))

    def _add(
        self, tx: ControlTransaction, kind: TokenKind, name: str, environment: str | None, actor: Actor
    ) -> tuple[TokenRow, str]:
        secret = make_token(kind, self._entropy(ENTROPY_BYTES))
        row = TokenRow(
            id=self._entropy(_ID_BYTES).hex(),
            name=name,
            kind=kind,
            sha256=token_sha256(secret),
            environment=environment,
            created_at=self._clock.machine_now(),
        )
        tx.put_token(row)
        record(tx, self._clock, actor, action="token.create", subject=f"token:{row.id}", after=_shown(row))
        return row, secret


def check_token(kind: str, name: str, environment: str | None) -> TokenKind:
    """The kind, if a token may be made so. Raises BadRequestError."""
    if kind not in KINDS:
        raise BadRequestError(f"{kind!r} is no kind of token", hint=f"use one of {', '.join(KINDS)}")
    if not name.strip() or len(name) > NAME_MAX:
        raise BadRequestError(
            f"a token's name has 1 to {NAME_MAX} characters", hint="say what it is for: `checkout api`"
        )
    if environment is not None and (kind not in _BY_ENVIRONMENT or not environment):
        raise BadRequestError(
            f"a token of kind {kind} cannot be limited to environment {environment!r}",
            hint=f"only {' and '.join(_BY_ENVIRONMENT)} tokens belong to one environment; leave it out for all",
        )
    return kind


def _usable_admins(rows: list[TokenRow]) -> list[TokenRow]:
    return [row for row in rows if row.kind == "admin" and row.revoked_at is None]


def _stored(row: TokenRow) -> StoredToken:
    return StoredToken(
        id=row.id,
        kind=cast(TokenKind, row.kind),
        environment=row.environment,
        sha256=row.sha256,
        is_revoked=row.revoked_at is not None,
    )


def _shown(row: TokenRow) -> dict[str, object]:
    """What the audit may say of a token: never its text or hash."""
    return {
        "name": row.name,
        "kind": row.kind,
        "environment": row.environment,
        "is_revoked": row.revoked_at is not None,
    }
