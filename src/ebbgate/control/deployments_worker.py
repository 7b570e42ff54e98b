"""Finds deployments that wait: one at a time for each target, targets side by side (RULES H1).

`deployments_carry` does their steps. Level-triggered: what is under way after a start goes on first.
"""

import threading
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial

import msgspec
import structlog

from ebbgate.control.audit import Actor, tell
from ebbgate.control.deployments import note_deployment, store_deployment
from ebbgate.control.deployments_carry import SELF, DeploymentCarrier, Step
from ebbgate.core.errors import ConflictError, DeployError, EbbgateError, StoreUnavailableError
from ebbgate.core.releases import Deployment, DeploymentStatus
from ebbgate.core.releases.deploy_steps import broke, went_wrong
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction
from ebbgate.ports.deployer import Deployer

IDLE = timedelta(seconds=1)
HOLD_WAIT = timedelta(seconds=2)
"""Machine time to wait for a target that another process holds, before the next look."""

AT_ONCE = 8
"""Targets served side by side at most. A rollback's target is served beyond it."""

BROKE_MAX = 5
"""Unforeseen errors of one deployment before it is given up. A restart of control counts anew."""

WAITING = (DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)

log = structlog.get_logger("ebbgate.deployments")


class DeploymentWorker:
    """One thread that finds what waits, and one for each target that has something to do."""

    def __init__(
        self,
        store: ControlStore,
        artifacts: ArtifactStore,
        deployer: Deployer,
        clock: Clock,
        *,
        on_step: Step = lambda _: None,
    ) -> None:
        self._store = store
        self._deployer = deployer
        self._clock = clock
        self._carrier = DeploymentCarrier(store, artifacts, clock, on_step=on_step)
        self._serving: dict[str, threading.Thread] = {}
        self._broke: dict[str, int] = {}  # deployment to unforeseen errors so far
        self._stop = threading.Event()
        self._wake = threading.Event()

    def run(self) -> None:
        """Work until `stop`, then until the steps under way are done. An unforeseen error is told, and tried again."""
        while not self._stop.is_set():
            _told(self._dispatch)
            self._wake.wait(IDLE.total_seconds())
            self._wake.clear()
        for thread in self._serving.values():
            thread.join()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """A step under way is finished first; what is left goes on after the next start."""
        self._stop.set()
        self._wake.set()

    def tick(self) -> None:
        """Carry out all that waits, here and now; a target that cannot be had now is left for the next call. Raises
        StoreUnavailableError.
        """
        left: set[str] = set()
        while not self._stop.is_set() and (deployment := self._next(without=left)) is not None:
            if not self._attempt(deployment):
                left.add(deployment.target)

    def _dispatch(self) -> None:
        """A thread for each target that has something to do and none yet. Rollbacks wait for no other target's: they
        come first, and go beyond the bound.
        """
        self._serving = {key: thread for key, thread in self._serving.items() if thread.is_alive()}
        with self._store.transaction() as tx:
            waiting = tx.deployments(statuses=WAITING, limit=1_000)
        for deployment in sorted(waiting, key=lambda one: (not one.is_rollback, *_urgency(one))):
            target = deployment.target
            if target in self._serving or (len(self._serving) >= AT_ONCE and not deployment.is_rollback):
                continue
            serve = partial(_told, partial(self._serve, target))
            self._serving[target] = threading.Thread(target=serve, name=f"deploy-{target}", daemon=True)
            self._serving[target].start()

    def _serve(self, target: str) -> None:
        """Carry out what waits for one target."""
        while not self._stop.is_set() and (deployment := self._next(target)) is not None:
            if not self._attempt(deployment):
                return

    def _next(self, target: str | None = None, *, without: Collection[str] = ()) -> Deployment | None:
        """What is under way first: a target is left only at an end. Then rollbacks, then the oldest."""
        with self._store.transaction() as tx:
            waiting = tx.deployments(target=target, statuses=WAITING, limit=1_000)
        return min((one for one in waiting if one.target not in without), key=_urgency, default=None)

    def _attempt(self, deployment: Deployment) -> bool:
        """Whether the target can be had for the next one. Raises StoreUnavailableError for a failure of our store."""
        try:
            return self._held(deployment)
        except StoreUnavailableError:
            raise
        except Exception as error:  # of a defect; the step is tried again, but not for ever
            times = self._broke[deployment.id] = self._broke.get(deployment.id, 0) + 1
            log.error("deployment_broke", deployment=deployment.id, times=times, exc_info=times == 1)
            if times < BROKE_MAX:
                return False
            self._give_up(deployment, error)
            return True

    def _held(self, deployment: Deployment) -> bool:
        """Carry it out while its target is held; False where somebody else holds it."""
        try:
            target = self._deployer.target(deployment.terms)
            hold = target.hold(timeout=HOLD_WAIT)
            hold.__enter__()
        except ConflictError as error:
            log.warning("deployment_waits", deployment=deployment.id, error=error.message)
            return False
        except (StoreUnavailableError, DeployError) as error:
            self._fail_unreached(deployment, error)
            return True
        try:
            self._carrier.carry(deployment, target, self._stop.is_set)
        finally:
            hold.__exit__()
        self._broke.pop(deployment.id, None)
        return True

    def _fail_unreached(self, deployment: Deployment, error: EbbgateError) -> None:
        """The target cannot even be held: its disk is full, or it is not there."""
        with self._store.transaction() as tx:
            stored = tx.deployment(deployment.id)
            if stored is None or stored.is_over:
                return
            after = went_wrong(stored, text=error.message, at=self._clock.machine_now(), can_go_back=False)
            self._end(tx, stored, after)

    def _give_up(self, deployment: Deployment, error: Exception) -> None:
        """Whatever runs there is not known: a person is needed, and is told at once (RULES H1: nothing hangs)."""
        what = error.message if isinstance(error, EbbgateError) else f"{type(error).__name__}: {error}"
        with self._store.transaction() as tx:
            stored = tx.deployment(deployment.id)
            if stored is not None and not stored.is_over:
                text = f"{stored.step.value} met an unforeseen error {BROKE_MAX} times: {what}; see the log of control"
                after = msgspec.structs.replace(stored, points_to=self._points_to(stored))
                ended = self._end(tx, stored, broke(after, text=text, at=self._clock.machine_now()))
                payload = {"title": f"{ended.id} is broken", "words": text, "severity": "critical"}
                tell(
                    tx, self._clock, topic="page", subject=ended.id, key=f"deployment:{ended.id}:page", payload=payload
                )
        self._broke.pop(deployment.id, None)

    def _points_to(self, deployment: Deployment) -> str | None:
        """What the target calls current, if it can still be asked."""
        try:
            return self._deployer.target(deployment.terms).current()
        except Exception:  # it is given up because of one
            return deployment.points_to

    def _end(self, tx: ControlTransaction, before: Deployment, after: Deployment) -> Deployment:
        ended = store_deployment(tx, before, after)
        note_deployment(tx, self._clock, Actor(name=SELF, reason=ended.reason), "deployment.end", ended)
        return ended


def _urgency(deployment: Deployment) -> tuple[bool, bool, int]:
    return deployment.status is not DeploymentStatus.RUNNING, not deployment.is_rollback, deployment.number


def _told(work: Callable[[], None]) -> None:
    """Do it; what goes wrong is told in the log, as the next look tries again."""
    try:
        work()
    except EbbgateError as error:
        log.error("deployments_failed", code=error.code, error=error.message)
    except Exception:
        log.exception("deployments_broke")
