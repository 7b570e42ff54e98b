"""`client.environments`."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from ebbgate.client.connection import Connection
from ebbgate.core.audiences import Bucketing
from ebbgate.core.flags.environments_view import (
    BucketingView,
    CreateEnvironment,
    EnvironmentView,
    ImportDocument,
    ImportView,
    SetBucketing,
    SilentFlag,
)

_PATH = "/api/v1/environments"


class Environments:
    """Environments, their settings, and their flags as whole documents."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> list[EnvironmentView]:
        return self._connection.get(_PATH, list[EnvironmentView])

    def create(self, name: str, *, reason: str, bucketing: Bucketing = "v2") -> EnvironmentView:
        """Raises ConflictError, BadRequestError."""
        body = CreateEnvironment(name=name, bucketing=bucketing, reason=reason)
        return self._connection.post(_PATH, body, EnvironmentView)

    def set_bucketing(self, name: str, bucketing: Bucketing, *, reason: str) -> BucketingView:
        """Draw everybody anew; running rollouts are aborted. Raises NotFoundError."""
        return self._connection.post(
            f"{_one(name)}/bucketing", SetBucketing(bucketing=bucketing, reason=reason), BucketingView
        )

    def export_flags(self, name: str, *, is_served: bool = False) -> dict[str, Any]:
        """One flagd document: as written, or as served. Raises NotFoundError."""
        return self._connection.get(f"{_one(name)}/document", dict[str, Any], {"is_served": is_served})

    def import_flags(
        self,
        name: str,
        document: dict[str, Any],
        *,
        reason: str,
        is_replacing: bool = False,
        is_dry_run: bool = False,
        snapshot_version: int | None = None,
        flag_set: str | None = None,
    ) -> ImportView:
        """Take a flagd document whole, or say what it would change. Raises FlagDocumentError, ConflictError."""
        body = ImportDocument(
            document=document,
            reason=reason,
            is_replacing=is_replacing,
            is_dry_run=is_dry_run,
            snapshot_version=snapshot_version,
            flag_set=flag_set,
        )
        return self._connection.post(f"{_one(name)}/document", body, ImportView)

    def silence(self, name: str) -> Sequence[SilentFlag]:
        """What does not arrive, by flag. Raises NotFoundError."""
        return self._connection.get(f"{_one(name)}/silence", tuple[SilentFlag, ...])


def _one(name: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}"
