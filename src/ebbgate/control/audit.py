"""Audit and outbox rows: every accepted change leaves exactly one audit row, in its own transaction."""

from typing import Any

import msgspec

from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import AuditRow, ControlTransaction, OutboxRow


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who does something, and why. name: a token's name, or `ebbgate` for what the loop does by itself."""

    name: str
    reason: str


def record(
    tx: ControlTransaction,
    clock: Clock,
    actor: Actor,
    *,
    action: str,
    subject: str,
    before: Any = None,
    after: Any = None,
) -> None:
    """Add the audit row of a change. before, after: what changed, as plain data."""
    tx.add_audit(
        AuditRow(
            at=clock.machine_now(),
            actor=actor.name,
            action=action,
            subject=subject,
            reason=actor.reason,
            before=msgspec.to_builtins(before),
            after=msgspec.to_builtins(after),
        )
    )


def record_and_tell(
    tx: ControlTransaction,
    clock: Clock,
    actor: Actor,
    *,
    action: str,
    subject: tuple[str, str, int],
    before: dict[str, object] | None,
    after: dict[str, object],
) -> None:
    """One audit row and one outbox row for one change. subject: what was changed (`rollout`, which is the topic, too),
    its id, and its revision after it. before, after: summaries of it.
    """
    topic, name, revision = subject
    record(tx, clock, actor, action=action, subject=f"{topic}:{name}", before=before, after=after)
    payload = {"action": action, "actor": actor.name, "reason": actor.reason, **after}
    tell(tx, clock, topic=topic, subject=name, key=f"{topic}:{name}:{revision}", payload=payload)


def tell(tx: ControlTransaction, clock: Clock, *, topic: str, subject: str, key: str, payload: Any) -> None:
    """Add an outbox row. key: its idempotency key; the same event is never told twice."""
    tx.add_outbox(
        OutboxRow(at=clock.machine_now(), topic=topic, subject=subject, key=key, payload=msgspec.to_builtins(payload))
    )
