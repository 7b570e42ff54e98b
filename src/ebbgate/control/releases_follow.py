"""Releases follow their rollouts: everybody has it, it finished its watch, or it was taken back (DESIGN section 8)."""

from ebbgate.control.audit import Actor
from ebbgate.control.releases_find import release_of_rollout, rollouts_of
from ebbgate.control.releases_rows import note_release, store_release
from ebbgate.core.releases import Release, ReleaseTrigger, condemn, move
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, JournalRow

_TAKEN_BACK = (Status.ROLLING_BACK, Status.ROLLED_BACK)


class ReleaseFollower:
    """Level-triggered: looks at every rollout whose revision it has not seen; after a start, at all of them once."""

    def __init__(self, store: ControlStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[str, int] = {}

    def follow(self) -> None:
        """Raises StoreUnavailableError, ConflictError; the next call goes on."""
        with self._store.transaction() as tx:
            unseen = [mark for mark in tx.rollout_marks() if self._seen.get(mark.id) != mark.revision]
            for mark in unseen:
                if (state := tx.rollout(mark.id)) is not None:
                    self._move(tx, state)
        self._seen |= {mark.id: mark.revision for mark in unseen}  # only what was committed counts as seen

    def catch_up(self, tx: ControlTransaction, release: Release) -> Release:
        """What the rollouts of a release that has just become known have come to already: one that was taken back is
        quarantined before anybody can start it. Returns it as stored.
        """
        for state in rollouts_of(tx, release):
            self._move(tx, state)
        return tx.release(release.id) or release

    def _move(self, tx: ControlTransaction, state: RolloutState) -> None:
        release = release_of_rollout(tx, state.plan.app, state.release)
        if release is None or release.is_bad:
            return
        if state.status in _TAKEN_BACK:
            self._condemn(tx, release, state)
        elif state.status is Status.WATCHING:
            self._apply(tx, release, ReleaseTrigger.WATCH, f"rollout {state.id} reached everybody")
        elif state.status is Status.SUCCEEDED:
            self._settle(tx, release, state)

    def _settle(self, tx: ControlTransaction, release: Release, state: RolloutState) -> None:
        if not self._others_open(tx, release, state) and self._is_first(tx, "settle", state, release):
            self._apply(tx, release, ReleaseTrigger.SETTLE, f"rollout {state.id} finished its watch")

    def _others_open(self, tx: ControlTransaction, release: Release, state: RolloutState) -> bool:
        """A release may be rolled out behind several flags: it is stable when all of them are through."""
        return any(not other.is_over for other in rollouts_of(tx, release) if other.id != state.id)

    def _apply(self, tx: ControlTransaction, release: Release, trigger: ReleaseTrigger, why: str) -> None:
        after = move(release, trigger, at=self._clock.machine_now())
        if after.state is not release.state:
            self._keep(tx, release, after, f"release.{trigger.value}", why)

    def _condemn(self, tx: ControlTransaction, release: Release, state: RolloutState) -> None:
        if not self._is_first(tx, "condemn", state, release):
            return
        why = f"rollout {state.id} was taken back: {state.reason}"
        after = condemn(release, reason=why, actor="ebbgate", at=self._clock.machine_now())
        self._keep(tx, release, after, "release.mark_bad", why)

    def _is_first(self, tx: ControlTransaction, what: str, state: RolloutState, release: Release) -> bool:
        """Once for each rollout: a person who clears a mark afterwards is not overruled by history."""
        key = f"release:{what}:{state.id}"
        if tx.journal(key) is not None:
            return False
        now = self._clock.machine_now()
        tx.put_journal(JournalRow(key=key, action=f"release.{what}", started_at=now, done_at=now, result=release.id))
        return True

    def _keep(self, tx: ControlTransaction, before: Release, after: Release, action: str, why: str) -> None:
        stored = store_release(tx, before, after)
        note_release(tx, self._clock, Actor(name="ebbgate", reason=why), action, before, stored)
