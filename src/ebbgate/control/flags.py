"""Flags: definitions, the kill overlay, opt-in lists (RULES B5, B6)."""

from typing import Any

import msgspec

from ebbgate.control.audit import Actor, record
from ebbgate.control.snapshots import SnapshotService, active_rollout, governing_rollouts, served_flag
from ebbgate.core.errors import BadRequestError, ConflictError, NotFoundError
from ebbgate.core.flags import parse_document
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, FlagRow, KillRow


class FlagView(msgspec.Struct, frozen=True, kw_only=True):
    """A flag for people: as written, as served, and what stands between."""

    key: str
    environment: str
    revision: int
    definition: dict[str, Any]
    served: dict[str, Any] | None
    kill: KillRow | None
    rollout_id: str | None
    snapshot_version: int
    opt_in: tuple[str, ...] = ()


class FlagService:
    """Reads and changes flags. Every change stages a snapshot and leaves one audit row in the same transaction."""

    def __init__(self, store: ControlStore, clock: Clock, snapshots: SnapshotService) -> None:
        self._store = store
        self._clock = clock
        self._snapshots = snapshots

    def list(self, environment: str) -> list[FlagView]:
        with self._store.transaction() as tx:
            return [view_flag(tx, row) for row in tx.flags(environment)]

    def get(self, environment: str, key: str) -> FlagView:
        with self._store.transaction() as tx:
            return view_flag(tx, require_flag(tx, environment, key))

    def put(
        self, environment: str, key: str, definition: dict[str, Any], *, actor: Actor, revision: int | None = None
    ) -> FlagView:
        """Create a flag, or replace its definition. revision: the one that the caller saw; None = whatever is there.

        Raises FlagDocumentError, ConflictError.
        """
        check_definition(key, definition)
        with self._store.transaction() as tx:
            before = tx.flag(environment, key)
            if revision is not None and revision != (before.revision if before else 0):
                raise ConflictError(
                    f"flag {key!r} has revision {before.revision if before else 0}, not {revision}",
                    hint="read it again and repeat your change",
                )
            if before is not None and (rollout := active_rollout(tx, environment, key)) is not None:
                raise ConflictError(
                    f"rollout {rollout.id} is running on flag {key!r}", hint="abort it first, or wait for its end"
                )
            row = put_definition(tx, self._clock, environment, key, definition)
            self._snapshots.stage(tx, environment, cause=f"flag {key} written")
            change = {"before": before.definition if before else None, "after": definition}
            record(tx, self._clock, actor, action="flag.put", subject=f"flag:{environment}/{key}", **change)
            view = view_flag(tx, row)
        self._snapshots.publish()
        return view

    def kill(self, environment: str, key: str, *, actor: Actor, variant: str | None = None) -> FlagView:
        """Serve the control to everybody, whatever the rule says. Killing a killed flag changes nothing."""
        with self._store.transaction() as tx:
            row = require_flag(tx, environment, key)
            if not any(kill.flag == key for kill in tx.kills(environment)):
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
                tx.delete_kill(environment, key)
                self._snapshots.stage(tx, environment, cause=f"kill of flag {key} lifted")
                subject = f"flag:{environment}/{key}"
                record(tx, self._clock, actor, action="flag.restore", subject=subject, before=kill, after="live")
            view = view_flag(tx, row)
        self._snapshots.publish()
        return view

    def opt(self, environment: str, key: str, unit: str, *, is_in: bool, actor: Actor) -> FlagView:
        """Put a unit on the flag's opt-in list, or take it off (RULES B5)."""
        if not unit:
            raise BadRequestError("a unit has no name", hint="give the targeting key of the user")
        with self._store.transaction() as tx:
            row = require_flag(tx, environment, key)
            if (unit in row.opt_in) is not is_in:
                units = (*row.opt_in, unit) if is_in else tuple(u for u in row.opt_in if u != unit)
                row = msgspec.structs.replace(
                    row, opt_in=units, revision=row.revision + 1, updated_at=self._clock.machine_now()
                )
                tx.put_flag(row)
                self._snapshots.stage(tx, environment, cause=f"opt-in list of flag {key}")
                action = "flag.opt_in" if is_in else "flag.opt_out"
                record(tx, self._clock, actor, action=action, subject=f"flag:{environment}/{key}", after=unit)
            view = view_flag(tx, row)
        self._snapshots.publish()
        return view


def check_definition(key: str, definition: dict[str, Any]) -> None:
    """Refuse what no evaluator could serve. Raises FlagDocumentError with path and hint."""
    parse_document({"flags": {key: definition}})


def require_flag(tx: ControlTransaction, environment: str, key: str) -> FlagRow:
    """The flag, or NotFoundError with the ones that there are."""
    row = tx.flag(environment, key)
    if row is None:
        known = ", ".join(sorted(r.key for r in tx.flags(environment))) or "none"
        raise NotFoundError(f"no flag {key!r} in environment {environment!r}", hint=f"flags there: {known}")
    return row


def put_definition(
    tx: ControlTransaction, clock: Clock, environment: str, key: str, definition: dict[str, Any]
) -> FlagRow:
    """Write a definition into the transaction, with the next revision."""
    before = tx.flag(environment, key)
    row = FlagRow(
        environment=environment,
        key=key,
        definition=definition,
        revision=(before.revision if before else 0) + 1,
        updated_at=clock.machine_now(),
        opt_in=before.opt_in if before else (),
    )
    tx.put_flag(row)
    return row


def put_kill(
    tx: ControlTransaction, clock: Clock, row: FlagRow, actor: Actor, *, variant: str | None = None
) -> KillRow:
    """Write the kill overlay into the transaction. variant: the one to serve; None = the control."""
    rollout = governing_rollouts(tx, row.environment).get(row.key)
    control = variant or (rollout.plan.control_variant if rollout else row.definition.get("defaultVariant"))
    if not isinstance(control, str) or control not in row.definition["variants"]:
        known = ", ".join(sorted(row.definition["variants"]))
        raise BadRequestError(
            f"flag {row.key!r} does not say which variant is the old version", hint=f"name one of: {known}"
        )
    kill = KillRow(
        environment=row.environment,
        flag=row.key,
        variant=control,
        actor=actor.name,
        reason=actor.reason,
        killed_at=clock.machine_now(),
    )
    tx.put_kill(kill)
    return kill


def view_flag(tx: ControlTransaction, row: FlagRow) -> FlagView:
    """The flag for people, as the transaction sees it."""
    latest = tx.latest_snapshot(row.environment)
    rollout = governing_rollouts(tx, row.environment).get(row.key)
    return FlagView(
        key=row.key,
        environment=row.environment,
        revision=row.revision,
        definition=row.definition,
        served=served_flag(latest, row.key) if latest is not None else None,
        kill=next((kill for kill in tx.kills(row.environment) if kill.flag == row.key), None),
        rollout_id=rollout.id if rollout else None,
        snapshot_version=latest.version if latest is not None else 0,
        opt_in=row.opt_in,
    )
