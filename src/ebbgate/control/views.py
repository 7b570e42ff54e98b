"""What is shown of rollouts, put together from the stores."""

from collections.abc import Sequence
from statistics import quantiles

import msgspec

from ebbgate.control.decisions import facts_of
from ebbgate.control.rollbacks import RollbackService
from ebbgate.control.rollouts import find_rollout
from ebbgate.control.troubles import Troubles
from ebbgate.control.troubles import sentence_of as trouble_of
from ebbgate.core.rollouts.decision import Code
from ebbgate.core.rollouts.look import LookFacts
from ebbgate.core.rollouts.silence import silent_attributes, silent_events, silent_keys
from ebbgate.core.rollouts.state import LOOKED_AT, RolloutState, contrast_of
from ebbgate.core.rollouts.view import EvaluatorsView, PushView, RolloutLine, RolloutView, ladder, line_of, sentence_of
from ebbgate.core.rollouts.way_back import way_back
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, DecisionRow
from ebbgate.ports.event_store import EventStore


class ViewService:
    """Reads only."""

    def __init__(
        self,
        store: ControlStore,
        events: EventStore,
        clock: Clock,
        rollbacks: RollbackService,
        *,
        troubles: Troubles | None = None,
    ) -> None:
        """troubles: what the loop has noted."""
        self._store = store
        self._events = events
        self._clock = clock
        self._rollbacks = rollbacks
        self._troubles = troubles if troubles is not None else Troubles()

    def list(self) -> list[RolloutLine]:
        with self._store.transaction() as tx:
            states = tx.rollouts()
            last = {state.id: tx.last_decision(state.id) for state in states if state.status in LOOKED_AT}
        return [
            msgspec.structs.replace(line_of(state), trouble=self._trouble(state, last.get(state.id)))
            for state in states
        ]

    def get(self, reference: str) -> RolloutView:
        """A rollout by id or flag, as people see it. Raises NotFoundError."""
        with self._store.transaction() as tx:
            state = find_rollout(tx, reference)
            last = _last_look(tx, state.id)
            newest = tx.last_decision(state.id)
            incident = tx.incident_of_rollout(state.id)
            looks = tx.decision_count(state.id)
            latest = tx.latest_snapshot(state.plan.environment)
            next_version = _next_version(state, tx.rollouts())
        inputs = inputs_of(last) if last is not None else None
        health = inputs.health if inputs is not None else None
        proof = self._rollbacks.propagation(state, latest.version if latest is not None else 0)
        now = self._clock.plan_now()
        totals = self._events.totals()
        return RolloutView(
            id=state.id,
            app=state.plan.app,
            flag=state.plan.flag,
            release=state.release,
            environment=state.plan.environment,
            status=state.status,
            mode=state.mode,
            attempt=state.attempt,
            overlay=state.plan.overlay,
            created_at=state.created_at,
            now=now,
            phase=state.phase.name,
            phases=ladder(state),
            sentence=sentence_of(state, last.decision if last else None, now=now),
            looks=looks,
            revision=state.revision,
            ended_at=state.ended_at,
            decision=last.decision if last else None,
            looked_at=last.looked_at if last else None,
            metrics=(*(g.metric for g in state.plan.guardrails), *(g.metric for g in state.plan.goals)),
            analyses=tuple(inputs.analyses.values()) if inputs else (),
            goals=tuple(inputs.goals.values()) if inputs else (),
            assignment=inputs.assignment if inputs else None,
            sample_ratio=health.sample_ratio if health else None,
            exposed_share=health.exposed_share if health else None,
            exposed_units=self._exposed(state, next_version, inputs),
            excluded_units=self._excluded(state, next_version),
            is_external=state.plan.is_external,
            evaluators=EvaluatorsView(
                confirmed=proof.confirmed,
                expected=proof.expected,
                unproven=proof.unproven,
                stragglers=proof.stragglers,
                unheard=proof.unheard,
                lag_s_max=proof.lag_s_max,
            ),
            push=self._push(state),
            review=state.review,
            rollback=state.rollback,
            silence=self.silence(state),
            trouble=self._trouble(state, last),
            units_seen=totals.units,
            events_seen=totals.events,
            way_back=way_back(
                state,
                mapping=self._clock.mapping,
                waiting=newest.decision.reason if newest and newest.decision.code is Code.RECOVERING else "",
                incident=incident.id if incident is not None else None,
            ),
        )

    def _trouble(self, state: RolloutState, last: DecisionRow | None) -> tuple[str, ...]:
        """Looks that fail, and what the last one that worked could not compute; nothing of rollouts that are over."""
        if state.status not in LOOKED_AT:
            return ()
        looked_at = last.looked_at if last is not None else None
        broken = inputs_of(last).health.broken if last is not None else ()
        failed = [trouble_of(one, looked_at=looked_at) for one in self._troubles.of(state.id)]
        return (*failed, *(one.words for one in broken))

    def silence(self, state: RolloutState) -> tuple[str, ...]:
        """What does not arrive; nothing is said of rollouts that are over, nor while hardly anybody was exposed."""
        if state.status not in LOOKED_AT or not self._has_people(state):
            return ()
        seen = {name.name: name.count for name in self._events.names()}
        sentences = [one.words for one in silent_events(state.plan, seen)]
        for counts in self._events.evaluation_counts(state.plan.environment):
            if counts.flag == state.plan.flag:
                sentences += silent_attributes(counts.evaluations, counts.missing_attributes)
                sentences += silent_keys(counts.evaluations, counts.keyless)
        return tuple(sentences)

    def _has_people(self, state: RolloutState) -> bool:
        """Whether enough units came by in this phase, for long enough, that silence means something."""
        seen = self._events.assignment(contrast_of(state))
        came = seen.treatment + seen.control + seen.veterans + seen.audience
        return (
            came >= state.plan.min_units and self._clock.plan_now() >= state.phases[0].entered_at + 3 * state.plan.tick
        )

    def _exposed(self, state: RolloutState, next_version: int | None, inputs: LookFacts | None) -> int | None:
        """Distinct units that saw the new version. What another flag system exposes has no snapshot version: those of
        the last look, without those seen in both arms."""
        if state.plan.is_external:
            return inputs.assignment.treatment if inputs is not None else None
        return self._seen(state, next_version, state.plan.treatment_variants)

    def _seen(self, state: RolloutState, next_version: int | None, variants: Sequence[str]) -> int | None:
        """Distinct units that saw one of these in this rollout. next_version: where the flag's next one begins."""
        if not state.phases:
            return None
        return self._events.exposed_units(
            environment=state.plan.environment,
            flag=state.plan.flag,
            versions=(state.phases[0].snapshot_version, next_version),
            variants=variants,
        )

    def _excluded(self, state: RolloutState, next_version: int | None) -> int | None:
        """The same of units that the plan excludes; None where it excludes nobody."""
        return self._seen(state, next_version, state.plan.excluded_variants) if state.plan.exclude else None

    def _push(self, state: RolloutState) -> PushView | None:
        """How long the flag-off took to reach those that were connected then: who came later was not pushed to."""
        if state.rollback is None:
            return None
        off_at, environment = state.rollback.off_at, state.plan.environment
        arrivals = sorted(
            (c.received_at - off_at).total_seconds() * 1000.0
            for c in self._events.confirmations(state.rollback.off_version)
            if c.connected_at is not None and c.connected_at <= off_at and c.environment in (None, environment)
        )
        if not arrivals:
            return PushView(confirmed=0, ms_p50=None, ms_p99=None, ms_max=None)
        points = quantiles(arrivals, n=100, method="inclusive") if len(arrivals) > 1 else [arrivals[0]] * 99
        return PushView(confirmed=len(arrivals), ms_p50=points[49], ms_p99=points[98], ms_max=arrivals[-1])


def _next_version(state: RolloutState, others: list[RolloutState]) -> int | None:
    """The first snapshot version of the flag's next rollout in the environment; None if there is none."""
    if not state.phases:
        return None
    flag, first = (state.plan.environment, state.plan.flag), state.phases[0].snapshot_version
    begun = [o.phases[0].snapshot_version for o in others if o.phases and (o.plan.environment, o.plan.flag) == flag]
    return min((version for version in begun if version > first), default=None)


def _last_look(tx: ControlTransaction, rollout_id: str) -> DecisionRow | None:
    """The newest decision about the rollout itself: what came after it are the steps of its rollback."""
    last = tx.last_decision(rollout_id)
    steps = facts_of(last).rollback if last is not None else None
    if steps is None:
        return last
    return next(iter(tx.decisions(rollout_id, after=steps.look - 1, limit=1)), None) if steps.look else None


def inputs_of(row: DecisionRow) -> LookFacts:
    """What a stored decision rested on, but for the rollout's state."""
    return facts_of(row)
