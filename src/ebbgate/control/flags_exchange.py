"""Whole flagd documents in and out of an environment."""

from typing import Any, Literal

import msgspec

from ebbgate.control.audit import Actor, record
from ebbgate.control.flags_rows import drop_flag, put_definition, require_environment
from ebbgate.control.snapshots import SnapshotService, active_rollout
from ebbgate.core.errors import ConflictError
from ebbgate.core.flags import decode_snapshot
from ebbgate.core.flags.diff import diff_definitions, same
from ebbgate.core.flags.environments_view import FlagImport, ImportView
from ebbgate.core.flags.standalone import standalone_flags
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, FlagRow

SCHEMA = "https://flagd.dev/schema/v0/flags.json"


class FlagExchangeService:
    """Exports and imports all flags of an environment in flagd's format."""

    def __init__(self, store: ControlStore, clock: Clock, snapshots: SnapshotService) -> None:
        self._store = store
        self._clock = clock
        self._snapshots = snapshots

    def export(self, environment: str, *, is_served: bool = False) -> bytes:
        """The environment as one flagd document, JSON: as written, or as served, with rollouts and kills rendered.

        As written it can be imported again and changes nothing. Raises NotFoundError.
        """
        with self._store.transaction() as tx:
            require_environment(tx, environment)
            latest = tx.latest_snapshot(environment)
            flags = {row.key: row.definition for row in tx.flags(environment)}
        if is_served and latest is not None:
            return bytes(decode_snapshot(latest.body).document)
        return msgspec.json.encode({"$schema": SCHEMA, "metadata": {"flagSetId": environment}, "flags": flags})

    def take(
        self,
        environment: str,
        document: dict[str, Any],
        *,
        actor: Actor,
        is_replacing: bool = False,
        is_dry_run: bool = False,
        snapshot_version: int | None = None,
        flag_set: str | None = None,
    ) -> ImportView:
        """Import a document, whole or not at all; with is_dry_run only say what it would change.

        snapshot_version: the one that the dry run showed. flag_set: the only one to take. Raises FlagDocumentError,
        NotFoundError, and ConflictError where a flag differs on which a rollout runs, or where the environment changed
        since the dry run.
        """
        with self._store.transaction() as tx:
            require_environment(tx, environment)
            wanted = standalone_flags(document, environments=tx.environments(), flag_set=flag_set)
            latest = tx.latest_snapshot(environment)
            version = latest.version if latest is not None else 0
            if snapshot_version is not None and snapshot_version != version:
                raise ConflictError(
                    f"{environment} is at snapshot {version}, not {snapshot_version}", hint="look at a dry run again"
                )
            rows = {row.key: row for row in tx.flags(environment)}
            steps = _steps(tx, rows, wanted, environment, is_replacing=is_replacing)
            if not is_dry_run:
                version = self._apply(tx, environment, rows, wanted, steps, actor) or version
        if not is_dry_run:
            self._snapshots.publish()
        return ImportView(
            environment=environment,
            is_dry_run=is_dry_run,
            flags=tuple(steps),
            unchanged=len(wanted) - sum(step.action in ("created", "changed", "blocked") for step in steps),
            snapshot_version=version,
        )

    def _apply(
        self,
        tx: ControlTransaction,
        environment: str,
        rows: dict[str, FlagRow],
        wanted: dict[str, dict[str, Any]],
        steps: list[FlagImport],
        actor: Actor,
    ) -> int | None:
        """The version of the snapshot that was staged; None where there was nothing to do."""
        _refuse_blocked(steps)
        due = [step for step in steps if step.action != "kept"]
        for step in due:
            before = rows[step.flag].definition if step.flag in rows else None
            if step.action == "deleted":
                drop_flag(tx, self._clock, rows[step.flag], actor)
            else:
                definition = wanted[step.flag]
                put_definition(tx, self._clock, environment, step.flag, definition, actor=actor, action="flag.import")
            subject, after = f"flag:{environment}/{step.flag}", wanted.get(step.flag)
            record(tx, self._clock, actor, action="flag.import", subject=subject, before=before, after=after)
        return self._snapshots.stage(tx, environment, cause=f"import of {len(due)} flags") if due else None


def _steps(
    tx: ControlTransaction,
    rows: dict[str, FlagRow],
    wanted: dict[str, dict[str, Any]],
    environment: str,
    *,
    is_replacing: bool,
) -> list[FlagImport]:
    """What is to be done to each flag that differs, by key."""
    steps = []
    for key in sorted({*wanted, *(rows if is_replacing else ())}):
        before, after = (rows[key].definition if key in rows else None), wanted.get(key)
        if before is not None and after is not None and same(before, after):
            continue
        rollout = active_rollout(tx, environment, key) if before is not None else None
        action: Literal["created", "changed", "deleted", "kept", "blocked"]
        changes = diff_definitions(before, after) or ("written otherwise, with the same meaning",)
        if after is None:
            action, changes = ("kept", ()) if rollout is not None else ("deleted", changes)
        elif before is None:
            action = "created"
        else:
            action = "blocked" if rollout is not None else "changed"
        steps.append(
            FlagImport(flag=key, action=action, changes=changes, rollout_id=rollout.id if rollout is not None else None)
        )
    return steps


def _refuse_blocked(steps: list[FlagImport]) -> None:
    blocked = [f"{step.flag} ({step.rollout_id})" for step in steps if step.action == "blocked"]
    if blocked:
        raise ConflictError(
            f"rollouts are running on flags that the document changes: {', '.join(blocked)}",
            hint="abort them first, wait for their end, or leave these flags as they are",
        )
