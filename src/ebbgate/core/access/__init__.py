"""Tokens: what they look like, how they are kept, and what each kind may do."""

from ebbgate.core.access.directory import AccessList, StoredToken, TokenDirectory, decode_access, encode_access
from ebbgate.core.access.permissions import Permission, kinds_that_may, may
from ebbgate.core.access.tokens import TokenKind, kind_of, make_token, token_sha256

__all__ = [
    "AccessList",
    "Permission",
    "StoredToken",
    "TokenDirectory",
    "TokenKind",
    "decode_access",
    "encode_access",
    "kind_of",
    "kinds_that_may",
    "make_token",
    "may",
    "token_sha256",
]
