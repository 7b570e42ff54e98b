"""The rollback after the flag went off: proof of propagation, then recovery (RULES H1 to H3). Each step is
check-then-act.
"""

import msgspec

from ebbgate.control.audit import Actor
from ebbgate.control.decisions import facts_of, record_step
from ebbgate.control.evidence import Summary, fold_recovery
from ebbgate.control.propagation import prove
from ebbgate.control.rollouts import find_rollout, note_change, stored
from ebbgate.control.snapshots import SnapshotService
from ebbgate.core.errors import TransitionError
from ebbgate.core.metrics import RECOVERY, Assignment
from ebbgate.core.rollouts.decision import Code, Decision, Hold, Step
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.look import LookInputs, RollbackFacts
from ebbgate.core.rollouts.recovery import Propagation, Recovery, judge_recovery
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackStep, RolloutState, Status
from ebbgate.core.rollouts.steps import settle
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction
from ebbgate.ports.event_store import EventStore


class RollbackService:
    """Carries a rollback from the written kill to its outcome. The kill itself was committed with the transition."""

    def __init__(self, store: ControlStore, events: EventStore, clock: Clock, snapshots: SnapshotService) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._snapshots = snapshots

    def step(self, state: RolloutState) -> RolloutState:
        """Do what is due, and return the state after it. Raises StoreUnavailableError, ConflictError."""
        self._snapshots.publish()
        assert state.rollback is not None, "only a rollback is stepped"
        if state.rollback.step is RollbackStep.PROPAGATION:
            return self._prove(state)
        return self._verify(state)

    def propagation(self, state: RolloutState, version: int) -> Propagation:
        """Who serves a version or a later one now, of the evaluators of the rollout's environment."""
        return prove(
            self._events.evaluators(),
            version,
            environment=state.plan.environment,
            server_lost=state.plan.when.server_lost,
            now=self._clock.machine_now(),
        )

    def _prove(self, state: RolloutState) -> RolloutState:
        """Wait until every connected evaluator confirmed, at most until the deadline (machine time)."""
        assert state.rollback is not None
        proof = self.propagation(state, state.rollback.off_version)
        is_late = self._clock.machine_now() >= state.rollback.propagation_deadline_at
        if not is_late and not (proof.is_complete and proof.expected):
            return state
        now = self._clock.plan_now()
        rollback = msgspec.structs.replace(
            state.rollback,
            step=RollbackStep.RECOVERY,
            confirmed=proof.confirmed,
            expected=proof.expected,
            unproven=proof.unproven,
            stragglers=proof.stragglers,
            recovery_from_at=state.rollback.started_at,
            recovery_deadline_at=now + state.plan.verify.recovery,
        )
        after = msgspec.structs.replace(state, rollback=rollback, summarised_to=state.rollback.started_at)
        words = f"{proof.confirmed}/{proof.expected} confirmed, {proof.unproven_words}"
        with self._store.transaction() as tx:
            after = stored(tx, state, after)
            note_change(tx, self._clock, Actor(name="ebbgate", reason=words), "rollback.propagated", state, after)
            self._record(tx, Step(code=Code.PROPAGATED, reason=words), state, after, proof=proof, summary=None)
        return after

    def _verify(self, state: RolloutState) -> RolloutState:
        """Look at the units formerly treated until recovery is proven, refuted, or late (plan time)."""
        assert state.rollback is not None
        watermark = self._events.watermark()
        with self._store.transaction() as tx:
            evidence = tx.evidence(state.id)
        summary = fold_recovery(state, evidence, self._events, until=watermark)
        proof = self.propagation(state, state.rollback.off_version)
        now = self._clock.plan_now()
        recovery = judge_recovery(
            state, summary.analyses, summary.harm_bounds, proof, returned=summary.returned, now=now
        )
        after = msgspec.structs.replace(
            state,
            summarised_to=summary.summarised_to,
            rollback=msgspec.structs.replace(
                state.rollback,
                confirmed=proof.confirmed,
                expected=proof.expected,
                unproven=proof.unproven,
                stragglers=proof.stragglers,
            ),
        )
        if recovery.outcome is None and not summary.has_moved:
            return state
        with self._store.transaction() as tx:
            if recovery.outcome is not None:
                after = settle(after, recovery.outcome, reason=recovery.reason, now=now)
            after = stored(tx, state, after)
            tx.put_evidence(state.id, summary.evidence)
            self._record(tx, decision_of(recovery), state, after, proof=proof, summary=summary)
            if recovery.outcome is not None:
                actor = Actor(name="ebbgate", reason=recovery.reason)
                note_change(tx, self._clock, actor, f"rollback.{recovery.outcome.value}", state, after)
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
            self._record(tx, decision, state, after, proof=None, summary=None, actor=actor.name)
            note_change(tx, self._clock, actor, "rollback.unverified", state, after)
        return after

    def _record(
        self,
        tx: ControlTransaction,
        decision: Decision,
        before: RolloutState,
        after: RolloutState,
        *,
        proof: Propagation | None,
        summary: Summary | None,
        actor: str | None = None,
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
            rollback=RollbackFacts(
                proof=proof,
                returned=summary.returned if summary is not None else {},
                harm_bounds=summary.harm_bounds if summary is not None else {},
                look=look,
                actor=actor,
            ),
        )
        read_to = summary.summarised_to if summary is not None else None
        record_step(tx, self._clock, decision, inputs, after, offset=self._events.offset(), summarised_to=read_to)


def decision_of(recovery: Recovery) -> Decision:
    """What a look at the recovery decides: to go on looking, or the outcome."""
    if recovery.outcome is None:
        reason = recovery.reason or "not yet proven"
        return Hold(code=Code.RECOVERING, reason=f"waiting for the metrics: {reason}", metrics=recovery.open)
    return Step(code=Code(recovery.outcome.value), reason=recovery.reason, metrics=recovery.open)
