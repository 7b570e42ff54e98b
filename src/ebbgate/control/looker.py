"""The reconcile step of one rollout: read, summarise, decide, commit, act (RULES I2). Killing it anywhere loses
nothing.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from ebbgate.control.audit import Actor
from ebbgate.control.decisions import record_decision
from ebbgate.control.evidence import Summary, fold_rollout
from ebbgate.control.evidence_health import health_of
from ebbgate.control.evidence_read import NOTHING
from ebbgate.control.incidents import kind_of, open_for_rollback
from ebbgate.control.readings import ReadingService
from ebbgate.control.rollbacks import RollbackService
from ebbgate.control.rollouts import begin_rollback, measured_attribute_share, note_change, stored
from ebbgate.control.snapshots import SnapshotService
from ebbgate.core.incidents import IncidentKind
from ebbgate.core.rollouts.decide import decide, in_mode
from ebbgate.core.rollouts.decision import Advance, Code, Decision, Hold, Pause, Review, Rollback
from ebbgate.core.rollouts.decision import Step as RollbackStep
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.look import LookData, LookInputs
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.core.rollouts.steps import advance, open_review, pause
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, DecisionRow
from ebbgate.ports.event_log import EventLogReader
from ebbgate.ports.event_store import EventStore

log = structlog.get_logger("ebbgate.looker")

LOOP = "ebbgate"
"""The actor of what the loop does by itself."""

Step = Callable[[str], None]
"""Told the name of each step as it is reached; tests end the process there."""

STEPS = ("ingested", "summarised", "decided", "committed", "written", "published")
"""In order; `written` is told by `SnapshotService`."""


class Looker:
    """Looks at rollouts. The log offset is the only cursor into the events; the store's revision guards the state."""

    def __init__(
        self,
        store: ControlStore,
        events: EventStore,
        log: EventLogReader,
        clock: Clock,
        snapshots: SnapshotService,
        rollbacks: RollbackService,
        *,
        readings: ReadingService | None = None,
        on_step: Step = lambda _: None,
    ) -> None:
        self._store = store
        self._events = events
        self._log = log
        self._clock = clock
        self._snapshots = snapshots
        self._rollbacks = rollbacks
        self._readings = readings
        self._on_step = on_step

    def ingest(self) -> int:
        """Take what is in the log at this moment; returns the offset reached. What comes meanwhile is the next
        tick's.
        """
        end = self._log.end_offset()
        while self._events.offset() < end and (read := self._log.read(self._events.offset())).records:
            self._events.ingest(read.records)
        self._on_step("ingested")
        return self._events.offset()

    def look(self, state: RolloutState) -> DecisionRow | None:
        """One look at a rollout; None when there is nothing new to look at. Raises StoreUnavailableError,
        ConflictError.
        """
        if state.status is Status.ROLLING_BACK:
            self._rollbacks.step(state)
            return None
        now = self._clock.plan_now()
        offset = self._events.offset()
        with self._store.transaction() as tx:
            evidence = tx.evidence(state.id)
            last = tx.last_decision(state.id)
            kill = next((k for k in tx.kills(state.plan.environment) if k.flag == state.plan.flag), None)
        until = self._events.watermark()
        readings = self._readings.read(state, evidence, until=until) if self._readings is not None else NOTHING
        summary = fold_rollout(state, evidence, self._events, until=until, readings=readings)
        for one in summary.evidence.broken:
            if one not in evidence.broken:
                log.error("metric_broken", rollout=state.id, metric=one.metric, phase=one.phase, error=one.what)
        self._on_step("summarised")
        is_killed = kill is not None and not state.plan.is_external  # of a flag of that name in another system: no
        killed_by = f"{kill.actor}: {kill.reason}" if kill is not None and is_killed else None
        health = health_of(state, summary, stale_for=self._stale_for(now), killed_by=killed_by)
        decision = in_mode(decide(state, summary.analyses, health, now=now), state, now=now)
        self._on_step("decided")
        if last is not None and not summary.has_moved and is_repeat(last.decision, decision):
            return None
        row = self._commit(state, summary, decision, health=health, now=now, offset=offset)
        self._on_step("committed")
        self._snapshots.publish()
        self._on_step("published")
        return row

    def _stale_for(self, now: datetime) -> timedelta | None:
        """Machine time since the newest record of the log; the edge appends a heartbeat each second."""
        watermark = self._events.watermark()
        if watermark is None:
            return None
        return max(timedelta(0), self._clock.mapping.machine_duration(now - watermark))

    def _commit(
        self,
        before: RolloutState,
        summary: Summary,
        decision: Decision,
        *,
        health: Health,
        now: datetime,
        offset: int,
    ) -> DecisionRow:
        inputs = LookInputs(
            state=before,
            now=now,
            health=health,
            assignment=summary.assignment,
            analyses=summary.analyses,
            goals=summary.goals,
            **{name: getattr(summary.data, name) for name in LookData.__struct_fields__},
        )
        with self._store.transaction() as tx:
            looked = msgspec.structs.replace(before, summarised_to=summary.summarised_to)
            after = stored(tx, before, self._apply(tx, looked, decision, now=now))
            if isinstance(decision, Advance | Rollback):
                self._snapshots.stage(tx, before.plan.environment, cause=f"rollout {before.id}: {decision.code.value}")
            tx.put_evidence(before.id, summary.evidence)
            row = record_decision(
                tx, self._clock, decision, inputs, after, offset=offset, summarised_to=summary.summarised_to
            )
            if not isinstance(decision, Hold):
                actor = Actor(name=LOOP, reason=decision.reason)
                note_change(tx, self._clock, actor, f"rollout.{decision_name(decision)}", before, after)
                if isinstance(decision, Pause) and decision.code is Code.IRREVERSIBLE:
                    open_for_rollback(tx, self._clock, before, actor, kind=IncidentKind.HARM, is_frozen=True)
        return row

    def _apply(self, tx: ControlTransaction, state: RolloutState, decision: Decision, *, now: datetime) -> RolloutState:
        """The state that a decision leads to; the caller stores it."""
        match decision:
            case Advance():
                return advance(
                    state,
                    snapshot_version=tx.latest_version() + 1,
                    measured_attribute_share=measured_attribute_share(self._events, state),
                    now=now,
                    reason=decision.reason,
                )
            case Rollback():
                actor = Actor(name=LOOP, reason=decision.reason)
                return begin_rollback(tx, self._clock, state, actor, kind=kind_of(_cause(state, decision)))
            case Review():
                return open_review(state, decision, now=now)
            case Pause():
                return pause(state, reason=decision.reason)
            case Hold() | RollbackStep():
                return state


def _cause(state: RolloutState, decision: Decision) -> Code:
    """What was found, where a review about it has run out."""
    is_expired = decision.code is Code.REVIEW_EXPIRED and state.review is not None
    return Code(state.review.code) if state.review is not None and is_expired else decision.code


def decision_name(decision: Decision) -> str:
    """The decision's word, as in the field `decision` of its JSON."""
    tag = decision.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def is_repeat(last: Decision, decision: Decision) -> bool:
    """Whether a decision only says again what the last one said."""
    return isinstance(decision, Hold) and isinstance(last, Hold) and last.code == decision.code
