"""A flag's history as the control API shows and takes it."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from ebbgate.core.access.view import ReasonText


class FlagVersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One version: who made it, when (machine time), why, and what it changed, in sentences.

    action: the audit's word, such as `flag.put`. snapshot_version: the first snapshot that served it.
    """

    version: int
    at: datetime
    actor: str
    reason: str
    action: str
    revision: int
    snapshot_version: int
    changes: tuple[str, ...] = ()


class FlagDiffView(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two versions, in sentences; the definitions beside it (None = the flag was deleted)."""

    flag: str
    environment: str
    older: int
    newer: int
    changes: tuple[str, ...]
    older_definition: dict[str, Any] | None
    newer_definition: dict[str, Any] | None


class RevertFlag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Write the definition of a version anew. revision: the one that the caller saw; None = whatever is there."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    reason: ReasonText
    revision: Annotated[int, msgspec.Meta(ge=0)] | None = None
