"""What takes a version back besides the statistics: probes, other monitors, corrupted data, reports (RULES E3, F6, F7).

None of them spends anything of a rollout's error budget, and each is named as what it is.
"""

from enum import StrEnum

import msgspec

from ebbgate.control.apps import known_apps, require_app
from ebbgate.control.audit import Actor, tell
from ebbgate.control.flags_rows import require_environment
from ebbgate.control.incidents import grade, open_for_rollback, open_incident
from ebbgate.control.rollouts import begin_rollback, note_change, stored
from ebbgate.control.snapshots import SnapshotService
from ebbgate.core.incidents import Incident, IncidentKind
from ebbgate.core.incidents.requests import OpenedIncident, OpenIncident
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

    def open(self, asked: OpenIncident, *, actor: Actor) -> OpenedIncident:
        """Open an incident on a person's word. Of corrupted data, every running rollout of the app is taken back,
        whatever its mode, and the incident is the newest one's of those. Raises NotFoundError for an environment that
        is not there, and for an unknown app, unless it is said to be new: a misspelt one would take nothing back.
        """
        with self._store.transaction() as tx:
            require_environment(tx, asked.environment)
            if not asked.is_new_app:
                require_app(asked.app, known_apps(tx), otherwise="open it with --new-app")
            pulled = self._pulled_of_app(tx, asked, actor)
            theirs = [(one, tx.incident_of_rollout(one)) for one, outcome in pulled.items() if outcome is not None]
            acted = {one: incident for one, incident in theirs if incident is not None}
            opened = next(iter(acted.values()), None) or _opened(tx, self._clock, asked, actor)
        self._snapshots.publish()
        back = tuple(one for one in acted if pulled[one] is Pulled.TAKEN_BACK)
        return OpenedIncident(
            **msgspec.structs.asdict(opened),
            taken_back=back,
            frozen=tuple(one for one in acted if one not in back),
            left=tuple(one for one in pulled if one not in acted),
        )

    def _pulled_of_app(self, tx: ControlTransaction, asked: OpenIncident, actor: Actor) -> dict[str, Pulled | None]:
        """The app's rollouts under way, newest first, and what became of each; None where nothing was asked of it."""
        found = [
            state.id
            for state in tx.rollouts(statuses=ACTIVE)
            if (state.plan.app, state.plan.environment) == (asked.app, asked.environment)
        ]
        if asked.kind is not IncidentKind.DATA_CORRUPTION:
            return dict.fromkeys(found)
        cause = Cause(kind=asked.kind, source=f"person:{actor.name}")
        pulled: dict[str, Pulled | None] = {}
        for rollout_id in found:
            pulled[rollout_id] = self.pulled(tx, rollout_id, cause, actor=actor, is_person=True)
            incident = tx.incident_of_rollout(rollout_id)
            if incident is not None and asked.severity is not None:
                grade(tx, self._clock, incident, asked.severity, actor=actor)
        return pulled

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


def _opened(tx: ControlTransaction, clock: Clock, asked: OpenIncident, actor: Actor) -> Incident:
    """One of its own, where nothing was taken back."""
    return open_incident(
        tx,
        clock,
        actor,
        app=asked.app,
        kind=asked.kind,
        title=asked.title,
        severity=asked.severity,
        environment=asked.environment,
        release=asked.release,
        evidence=asked.evidence,
    )
