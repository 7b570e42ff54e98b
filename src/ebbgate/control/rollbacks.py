"""The rollback after the flag went off, step by step; `core.rollbacks` says what follows from what (RULES H1 to H4).

Each step is check-then-act: what was committed is never done again, and what was not is done by the next look. The
outside effects are the published snapshot and the redeployment, each of which has its own key.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from ebbgate.control.audit import Actor, tell
from ebbgate.control.decisions import facts_of, record_step
from ebbgate.control.deployments import DeploymentService
from ebbgate.control.evidence import Summary, fold_recovery
from ebbgate.control.propagation import prove
from ebbgate.control.redeployment import redeploy, stage_two
from ebbgate.control.rollouts import find_rollout, note_change, stored
from ebbgate.control.snapshots import SnapshotService
from ebbgate.core.errors import StoreUnavailableError, TransitionError
from ebbgate.core.metrics import RECOVERY, Assignment
from ebbgate.core.rollbacks import End, Go, Move, Wait, decision_of, next_move
from ebbgate.core.rollouts.decision import Code, Decision, Step
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.look import DeploymentSeen, LookInputs, RollbackFacts, StageTwo
from ebbgate.core.rollouts.recovery import Propagation, judge_recovery
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackState, RollbackStep, RolloutState, Status
from ebbgate.core.rollouts.steps import settle
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, JournalRow
from ebbgate.ports.event_store import EventStore

SYSTEM = "ebbgate"
STEPS = ("rollback.recovery", "rollback.redeploy", "rollback.asked", "rollback.verify", "rollback.done")
"""Told to `on_step` when the move to a step is committed, and when the redeployment was asked for; tests end the
process there. The way into the first step is the looker's `committed`.
"""

_replace = msgspec.structs.replace


class RollbackService:
    """Carries a rollback from the written kill to its outcome. The kill itself was committed with the transition.

    deployments: of the second stage; None where this process deploys nothing.
    """

    def __init__(
        self,
        store: ControlStore,
        events: EventStore,
        clock: Clock,
        snapshots: SnapshotService,
        *,
        deployments: DeploymentService | None = None,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._snapshots = snapshots
        self._deployments = deployments
        self._on_step = on_step

    def step(self, state: RolloutState) -> RolloutState:
        """Do what is due, and return the state after it. Raises StoreUnavailableError, ConflictError."""
        assert state.rollback is not None, "only a rollback is stepped"
        flag_error = self._published(state)
        if state.rollback.step in (RollbackStep.RECOVERY, RollbackStep.VERIFY):
            return self._verify(state, flag_error)
        is_second = state.rollback.step is RollbackStep.REDEPLOY
        seen = RollbackFacts(
            proof=self.propagation(state, state.rollback.off_version),
            is_late=self._clock.machine_now() >= _deadline(state),
            flag_error=flag_error,
            stage_two=self._stage_two(state),
            deployment=self._redeployed(state) if is_second else None,
        )
        move = next_move(state.rollback.step, seen, None)
        if (decision := decision_of(move)) is None:
            assert isinstance(move, Wait), "whatever else happens is told"
            if move.is_page:
                self._page_once(state, move.reason)
            if flag_error:  # told as the loop's failure, and tried again
                raise StoreUnavailableError(flag_error, hint="see the log of control; it is tried again")
            return state
        return self._commit(state, move, decision, seen, summary=None)

    def _redeployed(self, state: RolloutState) -> DeploymentSeen:
        """Ask for the redeployment, which is the same however often it is asked for; how it stands."""
        if self._deployments is None:
            return DeploymentSeen(release=None, status=None, error=StageTwo().why)
        seen = redeploy(self._deployments, self._store, state)
        self._on_step("rollback.asked")
        return seen

    def propagation(self, state: RolloutState, version: int) -> Propagation:
        """Who serves a version or a later one now, of the evaluators of the rollout's environment."""
        return prove(
            self._events.evaluators(),
            version,
            environment=state.plan.environment,
            server_lost=state.plan.when.server_lost,
            now=self._clock.machine_now(),
        )

    def _published(self, state: RolloutState) -> str:
        """Publish what is staged; why the off version could not be, or nothing. Raises StoreUnavailableError where the
        store does not answer, which says nothing of the flag.
        """
        assert state.rollback is not None
        self._snapshots.publish()
        return self._snapshots.unpublished(state.plan.environment, state.rollback.off_version)

    def _stage_two(self, state: RolloutState) -> StageTwo:
        if self._deployments is None:
            return StageTwo()
        with self._store.transaction() as tx:
            return stage_two(tx, state)

    def _verify(self, state: RolloutState, flag_error: str) -> RolloutState:
        """Look at the units formerly treated until recovery is proven, refuted, or late (plan time)."""
        assert state.rollback is not None
        watermark = self._events.watermark()
        with self._store.transaction() as tx:
            evidence = tx.evidence(state.id)
        summary = fold_recovery(state, evidence, self._events, until=watermark)
        proof = self.propagation(state, state.rollback.off_version)
        exposed = self._exposed(state, watermark)
        recovery = judge_recovery(
            state,
            summary.analyses,
            summary.harm_bounds,
            proof,
            returned=summary.returned,
            now=self._clock.plan_now(),
            exposed_units=exposed,
        )
        if recovery.outcome is None and not summary.has_moved:
            return state
        seen = RollbackFacts(
            proof=proof,
            returned=summary.returned,
            harm_bounds=summary.harm_bounds,
            flag_error=flag_error,
            stage_two=self._stage_two(state),
            exposed_units=exposed,
        )
        move = next_move(state.rollback.step, seen, recovery)
        decision = decision_of(move)
        assert decision is not None, "what moved the metrics is told"
        return self._commit(state, move, decision, seen, summary=summary)

    def _exposed(self, state: RolloutState, watermark: datetime | None) -> int | None:
        """Distinct units that saw the new version in this try, by hash or by attribute. None as long as the log has
        not been read up to the flag-off and the time that evaluators have to follow: until then some may be on their
        way.
        """
        assert state.rollback is not None
        sent_by = state.rollback.started_at + state.plan.verify.propagation * self._clock.mapping.scale
        if watermark is None or watermark < sent_by or not state.phases:
            return None
        return self._events.exposed_units(
            environment=state.plan.environment,
            flag=state.plan.flag,
            versions=(state.phases[0].snapshot_version, None),
            variants=state.plan.treatment_variants,
        )

    def _commit(
        self, before: RolloutState, move: Move, decision: Decision, seen: RollbackFacts, *, summary: Summary | None
    ) -> RolloutState:
        """The move, its row, its evidence and its messages in one transaction."""
        assert before.rollback is not None
        looked = _looked(before, seen, summary, at=self._clock.machine_now())
        with self._store.transaction() as tx:
            after = stored(tx, before, self._moved(tx, looked, move, seen))
            if summary is not None:
                tx.put_evidence(before.id, summary.evidence)
            self._record(tx, decision, before, after, seen=seen, summary=summary)
            self._tell(tx, before, after, move)
        if after.rollback is not None and after.rollback.step is not before.rollback.step:
            self._on_step(f"rollback.{after.rollback.step.value}")
            self._snapshots.publish()
        return after

    def _moved(self, tx: ControlTransaction, state: RolloutState, move: Move, seen: RollbackFacts) -> RolloutState:
        rollback = state.rollback
        assert rollback is not None
        now, machine_now = self._clock.plan_now(), self._clock.machine_now()
        match move:
            case End():
                return settle(state, move.outcome, reason=move.reason, now=now)
            case Go(step=RollbackStep.RECOVERY):
                rollback = _replace(
                    rollback,
                    recovery_from_at=rollback.started_at,
                    recovery_deadline_at=now + state.plan.verify.recovery,
                )
                state = _replace(state, summarised_to=rollback.started_at)
            case Go(step=RollbackStep.REDEPLOY):
                rollback = _replace(
                    rollback,
                    redeploy_why=move.reason,
                    redeploy_to=seen.stage_two.release,
                    redeploy_from_at=machine_now,
                    is_recovery_skipped=rollback.step is not RollbackStep.RECOVERY or seen.actor is not None,
                )
            case Go(step=RollbackStep.VERIFY):
                rollback = _replace(
                    rollback,
                    redeployed_at=machine_now,
                    redeployed_version=tx.latest_version() + 1,
                    recovery_from_at=now,
                    recovery_deadline_at=now + state.plan.verify.recovery,
                )
                self._snapshots.stage(tx, state.plan.environment, cause=f"rollout {state.id}: redeployed")
                state = _replace(state, summarised_to=now)
            case _:
                return state
        return _replace(state, rollback=_replace(rollback, step=move.step))

    def _tell(self, tx: ControlTransaction, before: RolloutState, after: RolloutState, move: Move) -> None:
        if isinstance(move, Go):
            action = "propagated" if move.code is Code.PROPAGATED else move.code.value
            note_change(tx, self._clock, Actor(name=SYSTEM, reason=move.reason), f"rollback.{action}", before, after)
        elif isinstance(move, End):
            actor = Actor(name=SYSTEM, reason=move.reason)
            note_change(tx, self._clock, actor, f"rollback.{move.outcome.value}", before, after)
            if move.is_page:
                self._page(tx, after, move.reason)

    def _page(self, tx: ControlTransaction, state: RolloutState, reason: str) -> None:
        """Louder: nothing of ours goes on from here."""
        payload = {"title": f"{state.id}: a person is needed now", "words": reason, "severity": "critical"}
        key = f"rollback:{state.id}:page"
        tell(tx, self._clock, topic="page", subject=state.id, key=key, payload=payload)

    def _page_once(self, state: RolloutState, reason: str) -> None:
        """The same for a step that takes too long, and goes on."""
        key = f"rollback:{state.id}:{_step_of(state)}:late"
        now = self._clock.machine_now()
        with self._store.transaction() as tx:
            if tx.journal(key) is not None:
                return
            tx.put_journal(JournalRow(key=key, action="page", started_at=now, done_at=now, result=reason))
            payload = {"title": f"{state.id}: the way back takes too long", "words": reason, "severity": "critical"}
            tell(tx, self._clock, topic="page", subject=state.id, key=key, payload=payload)

    def redeploy(self, reference: str, *, actor: Actor) -> RolloutState:
        """Go straight to the second stage, on a person's word; one that is there already goes on. The flag is off.

        Raises NotFoundError, TransitionError (no rollback runs, or there is nothing to go back to).
        """
        with self._store.transaction() as tx:
            state = find_rollout(tx, reference)
            target = stage_two(tx, state, is_asked=True) if self._deployments is not None else StageTwo()
            if state.status is not Status.ROLLING_BACK:
                raise TransitionError(
                    f"rollout {state.id} is {state.status.value}: no rollback runs that has a second stage",
                    hint='deploy what you want to go back to: ebbgate release deploy VERSION --reason "..."',
                )
            if state.rollback is not None and state.rollback.redeploy_from_at is not None:
                return state
            if target.release is None:
                raise TransitionError(
                    f"the flag is off, but nothing can be redeployed: {target.why}",
                    hint="record the version that ran before: "
                    'ebbgate release adopt FOLDER --version v1.3.2 --reason "..."',
                )
            reason = f"asked for by {actor.name}: {actor.reason}; {target.release} goes back"
            move = Go(step=RollbackStep.REDEPLOY, code=Code.REDEPLOY, reason=reason)
            seen = RollbackFacts(actor=actor.name, stage_two=target)
            after = stored(tx, state, self._moved(tx, state, move, seen))
            self._record(tx, Step(code=Code.REDEPLOY, reason=reason), state, after, seen=seen, summary=None)
            note_change(tx, self._clock, actor, "rollback.redeploy", state, after)
        return after

    def settle(self, reference: str, *, actor: Actor) -> RolloutState:
        """End a rollback whose recovery nobody can prove, before its deadline, on a person's word: `unverified`, for
        what the numbers do not show nobody can say (RULES H3). Raises NotFoundError, TransitionError.
        """
        with self._store.transaction() as tx:
            state = find_rollout(tx, reference)
            if state.status is not Status.ROLLING_BACK:
                raise TransitionError(
                    f"rollout {state.id} is {state.status.value}: there is no rollback to settle",
                    hint=f"see where it stands: ebbgate rollout get {state.id}",
                )
            reason = f"settled by {actor.name}: {actor.reason}"
            after = settle(state, RollbackOutcome.UNVERIFIED, reason=reason, now=self._clock.plan_now())
            after = stored(tx, state, after)
            decision = Step(code=Code.UNVERIFIED, reason=reason)
            self._record(tx, decision, state, after, seen=RollbackFacts(actor=actor.name), summary=None)
            note_change(tx, self._clock, actor, "rollback.unverified", state, after)
        return after

    def _record(
        self,
        tx: ControlTransaction,
        decision: Decision,
        before: RolloutState,
        after: RolloutState,
        *,
        seen: RollbackFacts,
        summary: Summary | None,
    ) -> None:
        """The step as a row of the rollout's history, so that it can be explained and replayed like any other."""
        last = tx.last_decision(before.id)
        steps = facts_of(last).rollback if last is not None else None
        look = steps.look if steps is not None else (last.sequence if last is not None else 0)
        inputs = LookInputs(
            state=before,
            now=self._clock.plan_now(),
            health=Health(),
            assignment=summary.assignment if summary is not None else Assignment(phase=RECOVERY),
            analyses=summary.analyses if summary is not None else {},
            goals={},
            blocks=summary.data.blocks if summary is not None else [],
            broken=summary.data.broken if summary is not None else [],
            rollback=_replace(seen, look=look),
        )
        read_to = summary.summarised_to if summary is not None else None
        record_step(tx, self._clock, decision, inputs, after, offset=self._events.offset(), summarised_to=read_to)


def _deadline(state: RolloutState) -> datetime:
    """Machine time after which the step that runs is late."""
    assert state.rollback is not None
    if state.rollback.redeploy_from_at is not None:
        return state.rollback.redeploy_from_at + state.plan.verify.redeploy
    return state.rollback.propagation_deadline_at


def _step_of(state: RolloutState) -> str:
    assert state.rollback is not None
    return state.rollback.step.value


def _looked(state: RolloutState, seen: RollbackFacts, summary: Summary | None, *, at: datetime) -> RolloutState:
    """The state with what this look saw. at: machine time."""
    assert state.rollback is not None
    rollback: RollbackState = state.rollback
    if seen.proof is not None:
        rollback = _replace(
            rollback,
            confirmed=seen.proof.confirmed,
            expected=seen.proof.expected,
            unproven=seen.proof.unproven,
            stragglers=seen.proof.stragglers,
            served_at=(rollback.served_at or at) if seen.proof.is_complete and seen.proof.expected else None,
        )
    read_to = summary.summarised_to if summary is not None else state.summarised_to
    return _replace(state, rollback=rollback, summarised_to=read_to)
