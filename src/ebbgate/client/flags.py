"""`client.flags`."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from ebbgate.client.connection import Connection, Fields
from ebbgate.core.flags.history_view import FlagDiffView, FlagVersionView, RevertFlag
from ebbgate.core.flags.view import (
    DeleteFlag,
    FlagDeletedView,
    FlagSwitch,
    FlagView,
    KillFlag,
    OptSelf,
    OptUnit,
    OptView,
    PutFlag,
    RestoreFlag,
    SetFlagStatus,
)
from ebbgate.core.rollouts.requests import FlagStatusView

_PATH = "/api/v1/flags"
PRODUCTION = "production"


class Flags:
    """Reads and changes flags. Every change has a reason, which goes into the audit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, environment: str = PRODUCTION) -> list[FlagView]:
        return self._connection.get(_PATH, list[FlagView], {"environment": environment})

    def get(self, key: str, *, environment: str = PRODUCTION) -> FlagView:
        """Raises NotFoundError."""
        return self._connection.get(_one(key), FlagView, {"environment": environment})

    def put(
        self,
        key: str,
        definition: dict[str, Any],
        *,
        reason: str,
        revision: int | None = None,
        environment: str = PRODUCTION,
    ) -> FlagView:
        """Create a flag, or replace its definition. revision: the one seen, 0 for a new flag; None = whatever is there.

        Raises FlagDocumentError, ConflictError.
        """
        body = PutFlag(definition=definition, revision=revision, reason=reason)
        return self._connection.put(_one(key), body, FlagView, {"environment": environment})

    def kill(self, key: str, *, reason: str, variant: str | None = None, environment: str = PRODUCTION) -> FlagView:
        """Serve the old version, or `variant`, to everybody."""
        return self._act(key, "kill", KillFlag(reason=reason, variant=variant), environment)

    def restore(self, key: str, *, reason: str, environment: str = PRODUCTION) -> FlagView:
        """Lift the kill."""
        return self._act(key, "restore", RestoreFlag(reason=reason), environment)

    def set_status(self, key: str, status: FlagSwitch, *, reason: str, environment: str = PRODUCTION) -> FlagStatusView:
        """Disabled takes a running rollout back, or kills the flag; enabled lifts the kill."""
        body = SetFlagStatus(status=status, reason=reason)
        return self._connection.post(f"{_one(key)}/status", body, FlagStatusView, {"environment": environment})

    def opt_in(self, key: str, unit: str, *, reason: str, environment: str = PRODUCTION) -> FlagView:
        return self._act(key, "opt-in", OptUnit(unit=unit, reason=reason), environment)

    def opt_out(self, key: str, unit: str, *, reason: str, environment: str = PRODUCTION) -> FlagView:
        return self._act(key, "opt-out", OptUnit(unit=unit, reason=reason), environment)

    def opt_self(self, key: str, unit: str, *, is_in: bool, environment: str = PRODUCTION) -> OptView:
        """A user's own wish, with a client token; the flag has to allow it. Raises PermissionDeniedError."""
        path = f"/api/v1/opt/{quote(key, safe='')}"
        return self._connection.post(path, OptSelf(unit=unit, is_in=is_in), OptView, {"environment": environment})

    def delete(
        self, key: str, *, reason: str, revision: int | None = None, environment: str = PRODUCTION
    ) -> FlagDeletedView:
        """Delete a flag; its history stays. Raises NotFoundError, ConflictError."""
        body, query = DeleteFlag(reason=reason, revision=revision), {"environment": environment}
        return self._connection.post(f"{_one(key)}/delete", body, FlagDeletedView, query)

    def history(
        self, key: str, *, before: int | None = None, limit: int | None = None, environment: str = PRODUCTION
    ) -> Sequence[FlagVersionView]:
        """Versions, newest first. Raises NotFoundError."""
        query: Fields = {"environment": environment, "before": before, "limit": limit}
        return self._connection.get(f"{_one(key)}/history", tuple[FlagVersionView, ...], query)

    def diff(self, key: str, older: int, newer: int, *, environment: str = PRODUCTION) -> FlagDiffView:
        """What differs between two versions. Raises NotFoundError."""
        query: Fields = {"environment": environment, "older": older, "newer": newer}
        return self._connection.get(f"{_one(key)}/diff", FlagDiffView, query)

    def revert(
        self, key: str, version: int, *, reason: str, revision: int | None = None, environment: str = PRODUCTION
    ) -> FlagView:
        """Write the definition of a version anew. Raises NotFoundError, ConflictError."""
        body = RevertFlag(version=version, reason=reason, revision=revision)
        return self._act(key, "revert", body, environment)

    def _act(self, key: str, action: str, body: msgspec.Struct, environment: str) -> FlagView:
        return self._connection.post(f"{_one(key)}/{action}", body, FlagView, {"environment": environment})


def _one(key: str) -> str:
    return f"{_PATH}/{quote(key, safe='')}"
