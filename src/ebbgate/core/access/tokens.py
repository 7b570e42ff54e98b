"""The text of a token, and its hash. Only the hash is ever stored."""

import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Literal, cast

TokenKind = Literal["client", "server", "operator", "admin"]

ENTROPY_BYTES = 32  # 256 bits: guessing is hopeless, so that a plain fast hash is enough to store
_SHAPE = re.compile(r"ebb_(client|server|operator|admin)_[A-Za-z0-9_-]{43}")


def make_token(kind: TokenKind, entropy: bytes) -> str:
    """The token of 32 random bytes that the caller drew from the system's generator."""
    assert len(entropy) == ENTROPY_BYTES
    return f"ebb_{kind}_{urlsafe_b64encode(entropy).rstrip(b'=').decode()}"


def kind_of(token: str) -> TokenKind | None:
    """The kind that a token's text claims; None if it is no token. Says nothing about whether it is valid."""
    match = _SHAPE.fullmatch(token)
    return cast(TokenKind, match[1]) if match else None


def token_sha256(token: str | bytes) -> str:
    """The hash that is stored, in hex."""
    return sha256(token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token).hexdigest()
