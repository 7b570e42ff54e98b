"""The loop: every tick, ingest the log and look at every rollout that is not over. Level-triggered; it remembers
nothing.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from ebbgate.control.failing import Alarm, Failing, no_alarm
from ebbgate.control.looker import Looker
from ebbgate.control.outbox import OutboxService
from ebbgate.control.snapshots import SnapshotService
from ebbgate.control.troubles import EVERYTHING, Troubles
from ebbgate.core.errors import ConflictError, EbbgateError, StoreUnavailableError
from ebbgate.core.metrics.broken import what_broke
from ebbgate.core.rollouts.state import LOOKED_AT, RollbackStep, RolloutState, Status
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore

IDLE = timedelta(seconds=1)
"""Machine time between ticks while no rollout needs more."""

PROOF = timedelta(milliseconds=50)
"""Machine time between looks while a rollback waits for confirmations."""

REDEPLOYING = timedelta(milliseconds=250)
"""The same while the last stable release is on its way back: the deployment needs this process's time more."""

SHORTEST = timedelta(milliseconds=50)
"""Machine time that a tick takes at least, however fast the plan clock runs."""

log = structlog.get_logger("ebbgate.loop")


class ReconcileLoop:
    """One thread that ticks until it is stopped. An error in one rollout never keeps the others from being looked
    at.
    """

    def __init__(
        self,
        store: ControlStore,
        looker: Looker,
        snapshots: SnapshotService,
        outbox: OutboxService,
        clock: Clock,
        *,
        followers: Sequence[Callable[[], object]] = (),
        alarm: Alarm = no_alarm,
        troubles: Troubles | None = None,
    ) -> None:
        """followers: called at the end of each tick; what one of them raises keeps none of the others from its
        work. alarm: told when ticks fail, one after the other; it must not need the store. troubles: told which
        looks fail.
        """
        self._store = store
        self._looker = looker
        self._snapshots = snapshots
        self._outbox = outbox
        self._clock = clock
        self._followers = followers
        self._failing = Failing(clock, alarm)
        self._troubles = troubles if troubles is not None else Troubles()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self.ticks = 0
        self.failures = 0
        self.last_error = ""
        self.ticked_at: float | None = None  # by the clock's monotonic seconds; None before the first tick has ended

    def run(self) -> None:
        """Tick until `stop`. Nothing ends the loop but `stop`: an error that nobody foresaw is told, and tried
        again.
        """
        while not self._stop.is_set():
            try:
                delay = self.tick()
            except Exception:
                self.failures += 1
                self.last_error = "an unforeseen error; see the log"
                log.exception("tick_broke")
                self._troubles.note(EVERYTHING, self.last_error, now=self._clock.machine_now())
                self._failing.note(self.last_error)
                delay = IDLE
            self.ticked_at = self._clock.monotonic()
            self._wake.wait(delay.total_seconds())
            self._wake.clear()

    def wake(self) -> None:
        """Tick now: something was changed by a person."""
        self._wake.set()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()

    def tick(self) -> timedelta:
        """One pass over everything; returns the machine time until the next is due."""
        self.ticks += 1
        failures = self.failures
        delay = self._pass()
        self._failing.note(self.last_error if self.failures > failures else "")
        return delay

    def _pass(self) -> timedelta:
        delay, failures = IDLE, self.failures
        for part in (self._snapshots.publish, self._looker.ingest, self._outbox.deliver):
            try:
                part()
            except EbbgateError as error:  # a full disk for one must not keep the others from their work
                self._note(error, rollout=EVERYTHING)
        if self.failures == failures:
            self._troubles.over(EVERYTHING)
        try:
            with self._store.transaction() as tx:
                states = tx.rollouts(statuses=sorted(LOOKED_AT))
            self._troubles.keep({state.id for state in states})
            for state in states:
                self._look(state)
                delay = min(delay, self._delay(state))
            self._outbox.deliver()
        except EbbgateError as error:
            self._note(error, rollout=None)
        for follow in self._followers:
            self._follow(follow)
        return delay

    def _follow(self, follow: Callable[[], object]) -> None:
        try:
            follow()
        except ConflictError:
            pass  # somebody changed it meanwhile; the next tick sees the new state
        except EbbgateError as error:
            self._note(error, rollout=None)

    def _look(self, state: RolloutState) -> None:
        try:
            self._looker.look(state)
            self._troubles.over(state.id)
        except ConflictError:
            pass  # somebody changed it meanwhile; the next tick sees the new state
        except EbbgateError as error:
            self._note(error, rollout=state.id)
        except Exception as error:  # one rollout's defect must not keep the others from being looked at
            self.failures += 1
            what = what_broke(error)
            self.last_error = f"an unforeseen error while looking at {state.id} ({what}); see the log"
            log.exception("look_broke", rollout=state.id)
            self._troubles.note(state.id, f"an unforeseen error: {what}", now=self._clock.machine_now())

    def _note(self, error: EbbgateError, *, rollout: str | None) -> None:
        self.failures += 1
        self.last_error = error.message
        retry = isinstance(error, StoreUnavailableError)
        log.error("tick_failed", code=error.code, error=error.message, rollout=rollout or None, will_retry=retry)
        if rollout is not None:
            self._troubles.note(rollout, error.message, now=self._clock.machine_now())

    def _delay(self, state: RolloutState) -> timedelta:
        if state.status is Status.ROLLING_BACK:
            is_redeploying = state.rollback is not None and state.rollback.step is RollbackStep.REDEPLOY
            return REDEPLOYING if is_redeploying else PROOF
        return max(SHORTEST, self._clock.mapping.machine_duration(state.plan.tick))
