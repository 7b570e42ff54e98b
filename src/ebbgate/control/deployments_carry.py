"""Carries one deployment out, step by step, while its target is held (RULES H1).

Each step is journaled before and after. After a kill it goes on where the rows say, and does the step again that was
under way. Every step looks before it acts, but the restarts, which are marked repeatable.
"""

from collections.abc import Callable

import msgspec
import structlog

from ebbgate.control.audit import Actor
from ebbgate.control.deployments import note_deployment, store_deployment
from ebbgate.control.deployments_ship import Voyage, voyage_of
from ebbgate.control.deployments_steps import GaveWayError, StepRunner
from ebbgate.control.releases_current import current_of
from ebbgate.control.releases_rows import note_release, store_release
from ebbgate.core.errors import (
    ArtifactDamagedError,
    ArtifactMissingError,
    DeployError,
    EbbgateError,
    StoreUnavailableError,
)
from ebbgate.core.releases import Deployment, DeploymentStatus, DeployStep, Proof, ReleaseState, ReleaseTrigger, move
from ebbgate.core.releases.current import answering_end
from ebbgate.core.releases.deploy_steps import begun, ended_empty, gave_way, noted, went_well, went_wrong
from ebbgate.core.releases.deployment import REPEATABLE
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, JournalRow
from ebbgate.ports.deployer import Target

SELF = "ebbgate"
_FAILURES = (DeployError, ArtifactMissingError, ArtifactDamagedError, StoreUnavailableError)
Step = Callable[[str], None]
"""Told `deploy.<step>.acted` (the effect is there, the journal not yet) and `deploy.<step>.noted`; tests kill there."""

log = structlog.get_logger("ebbgate.deployments")


class DeploymentCarrier:
    """The steps of one deployment at a time, whichever thread calls."""

    def __init__(self, store: ControlStore, artifacts: ArtifactStore, clock: Clock, *, on_step: Step) -> None:
        self._store = store
        self._clock = clock
        self._steps = StepRunner(artifacts, clock)
        self._on_step = on_step

    def carry(self, deployment: Deployment, target: Target, is_stopped: Callable[[], bool]) -> None:
        """To its end, or to the end of the step that is under way when `is_stopped` says so. target: held. Raises
        StoreUnavailableError.
        """
        if deployment.status is DeploymentStatus.QUEUED:
            deployment = self._begin(deployment, target)
        else:
            deployment = self._resumed(deployment, target)
        while not deployment.is_over and not is_stopped():
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
