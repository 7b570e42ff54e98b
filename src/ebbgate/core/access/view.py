"""Tokens, the audit and the outbox as the control API shows them. Never a token's text or hash but when it is made."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

ReasonText = Annotated[str, msgspec.Meta(pattern=r"\S", max_length=2_000)]
"""Why somebody does something: kept in the audit, so it has to say something."""


class CreateToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a token. kind: client, server, operator or admin. environment: the only one that it is good
    for; None = all.
    """

    kind: str
    name: str
    reason: ReasonText
    environment: str | None = None


class RevokeToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take a token back for good."""

    reason: ReasonText


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A token for people. Machine times; revoked_at None = it is good."""

    id: str
    name: str
    kind: str
    environment: str | None
    created_at: datetime
    revoked_at: datetime | None = None


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was just made. secret: its text, which cannot be had again."""

    token: TokenView
    secret: str


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted change: who, what, why, before and after. ids grow. Machine time."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    before: Any = None
    after: Any = None


class OutboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the world is to hear of, at least once. delivered_at None = not yet. Machine times."""

    id: int
    at: datetime
    topic: str
    subject: str
    key: str
    payload: Any
    delivered_at: datetime | None = None
