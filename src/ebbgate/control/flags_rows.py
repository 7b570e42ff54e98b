"""Flags in a transaction: what every change of a flag is made of. Each leaves one version of the flag's history.

A version names the snapshot that first serves it: stage the snapshot after these calls, in the same transaction.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from ebbgate.control.apps import nearest
from ebbgate.control.audit import Actor
from ebbgate.control.snapshots import active_rollout, governing_rollouts, served_flags
from ebbgate.core.audiences import RuleError, compile_rule
from ebbgate.core.errors import BadRequestError, ConflictError, FlagDocumentError, NotFoundError
from ebbgate.core.flags import parse_document
from ebbgate.core.flags.schema import require_valid
from ebbgate.core.flags.view import FlagView, KillView
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlTransaction, FlagRow, FlagVersionRow, KillRow


def check_definition(key: str, definition: dict[str, Any]) -> None:
    """Refuse what flagd's schema refuses, or no evaluator could serve. Raises FlagDocumentError with path, hint.

    An evaluator must bear a rule that cannot be applied, and gives everybody the code's default, which may be the new
    version; so it is not let in here. A definition stands alone, hence a `$ref` in it refers to nothing.
    """
    document = {"flags": {key: definition}}
    targeting = parse_document(document).flags[key].targeting
    require_valid(document)
    try:
        compile_rule(targeting)
    except RuleError as error:
        hint = "Write the rule out, or import the whole document with its $evaluators."
        raise FlagDocumentError(error.message, hint=hint, path=f"$.flags.{key}.targeting") from None


def require_environment(tx: ControlTransaction, environment: str) -> None:
    """Raises NotFoundError, with the ones that there are: a misspelt name would make flags that nobody is served."""
    known = tx.environments()
    if environment not in known:
        raise NotFoundError(
            f"there is no environment {environment!r}",
            hint=f"environments: {', '.join(known) or 'none'}; create it with `ebbgate environment create`",
        )


def require_flag(tx: ControlTransaction, environment: str, key: str) -> FlagRow:
    """The flag, or NotFoundError with the ones that there are, or with the environments."""
    row = tx.flag(environment, key)
    if row is None:
        require_environment(tx, environment)
        known = nearest(key, sorted(r.key for r in tx.flags(environment))) or "none"
        raise NotFoundError(f"no flag {key!r} in environment {environment!r}", hint=f"flags there: {known}")
    return row


def require_revision(row: FlagRow | None, key: str, revision: int | None) -> None:
    """Raises ConflictError unless the flag has the revision that the caller saw (0: none). None = whatever is there."""
    stored = row.revision if row is not None else 0
    if revision is not None and revision != stored:
        raise ConflictError(
            f"flag {key!r} has revision {stored}, not {revision}", hint="read it again and repeat your change"
        )


def refuse_running(tx: ControlTransaction, environment: str, key: str) -> None:
    """Raises ConflictError while a rollout runs on the flag: its evidence is about the flag as it is."""
    if (rollout := active_rollout(tx, environment, key)) is not None:
        raise ConflictError(
            f"rollout {rollout.id} is running on flag {key!r}", hint="abort it first, or wait for its end"
        )


def put_definition(
    tx: ControlTransaction,
    clock: Clock,
    environment: str,
    key: str,
    definition: dict[str, Any],
    *,
    actor: Actor,
    action: str = "flag.put",
) -> FlagRow:
    """Write a definition, with the next revision."""
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
    note_version(tx, clock, environment, key, actor, action=action)
    return row


def put_opt_in(
    tx: ControlTransaction, clock: Clock, row: FlagRow, units: tuple[str, ...], *, unit: str, actor: Actor, action: str
) -> FlagRow:
    """Write the opt-in list. unit: the one that came or went."""
    row = msgspec.structs.replace(row, opt_in=units, revision=row.revision + 1, updated_at=clock.machine_now())
    tx.put_flag(row)
    note_version(tx, clock, row.environment, row.key, actor, action=action, unit=unit)
    return row


def put_kill(
    tx: ControlTransaction, clock: Clock, row: FlagRow, actor: Actor, *, variant: str | None = None
) -> KillRow:
    """Write the kill overlay, in place of another one. variant: the one to serve; None = the control."""
    kill = KillRow(
        environment=row.environment,
        flag=row.key,
        variant=kill_variant(tx, row, variant),
        actor=actor.name,
        reason=actor.reason,
        killed_at=clock.machine_now(),
    )
    tx.put_kill(kill)
    note_version(tx, clock, row.environment, row.key, actor, action="flag.kill")
    return kill


def kill_variant(tx: ControlTransaction, row: FlagRow, variant: str | None) -> str:
    """What a kill serves: the control, or the variant that is named. Raises BadRequestError."""
    known = ", ".join(sorted(row.definition["variants"]))
    if variant is not None and variant not in row.definition["variants"]:
        raise BadRequestError(f"flag {row.key!r} has no variant {variant!r}", hint=f"its variants: {known}")
    rollout = governing_rollouts(tx, row.environment).get(row.key)
    if rollout is not None and variant not in (None, rollout.plan.control_variant):
        raise BadRequestError(
            f"rollout {rollout.id} says that the old version of flag {row.key!r} is {rollout.plan.control_variant!r}",
            hint="a kill serves the old version; leave --variant out",
        )
    control = variant or (rollout.plan.control_variant if rollout else row.definition.get("defaultVariant"))
    if not isinstance(control, str) or control not in row.definition["variants"]:
        raise BadRequestError(
            f"flag {row.key!r} does not say which variant is the old version", hint=f"name one of: {known}"
        )
    return control


def drop_kill(tx: ControlTransaction, clock: Clock, row: FlagRow, actor: Actor) -> None:
    """Lift the kill overlay."""
    tx.delete_kill(row.environment, row.key)
    note_version(tx, clock, row.environment, row.key, actor, action="flag.restore")


def drop_flag(tx: ControlTransaction, clock: Clock, row: FlagRow, actor: Actor) -> FlagVersionRow:
    """Delete a flag with its kill and its opt-in list; the history stays."""
    tx.delete_kill(row.environment, row.key)
    tx.delete_flag(row.environment, row.key)
    return note_version(tx, clock, row.environment, row.key, actor, action="flag.delete")


def note_version(
    tx: ControlTransaction,
    clock: Clock,
    environment: str,
    key: str,
    actor: Actor,
    *,
    action: str,
    unit: str | None = None,
) -> FlagVersionRow:
    """Add the next version of a flag as the transaction now sees it."""
    row = tx.flag(environment, key)
    newest = newest_version(tx, environment, key)
    version = FlagVersionRow(
        environment=environment,
        flag=key,
        version=newest.version + 1 if newest else 1,
        at=clock.machine_now(),
        actor=actor.name,
        reason=actor.reason,
        action=action,
        revision=row.revision if row else 0,
        snapshot_version=tx.latest_version() + 1,
        definition=row.definition if row else None,
        killed_to=next((kill.variant for kill in tx.kills(environment) if kill.flag == key), None),
        unit=unit,
        opt_in_count=len(row.opt_in) if row else 0,
    )
    tx.add_flag_version(version)
    return version


def newest_version(tx: ControlTransaction, environment: str, key: str) -> FlagVersionRow | None:
    return next(iter(tx.flag_versions(environment, key, limit=1)), None)


def view_flag(tx: ControlTransaction, row: FlagRow) -> FlagView:
    """The flag for people, as the transaction sees it."""
    return next(iter(view_flags(tx, row.environment, [row])))


def view_flags(tx: ControlTransaction, environment: str, rows: Sequence[FlagRow]) -> list[FlagView]:
    """Flags of one environment for people; what they share is read once."""
    latest = tx.latest_snapshot(environment)
    served: dict[str, Any] = served_flags(latest) if latest is not None else {}
    rollouts = governing_rollouts(tx, environment)
    kills = {kill.flag: msgspec.convert(kill, KillView, from_attributes=True) for kill in tx.kills(environment)}
    versions = tx.newest_flag_versions(environment)
    return [
        FlagView(
            key=row.key,
            environment=environment,
            revision=row.revision,
            definition=row.definition,
            served=served.get(row.key),
            kill=kills.get(row.key),
            rollout_id=rollouts[row.key].id if row.key in rollouts else None,
            snapshot_version=latest.version if latest is not None else 0,
            opt_in=row.opt_in,
            version=versions.get(row.key, 0),
        )
        for row in rows
    ]
