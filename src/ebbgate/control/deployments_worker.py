"""Carries deployments out: one at a time for each target, targets side by side (RULES H1).

Each step is journaled before and after. Level-triggered: after a kill it goes on where the rows say, and does the step
again that was under way. Every step looks before it acts, but the restarts, which are marked repeatable.
"""

import threading
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial

import msgspec
import structlog

from ebbgate.control.audit import Actor, tell
from ebbgate.control.deployments import note_deployment, store_deployment
from ebbgate.control.deployments_ship import Voyage, voyage_of
from ebbgate.control.deployments_steps import GaveWayError, StepRunner
from ebbgate.control.releases_current import current_of
from ebbgate.control.releases_rows import note_release, store_release
from ebbgate.core.errors import (
    ArtifactDamagedError,
    ArtifactMissingError,
    ConflictError,
    DeployError,
    EbbgateError,
    StoreUnavailableError,
)
from ebbgate.core.releases import (
    Deployment,
    DeploymentStatus,
    DeployStep,
    Proof,
    ReleaseState,
    ReleaseTrigger,
    move,
)
from ebbgate.core.releases.current import answering_end
from ebbgate.core.releases.deploy_steps import begun, broke, ended_empty, gave_way, noted, went_well, went_wrong
from ebbgate.core.releases.deployment import REPEATABLE
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, JournalRow
from ebbgate.ports.deployer import Deployer, Target

IDLE = timedelta(seconds=1)
HOLD_WAIT = timedelta(seconds=2)
"""Machine time to wait for a target that another process holds, before the next look."""

AT_ONCE = 8
"""Targets served side by side at most. A rollback's target is served beyond it."""

BROKE_MAX = 5
"""Unforeseen errors of one deployment before it is given up. A restart of control counts anew."""

WAITING = (DeploymentStatus.QUEUED, DeploymentStatus.RUNNING)
SELF = "ebbgate"
_FAILURES = (DeployError, ArtifactMissingError, ArtifactDamagedError, StoreUnavailableError)
Step = Callable[[str], None]
"""Told `deploy.<step>.acted` (the effect is there, the journal not yet) and `deploy.<step>.noted`; tests kill there."""

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
        self._steps = StepRunner(artifacts, clock)
        self._on_step = on_step
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
            self._carry(deployment, target)
        finally:
            hold.__exit__()
        self._broke.pop(deployment.id, None)
        return True

    def _carry(self, deployment: Deployment, target: Target) -> None:
        if deployment.status is DeploymentStatus.QUEUED:
            deployment = self._begin(deployment, target)
        else:
            deployment = self._resumed(deployment, target)
        while not deployment.is_over and not self._stop.is_set():
            deployment = self._step(deployment, target)

    def _begin(self, deployment: Deployment, target: Target) -> Deployment:
        here = target.current()
        now = self._clock.machine_now()
        with self._store.transaction() as tx:
            known = tx.release(here) if here is not None else current_of(tx, deployment.app).last_good
            release = tx.release(deployment.release)
            after = begun(deployment, here=here, previous=known.id if known else None, at=now)
            if here is not None and known is None:
                text = f"{here} is current there, of which nothing is known here: there would be no way back"
                after = went_wrong(after, text=text, at=now, can_go_back=False)
            elif release is not None and release.is_bad and not deployment.override:
                text = f"{release.id} was quarantined while this waited"
                after = went_wrong(after, text=text, at=now, can_go_back=False)
            stored = store_deployment(tx, deployment, after)
            if stored.is_over:
                note_deployment(tx, self._clock, Actor(name=SELF, reason=stored.reason), "deployment.end", stored)
            return stored

    def _resumed(self, deployment: Deployment, target: Target) -> Deployment:
        text = f"went on after a stop, at {deployment.step.value}"
        if deployment.step in REPEATABLE:
            text += ", which may be done twice"
        here = target.current()  # a switch may have been done, and not been noted
        with self._store.transaction() as tx:
            after = noted(deployment, text, at=self._clock.machine_now())
            return store_deployment(tx, deployment, msgspec.structs.replace(after, points_to=here))

    def _step(self, deployment: Deployment, target: Target) -> Deployment:
        """One step: journal, act, journal with what follows."""
        step = deployment.step
        key = f"deploy:{deployment.id}:{step.value}"
        with self._store.transaction() as tx:
            voyage = voyage_of(tx, deployment)
            journal = tx.journal(key) or JournalRow(
                key=key, action=f"deploy.{step.value}", started_at=self._clock.machine_now()
            )
            tx.put_journal(journal)
        after = self._acted(deployment, target, voyage)
        after = msgspec.structs.replace(after, points_to=target.current())
        self._on_step(f"deploy.{step.value}.acted")
        with self._store.transaction() as tx:
            now = self._clock.machine_now()
            result = after.events[-1].text if after.events else ""
            tx.put_journal(msgspec.structs.replace(journal, done_at=now, result=result))
            stored = store_deployment(tx, deployment, after)
            if stored.is_over:
                note_deployment(tx, self._clock, Actor(name=SELF, reason=stored.reason), "deployment.end", stored)
                self._note_answering(tx, stored)
        self._on_step(f"deploy.{step.value}.noted")
        log.info("deployment_step", deployment=stored.id, step=step.value, status=stored.status.value, text=result)
        return stored

    def _note_answering(self, tx: ControlTransaction, ended: Deployment) -> None:
        """What answered at its end is a deployed release; one that was brought back is that already, as a rule."""
        name = answering_end(ended)
        release = tx.release(name) if name is not None else None
        is_back = ended.status is not DeploymentStatus.DONE
        if release is None or (is_back and release.state is not ReleaseState.BUILT):
            return
        moved = store_release(tx, release, move(release, ReleaseTrigger.DEPLOY, at=self._clock.machine_now()))
        note_release(tx, self._clock, Actor(name=SELF, reason=ended.reason), "release.deploy", release, moved)

    def _acted(self, deployment: Deployment, target: Target, voyage: Voyage) -> Deployment:
        """The deployment after the step's effect, good or not."""
        try:
            text, proof = self._steps.run(deployment.step, target, voyage, lambda: self._must_give_way(deployment))
        except GaveWayError as error:
            return gave_way(deployment, text=error.message, at=self._clock.machine_now())
        except _FAILURES as error:
            return self._failed(deployment, voyage, error)
        now = self._clock.machine_now()
        if deployment.step is DeployStep.SWITCH_BACK and voyage.back is None:
            return ended_empty(deployment, text=text, at=now)
        return went_well(deployment, text=text, at=now, proof=proof or Proof.NONE)

    def _failed(self, deployment: Deployment, voyage: Voyage, error: EbbgateError) -> Deployment:
        """Back to what was there before: another release, or nothing. Never to a quarantined one, nor to itself."""
        is_itself = deployment.previous == deployment.release
        text = error.message
        if voyage.is_back_bad:
            text += f"; {deployment.previous} is quarantined, so it was not brought back"
        can_go_back = not voyage.is_back_bad and not is_itself
        return went_wrong(deployment, text=text, at=self._clock.machine_now(), can_go_back=can_go_back)

    def _must_give_way(self, deployment: Deployment) -> bool:
        if deployment.is_rollback:
            return False
        with self._store.transaction() as tx:
            waiting = tx.deployments(target=deployment.target, statuses=(DeploymentStatus.QUEUED,))
        return any(one.is_rollback for one in waiting)

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
