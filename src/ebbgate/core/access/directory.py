"""The tokens that exist, as control hands them to the edge, and how one is looked up."""

from hmac import compare_digest
from typing import Annotated

import msgspec

from ebbgate.core.access.tokens import TokenKind, token_sha256
from ebbgate.core.errors import BadRequestError

Sha256Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class StoredToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its text. environment: the only one that it is good for; None for all."""

    id: str
    kind: TokenKind
    environment: str | None = None
    sha256: Sha256Hex
    is_revoked: bool = False


class AccessList(msgspec.Struct, frozen=True, kw_only=True):
    """Every token, revoked ones as well."""

    tokens: tuple[StoredToken, ...] = ()


class TokenDirectory:
    """Finds tokens by hash. The duration of a lookup tells something about a hash at most, nothing about a token."""

    def __init__(self, access: AccessList) -> None:
        self._by_sha256 = {token.sha256: token for token in access.tokens if not token.is_revoked}

    def find(self, token: str | bytes) -> StoredToken | None:
        """The stored token of that text; None if there is none, or it was revoked."""
        digest = token_sha256(token)
        stored = self._by_sha256.get(digest)
        return stored if stored is not None and compare_digest(stored.sha256, digest) else None


def encode_access(access: AccessList) -> bytes:
    """The list as JSON."""
    return msgspec.json.encode(access)


def decode_access(data: bytes) -> AccessList:
    """The list of that JSON. Raises BadRequestError when it is none."""
    try:
        return msgspec.json.decode(data, type=AccessList)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequestError(
            f"the access list cannot be read: {error}", hint="Restart control; it writes the file anew."
        ) from error
