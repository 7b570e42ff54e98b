"""Flags: definitions, the kill overlay, opt-in lists (RULES B5, B6), deletion."""

from typing import Any

from ebbgate.control.audit import Actor, record
from ebbgate.control.flags_rows import (
    check_definition,
    drop_flag,
    drop_kill,
    kill_variant,
    put_definition,
    put_kill,
    put_opt_in,
    refuse_running,
    require_environment,
    require_flag,
    require_revision,
    view_flag,
    view_flags,
)
from ebbgate.control.snapshots import SnapshotService, active_rollout
from ebbgate.core.errors import BadRequestError, ConflictError, LimitError, NotFoundError, PermissionDeniedError
from ebbgate.core.flags.view import FlagDeletedView, FlagView, OptView
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, FlagRow

OPT_IN_MAX = 10_000
"""Units on one flag's list: it is a part of the served rule, so every evaluator carries it. More want an attribute."""

SELF_SERVICE = "optIn"
"""Metadata of a flag, `true` where end users may put themselves on its list (RULES B5). Evaluators return it, so that
a front end knows where to offer it."""


class FlagService:
    """Reads and changes flags. Every change stages a snapshot, and leaves one version and one audit row in the same
    transaction.
    """

    def __init__(self, store: ControlStore, clock: Clock, snapshots: SnapshotService) -> None:
        self._store = store
        self._clock = clock
        self._snapshots = snapshots

    def list(self, environment: str) -> list[FlagView]:
        """By key. Raises NotFoundError for an environment that is not there."""
        with self._store.transaction() as tx:
            require_environment(tx, environment)
            return view_flags(tx, environment, tx.flags(environment))

    def get(self, environment: str, key: str) -> FlagView:
        with self._store.transaction() as tx:
            return view_flag(tx, require_flag(tx, environment, key))

    def put(
        self, environment: str, key: str, definition: dict[str, Any], *, actor: Actor, revision: int | None = None
    ) -> FlagView:
        """Create a flag, or replace its definition. revision: the one that the caller saw; None = whatever is there.

        Raises FlagDocumentError, ConflictError, and NotFoundError for an environment that was never created.
        """
        check_definition(key, definition)
        with self._store.transaction() as tx:
            require_environment(tx, environment)
            before = tx.flag(environment, key)
            require_revision(before, key, revision)
            if before is not None:
                refuse_running(tx, environment, key)
            row = put_definition(tx, self._clock, environment, key, definition, actor=actor)
            self._snapshots.stage(tx, environment, cause=f"flag {key} written")
            change = {"before": before.definition if before else None, "after": definition}
            record(tx, self._clock, actor, action="flag.put", subject=f"flag:{environment}/{key}", **change)
            view = view_flag(tx, row)
        self._snapshots.publish()
        return view

    def delete(self, environment: str, key: str, *, actor: Actor, revision: int | None = None) -> FlagDeletedView:
        """Delete a flag, its kill and its opt-in list: whoever still asks for it gets the code's own default.

        The history stays, and a revert brings the flag back. Raises NotFoundError, ConflictError.
        """
        with self._store.transaction() as tx:
            row = require_flag(tx, environment, key)
            require_revision(row, key, revision)
            refuse_running(tx, environment, key)
            version = drop_flag(tx, self._clock, row, actor)
            snapshot = self._snapshots.stage(tx, environment, cause=f"flag {key} deleted")
            subject = f"flag:{environment}/{key}"
            record(tx, self._clock, actor, action="flag.delete", subject=subject, before=row.definition)
        self._snapshots.publish()
        return FlagDeletedView(key=key, environment=environment, version=version.version, snapshot_version=snapshot)

    def kill(self, environment: str, key: str, *, actor: Actor, variant: str | None = None) -> FlagView:
        """Serve the control to everybody, whatever the rule says; a running rollout is then taken back by the loop.

        Killing again with the same variant changes nothing, with another one it replaces the kill. Raises
        BadRequestError.
        """
        with self._store.transaction() as tx:
            row = require_flag(tx, environment, key)
            wanted = kill_variant(tx, row, variant)
            if not any(kill.flag == key and kill.variant == wanted for kill in tx.kills(environment)):
                put_kill(tx, self._clock, row, actor, variant=variant)
                self._snapshots.stage(tx, environment, cause=f"flag {key} killed")
                record(tx, self._clock, actor, action="flag.kill", subject=f"flag:{environment}/{key}", after="killed")
            view = view_flag(tx, row)
        self._snapshots.publish()
        return view

    def restore(self, environment: str, key: str, *, actor: Actor) -> FlagView:
        """Lift the kill overlay. Restoring a flag that is not killed changes nothing."""
        with self._store.transaction() as tx:
            row = require_flag(tx, environment, key)
            kill = next((k for k in tx.kills(environment) if k.flag == key), None)
            if kill is not None:
                if (rollout := active_rollout(tx, environment, key)) is not None:
                    raise ConflictError(
                        f"rollout {rollout.id} is taking flag {key!r} back", hint="wait until it has ended"
                    )
                drop_kill(tx, self._clock, row, actor)
                self._snapshots.stage(tx, environment, cause=f"kill of flag {key} lifted")
                subject = f"flag:{environment}/{key}"
                record(tx, self._clock, actor, action="flag.restore", subject=subject, before=kill, after="live")
            view = view_flag(tx, row)
        self._snapshots.publish()
        return view

    def opt(self, environment: str, key: str, unit: str, *, is_in: bool, actor: Actor) -> FlagView:
        """Put a unit on the flag's opt-in list, or take it off (RULES B5). Raises LimitError over OPT_IN_MAX."""
        with self._store.transaction() as tx:
            row = self._opt(tx, require_flag(tx, environment, key), unit, is_in=is_in, actor=actor)
            view = view_flag(tx, row)
        self._snapshots.publish()
        return view

    def opt_self(self, environment: str, key: str, unit: str, *, is_in: bool, actor: Actor) -> OptView:
        """An end user puts itself on a list, or takes itself off, where the flag allows that (RULES B5).

        The answer and the errors tell nothing of rules, of other flags, or of other users. Raises NotFoundError,
        PermissionDeniedError, LimitError.
        """
        with self._store.transaction() as tx:
            row = tx.flag(environment, key)
            if row is None:
                raise NotFoundError(f"there is no flag {key!r}", hint="ask for the flag's key")
            if (row.definition.get("metadata") or {}).get(SELF_SERVICE) is not True:
                raise PermissionDeniedError(
                    f"users cannot opt in to flag {key!r} themselves",
                    hint=f"its owner allows it by the flag's metadata: {SELF_SERVICE} true",
                )
            self._opt(tx, row, unit, is_in=is_in, actor=actor)
            latest = tx.latest_snapshot(environment)
        self._snapshots.publish()
        return OptView(
            flag=key,
            environment=environment,
            unit=unit,
            is_in=is_in,
            snapshot_version=latest.version if latest is not None else 0,
        )

    def _opt(self, tx: ControlTransaction, row: FlagRow, unit: str, *, is_in: bool, actor: Actor) -> FlagRow:
        if not unit:
            raise BadRequestError("a unit has no name", hint="give the targeting key of the user")
        if (unit in row.opt_in) is is_in:
            return row
        if is_in and len(row.opt_in) >= OPT_IN_MAX:
            raise LimitError(
                f"the opt-in list of flag {row.key!r} is full: {OPT_IN_MAX:,} units",
                hint="mark such users by an attribute, and name it in the plan's audience",
            )
        units = (*row.opt_in, unit) if is_in else tuple(u for u in row.opt_in if u != unit)
        action = "flag.opt_in" if is_in else "flag.opt_out"
        row = put_opt_in(tx, self._clock, row, units, unit=unit, actor=actor, action=action)
        self._snapshots.stage(tx, row.environment, cause=f"opt-in list of flag {row.key}")
        record(tx, self._clock, actor, action=action, subject=f"flag:{row.environment}/{row.key}", after=unit)
        return row
