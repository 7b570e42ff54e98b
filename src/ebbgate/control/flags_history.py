"""The history of flags: versions with readable differences, and the way back to one of them."""

from ebbgate.control.audit import Actor, record
from ebbgate.control.flags_rows import (
    check_definition,
    newest_version,
    put_definition,
    refuse_running,
    require_environment,
    require_revision,
    view_flag,
)
from ebbgate.control.snapshots import SnapshotService
from ebbgate.core.errors import ConflictError, NotFoundError
from ebbgate.core.flags.diff import diff_definitions, same
from ebbgate.core.flags.history_view import FlagDiffView, FlagVersionView
from ebbgate.core.flags.view import FlagView
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, FlagVersionRow


class FlagHistoryService:
    """What a flag was, who made it so, and why."""

    def __init__(self, store: ControlStore, clock: Clock, snapshots: SnapshotService) -> None:
        self._store = store
        self._clock = clock
        self._snapshots = snapshots

    def list(self, environment: str, key: str, *, before: int | None = None, limit: int = 50) -> list[FlagVersionView]:
        """Versions, newest first, each with what it changed. Raises NotFoundError for a flag that never was."""
        with self._store.transaction() as tx:
            rows = tx.flag_versions(environment, key, before=before, limit=limit + 1)
            if not rows and tx.flag(environment, key) is None and newest_version(tx, environment, key) is None:
                require_environment(tx, environment)
                raise _never_was(environment, key)
        olders: list[FlagVersionRow | None] = [*rows[1:], None]
        return [_view(row, older) for row, older in zip(rows, olders, strict=False)][:limit]

    def diff(self, environment: str, key: str, older: int, newer: int) -> FlagDiffView:
        """What differs from one version to another. Raises NotFoundError."""
        with self._store.transaction() as tx:
            require_environment(tx, environment)
            one, other = (_require(tx, environment, key, number) for number in (older, newer))
        return FlagDiffView(
            flag=key,
            environment=environment,
            older=older,
            newer=newer,
            changes=_changes(one, other),
            older_definition=one.definition,
            newer_definition=other.definition,
        )

    def revert(
        self, environment: str, key: str, version: int, *, actor: Actor, revision: int | None = None
    ) -> FlagView:
        """Write the definition of a version anew, as a new version; a deleted flag comes back by it.

        Kill and opt-in list stay as they are: they are not what somebody wrote. Raises NotFoundError, ConflictError,
        and FlagDocumentError for a definition that today's checks refuse.
        """
        with self._store.transaction() as tx:
            require_environment(tx, environment)
            wanted = _require(tx, environment, key, version).definition
            if wanted is None:
                raise ConflictError(
                    f"version {version} is the deletion of flag {key!r}", hint="delete it with `ebbgate flag delete`"
                )
            check_definition(key, wanted)
            row = tx.flag(environment, key)
            require_revision(row, key, revision)
            refuse_running(tx, environment, key)
            before = row.definition if row is not None else None
            if row is None or not same(before, wanted):
                row = put_definition(tx, self._clock, environment, key, wanted, actor=actor, action="flag.revert")
                self._snapshots.stage(tx, environment, cause=f"flag {key} reverted to version {version}")
                change = {"before": before, "after": wanted}
                record(tx, self._clock, actor, action="flag.revert", subject=f"flag:{environment}/{key}", **change)
            view = view_flag(tx, row)
        self._snapshots.publish()
        return view


def _require(tx: ControlTransaction, environment: str, key: str, version: int) -> FlagVersionRow:
    found = tx.flag_version(environment, key, version)
    if found is None:
        newest = newest_version(tx, environment, key)
        if newest is None:
            raise _never_was(environment, key)
        raise NotFoundError(f"flag {key!r} has no version {version}", hint=f"its versions are 1 to {newest.version}")
    return found


def _never_was(environment: str, key: str) -> NotFoundError:
    return NotFoundError(
        f"no flag {key!r} in environment {environment!r}, nor was there ever one", hint="see `ebbgate flag list`"
    )


def _view(row: FlagVersionRow, older: FlagVersionRow | None) -> FlagVersionView:
    return FlagVersionView(
        version=row.version,
        at=row.at,
        actor=row.actor,
        reason=row.reason,
        action=row.action,
        revision=row.revision,
        snapshot_version=row.snapshot_version,
        changes=_changes(older, row) if older is not None or row.version == 1 else (),
    )


def _changes(older: FlagVersionRow | None, newer: FlagVersionRow) -> tuple[str, ...]:
    """What lies between two versions, in sentences. older: None before the first one that was kept."""
    if older is None and (newer.revision > 1 or newer.action not in ("flag.put", "flag.import")):
        found = []  # the flag is older than its history
    else:
        found = [*diff_definitions(older.definition if older is not None else None, newer.definition)]
    killed, kills = (older.killed_to if older is not None else None), newer.killed_to
    if killed != kills and newer.definition is not None:
        found.append("the kill was lifted" if kills is None else f"killed: everybody gets `{kills}`")
    if newer.unit is not None and (older is None or older.version == newer.version - 1):
        found.append(f"{newer.unit} opted {'in' if newer.action == 'flag.opt_in' else 'out'}")
    elif older is not None and older.opt_in_count != newer.opt_in_count:
        found.append(f"opt-in list: {older.opt_in_count} -> {newer.opt_in_count} units")
    return tuple(found)
