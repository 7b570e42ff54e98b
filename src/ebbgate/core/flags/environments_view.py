"""Environments, whole documents and silence, as the control API shows and takes them."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from ebbgate.core.access.view import ReasonText
from ebbgate.core.audiences import Bucketing

EnvironmentName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$(?!\n)")]
"""Safe as the name of a snapshot's file."""


class CreateEnvironment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new environment. bucketing: how percentages draw people; v2 is what flagd does, v3 what its newest providers
    do.
    """

    name: EnvironmentName
    reason: ReasonText
    bucketing: Bucketing = "v2"


class SetBucketing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Draw everybody anew, by another generation. Running rollouts are aborted by it."""

    bucketing: Bucketing
    reason: ReasonText


class EnvironmentView(msgspec.Struct, frozen=True, kw_only=True):
    """An environment. created_at: machine time; None where it is older than that record."""

    name: str
    bucketing: Bucketing
    created_at: datetime | None
    flags: int
    snapshot_version: int


class BucketingView(msgspec.Struct, frozen=True, kw_only=True):
    """What a change of the generation did. aborted: the rollouts that it ended. note: in a sentence for people."""

    environment: EnvironmentView
    aborted: tuple[str, ...]
    note: str


class ImportDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole flagd document, taken whole or not at all.

    is_replacing: flags that it does not have are deleted, unless a rollout runs on them. is_dry_run: only say what
    would change. snapshot_version: the one that the dry run showed; None = whatever is there. flag_set: take the flags
    of this one only, by `flagSetId`.
    """

    document: dict[str, Any]
    reason: ReasonText
    is_replacing: bool = False
    is_dry_run: bool = False
    snapshot_version: Annotated[int, msgspec.Meta(ge=0)] | None = None
    flag_set: str | None = None


class FlagImport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import does to one flag. kept: it is missing in the document, but a rollout runs on it. blocked: it
    differs, and a rollout runs on it; an import with such a flag is refused whole.
    """

    flag: str
    action: Literal["created", "changed", "deleted", "kept", "blocked"]
    changes: tuple[str, ...]
    rollout_id: str | None = None


class ImportView(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, or would do. unchanged: flags that are the same already."""

    environment: str
    is_dry_run: bool
    flags: tuple[FlagImport, ...]
    unchanged: int
    snapshot_version: int


class SilentFlag(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a flag that does not arrive, in a sentence. count: of evaluations it was so.

    never_evaluated: nobody asked. attribute_missing: the rule reads `attribute`, and the context lacked it.
    code_default: the caller's own default was served. unknown_flag: asked for, but in no environment.
    """

    flag: str
    kind: Literal["never_evaluated", "attribute_missing", "code_default", "unknown_flag"]
    sentence: str
    count: int
    evaluations: int
    attribute: str | None = None
