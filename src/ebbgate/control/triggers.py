"""What takes a version back besides the statistics: probes, other monitors, corrupted data, reports (RULES E3, F6, F7).

None of them spends anything of a rollout's error budget, and each is named as what it is.
"""

from enum import StrEnum

import msgspec

from ebbgate.control.audit import Actor, tell
from ebbgate.control.incidents import open_for_rollback
from ebbgate.control.rollouts import begin_rollback, note_change, stored
from ebbgate.control.snapshots import SnapshotService
from ebbgate.core.incidents import Incident, IncidentKind
from ebbgate.core.rollouts.decide import seen_key
from ebbgate.core.rollouts.decision import Code, Review
from ebbgate.core.rollouts.plan import Mode, Response
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.core.rollouts.steps import open_review, pause
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, JournalRow

ACTIVE = (Status.RUNNING, Status.WATCHING, Status.PAUSED, Status.REVIEW)
OUTSIDE = "outside of the statistics"
"""How a reason says that no error budget was spent on it."""


class Pulled(StrEnum):
    """What became of a trigger."""

    TAKEN_BACK = "taken_back"
    ASKED = "asked"  # a person is asked: the mode, or the plan, says so
    FROZEN = "frozen"  # it cannot be reversed: paused, and paged
    TOLD = "told"  # the mode only says what it would do, or another system serves the flag
    NOTHING = "nothing"  # there is nothing to take back, or it is known


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What pulled a trigger. source: such as `probe:outage`; a person is asked about one once in a phase. episode: what
    tells one time from another, where it is only told. answer: ROLLBACK, or REVIEW to ask a person in any mode.
    """

    kind: IncidentKind
    source: str
    episode: str = ""
    answer: Response = Response.ROLLBACK


class TriggerService:
    """Pulls triggers. Level-triggered: one that is pulled again does nothing again."""

    def __init__(self, store: ControlStore, clock: Clock, snapshots: SnapshotService) -> None:
        self._store = store
        self._clock = clock
        self._snapshots = snapshots

    def pull(self, rollout_id: str, cause: Cause, *, actor: Actor) -> Pulled:
        """What the rollout's mode and plan make of it. actor: with the reason. Raises StoreUnavailableError,
        ConflictError.
        """
        with self._store.transaction() as tx:
            pulled = self.pulled(tx, rollout_id, cause, actor=actor)
        self._snapshots.publish()
        return pulled

    def take_back_app(self, app: str, environment: str, cause: Cause, *, actor: Actor) -> list[Incident]:
        """On a person's word, whatever the mode: every running rollout of the app; the incidents of all that was
        taken back, or frozen where it cannot be reversed.
        """
        with self._store.transaction() as tx:
            found = [
                state.id
                for state in tx.rollouts(statuses=ACTIVE)
                if (state.plan.app, state.plan.environment) == (app, environment)
            ]
            for rollout_id in found:
                self.pulled(tx, rollout_id, cause, actor=actor, is_person=True)
            incidents = [tx.incident_of_rollout(rollout_id) for rollout_id in found]
        self._snapshots.publish()
        return [incident for incident in incidents if incident is not None]

    def pulled(
        self, tx: ControlTransaction, rollout_id: str, cause: Cause, *, actor: Actor, is_person: bool = False
    ) -> Pulled:
        """The same in a transaction of the caller's, who publishes afterwards."""
        state = tx.rollout(rollout_id)
        if state is None or state.status not in ACTIVE:
            return Pulled.NOTHING
        if state.plan.is_external or (state.mode is Mode.OBSERVE and not is_person):
            return self._say(tx, state, cause, actor)
        if not is_person and (state.mode is Mode.RECOMMEND or cause.answer is Response.REVIEW):
            return self._ask(tx, state, cause, actor)
        if not all(state.plan.phases[record.index].reversible for record in state.phases):
            return self._freeze(tx, state, cause, actor)
        after = stored(tx, state, begin_rollback(tx, self._clock, state, actor, kind=cause.kind))
        self._snapshots.stage(tx, state.plan.environment, cause=f"rollout {state.id}: {cause.source}")
        note_change(tx, self._clock, actor, "rollout.roll_back", state, after)
        return Pulled.TAKEN_BACK

    def _say(self, tx: ControlTransaction, state: RolloutState, cause: Cause, actor: Actor) -> Pulled:
        key = f"trigger:{state.id}:{cause.source}:{cause.episode}"
        if tx.journal(key) is not None:
            return Pulled.NOTHING
        now = self._clock.machine_now()
        tx.put_journal(JournalRow(key=key, action="trigger", started_at=now, done_at=now, result=actor.reason))
        words = f"would take it back: {actor.reason}"
        if state.plan.is_external:
            words = f"switch it off where it is served: {actor.reason}"
        tell(tx, self._clock, topic="rollback", subject=state.id, key=key, payload={"words": words})
        return Pulled.TOLD

    def _ask(self, tx: ControlTransaction, state: RolloutState, cause: Cause, actor: Actor) -> Pulled:
        code = Code(cause.kind.value)
        is_asked = state.review is not None and state.review.proposes == "rollback"
        if is_asked or seen_key(code, (cause.source,)) in state.acknowledged:
            return Pulled.NOTHING
        terms = state.plan.when.harm_terms or state.plan.when.off_target
        review = Review(
            code=code,
            reason=actor.reason,
            metrics=(cause.source,),
            deadline=terms.deadline,
            then=terms.then,
            proposes="rollback",
        )
        after = stored(tx, state, open_review(state, review, now=self._clock.plan_now()))
        note_change(tx, self._clock, actor, "rollout.review", state, after)
        return Pulled.ASKED

    def _freeze(self, tx: ControlTransaction, state: RolloutState, cause: Cause, actor: Actor) -> Pulled:
        if state.status is Status.PAUSED and tx.incident_of_rollout(state.id) is not None:
            return Pulled.NOTHING
        why = Actor(name=actor.name, reason=f"cannot be reversed automatically; {actor.reason}")
        open_for_rollback(tx, self._clock, state, why, kind=cause.kind, is_frozen=True)
        if state.status is not Status.PAUSED:
            after = stored(tx, state, pause(state, reason=why.reason))
            note_change(tx, self._clock, why, "rollout.pause", state, after)
        return Pulled.FROZEN
