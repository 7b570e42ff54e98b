"""A holdout has an end (RULES B4): then everybody gets the new version, and comparisons are before and after."""

from datetime import datetime

import msgspec

from ebbgate.control.audit import Actor
from ebbgate.control.rollouts import note_change, stored
from ebbgate.control.snapshots import SnapshotService, governing_rollouts
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction

_TAKEN_BACK = (Status.ROLLED_BACK, Status.ABORTED)
"""Nobody has the new version, and nothing leads out of these."""

_HELD = (Status.WATCHING, Status.SUCCEEDED, Status.PAUSED, Status.REVIEW)


class HoldoutFollower:
    """Called at each tick. What it has seen to keep nobody out is not read again."""

    def __init__(self, store: ControlStore, clock: Clock, snapshots: SnapshotService) -> None:
        self._store = store
        self._clock = clock
        self._snapshots = snapshots
        self._settled: set[str] = set()

    def follow(self) -> None:
        """End the holdouts whose time is over. Raises StoreUnavailableError, ConflictError; the next call goes on."""
        now = self._clock.plan_now()
        ended = False
        with self._store.transaction() as tx:
            for mark in tx.rollout_marks():
                if mark.id not in self._settled and (state := tx.rollout(mark.id)) is not None:
                    ended = self._look(tx, state, now) or ended
        if ended:
            self._snapshots.publish()

    def _look(self, tx: ControlTransaction, state: RolloutState, now: datetime) -> bool:
        plan = state.plan
        is_over = state.holdout_ended_at is not None or state.status in _TAKEN_BACK
        if not plan.holdout or plan.holdout_for is None or is_over:
            self._settled.add(state.id)
            return False
        if not state.phases or state.status not in _HELD or not state.is_last_phase:
            return False
        if now < state.record.entered_at + plan.holdout_for:
            return False
        governing = governing_rollouts(tx, plan.environment).get(plan.flag)
        if governing is None or governing.id != state.id:
            self._settled.add(state.id)  # a later rollout rules the flag, with a holdout of its own or none
            return False
        after = stored(tx, state, msgspec.structs.replace(state, holdout_ended_at=now))
        self._snapshots.stage(tx, plan.environment, cause=f"rollout {state.id}: the holdout has ended")
        actor = Actor(name="ebbgate", reason=f"the holdout of {plan.holdout * 100:g}% has ended")
        note_change(tx, self._clock, actor, "rollout.end_holdout", state, after)
        return True
