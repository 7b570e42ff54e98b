"""The memory control store's tokens."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from ebbgate.core.errors import ConflictError
from ebbgate.ports.control_store import TokenRow


class _Tables(Protocol):
    tokens: dict[str, TokenRow]


class MemoryTokens(ABC):
    """Part of the memory store's transaction."""

    _set: Callable[[dict[Any, Any], Any, Any], None]

    @property
    @abstractmethod
    def _tables(self) -> _Tables:
        """The transaction's own."""

    def token_by_hash(self, sha256: str) -> TokenRow | None:
        return next((row for row in self._tables.tokens.values() if row.sha256 == sha256), None)

    def tokens(self) -> list[TokenRow]:
        return sorted(self._tables.tokens.values(), key=lambda row: (row.created_at, row.id))

    def put_token(self, row: TokenRow) -> None:
        same = self.token_by_hash(row.sha256)
        if same is not None and same.id != row.id:
            raise ConflictError("two tokens may not have the same hash", hint="make a new secret")
        self._set(self._tables.tokens, row.id, row)
