"""Stored decisions: each with all that it rested on, and the plan once for all that share it.

The rows of a rollout carry its state as it was. The plan is most of it and hardly ever changes, so the first row holds
it and later ones say which row that was; another plan, or the same one written by a newer version, is held again.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from ebbgate.control.audit import tell
from ebbgate.core.rollouts.decision import Decision
from ebbgate.core.rollouts.look import EDITION, LookFacts, LookInputs
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlTransaction, DecisionRow


class StoredLook(LookFacts, frozen=True, kw_only=True):
    """A row's inputs as bytes. state: without its plan, but for rows of versions that knew no other way. plan: of the
    row that holds it; plan_at: sequence of that row; plan_digest: of the plan's encoding."""

    state: dict[str, Any]
    plan: Plan | None = None
    plan_at: int = 0
    plan_digest: str = ""


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    """Where a row's plan is."""

    plan_at: int = 0
    plan_digest: str = ""


def record_decision(
    tx: ControlTransaction,
    clock: Clock,
    decision: Decision,
    inputs: LookInputs,
    after: RolloutState,
    *,
    offset: int,
    summarised_to: datetime | None,
) -> DecisionRow:
    """Add the next row of a rollout, and tell of it. inputs: with the state before; after: the state it led to.
    offset: of the log, read up to; summarised_to: plan time up to which blocks were folded."""
    before, last = inputs.state, tx.last_decision(inputs.state.id)
    sequence = (last.sequence if last is not None else 0) + 1
    row = DecisionRow(
        rollout_id=before.id,
        sequence=sequence,
        decision=decision,
        status_before=before.status,
        status_after=after.status,
        looked_at=inputs.now,
        machine_at=clock.machine_now(),
        offset=offset,
        summarised_from=before.summarised_to,
        summarised_to=summarised_to,
        inputs=_encoded(inputs, sequence=sequence, last=last),
    )
    tx.add_decision(row)
    tell(
        tx,
        clock,
        topic="decision",
        subject=before.id,
        key=f"decision:{before.id}:{sequence}",
        payload=decision,
    )
    return row


def record_step(
    tx: ControlTransaction,
    clock: Clock,
    decision: Decision,
    inputs: LookInputs,
    after: RolloutState,
    *,
    offset: int,
    summarised_to: datetime | None,
) -> DecisionRow:
    """As `record_decision`, of a step of a rollback: `inputs.rollback` says what it rested on."""
    assert inputs.rollback is not None, "a step of a rollback"
    assert inputs.state.status is Status.ROLLING_BACK
    return record_decision(tx, clock, decision, inputs, after, offset=offset, summarised_to=summarised_to)


def _encoded(inputs: LookInputs, *, sequence: int, last: DecisionRow | None) -> bytes:
    fields = {**msgspec.structs.asdict(inputs), "edition": EDITION}
    state = msgspec.structs.asdict(fields.pop("state"))
    plan = state.pop("plan")
    digest = sha256(msgspec.msgpack.encode(plan, order="deterministic")).hexdigest()
    known = msgspec.msgpack.decode(last.inputs, type=_Held) if last is not None else None
    is_held = known is not None and known.plan_digest == digest
    stored = StoredLook(
        **fields,
        state=state,
        plan=None if is_held else plan,
        plan_at=known.plan_at if known is not None and is_held else sequence,
        plan_digest=digest,
    )
    return msgspec.msgpack.encode(stored)


def facts_of(row: DecisionRow) -> LookFacts:
    """What a stored decision rested on, but for the rollout's state."""
    return msgspec.msgpack.decode(row.inputs, type=LookFacts)


def inputs_of(tx: ControlTransaction, row: DecisionRow) -> LookInputs:
    """What a stored decision rested on."""
    stored = msgspec.msgpack.decode(row.inputs, type=StoredLook)
    plan = stored.plan
    if plan is None and stored.plan_at:
        held = tx.decisions(row.rollout_id, after=stored.plan_at - 1, limit=1)
        plan = msgspec.msgpack.decode(held[0].inputs, type=StoredLook).plan
    return _whole(stored, plan)


class InputsReader:
    """Reads the inputs of one rollout's rows in order, each plan once."""

    def __init__(self) -> None:
        self._plans: dict[int, Plan] = {}

    def read(self, row: DecisionRow) -> LookInputs:
        """Of the next row; those before must have been read."""
        stored = msgspec.msgpack.decode(row.inputs, type=StoredLook)
        if stored.plan is not None:
            self._plans[stored.plan_at] = stored.plan
        return _whole(stored, self._plans.get(stored.plan_at))


def _whole(stored: StoredLook, plan: Plan | None) -> LookInputs:
    state = stored.state if plan is None else {**stored.state, "plan": plan}
    facts = {name: getattr(stored, name) for name in LookFacts.__struct_fields__}
    return LookInputs(**facts, state=msgspec.convert(state, RolloutState))
