"""Every past decision again: the evidence folded from the stored blocks, judged, and decided (RULES E5).

Nothing is read but the decisions' rows: no events, no clock. What a look saw of the world (heartbeats, kills, who
confirmed) is among its inputs; verdicts, health and the decision are computed anew and compared with what was stored.
"""

from collections.abc import Iterator, Mapping

import msgspec

from ebbgate.control.decisions import InputsReader
from ebbgate.control.evidence import (
    Summary,
    fold_after,
    fold_all,
    goals_of,
    harm_bounds_of,
    look_analyses,
    recovery_analyses,
)
from ebbgate.control.evidence_health import health_of
from ebbgate.control.rollouts import find_rollout
from ebbgate.core.metrics import Analysis, LimitAnalysis, LimitStanding
from ebbgate.core.metrics.readings import is_only_read
from ebbgate.core.rollbacks import decision_of, next_move
from ebbgate.core.rollouts.decide import decide, in_mode
from ebbgate.core.rollouts.decision import Decision
from ebbgate.core.rollouts.look import EDITION, LookData, LookInputs
from ebbgate.core.rollouts.recovery import check_phases, judge_recovery
from ebbgate.core.rollouts.replay import Difference, ReplayView, differences
from ebbgate.core.rollouts.state import RollbackStep
from ebbgate.ports.control_store import ControlStore, DecisionRow, Evidence

PAGE = 500
"""Rows read at once: the loop must not wait for a long history."""

SENTENCES = ("words", "reason")
"""What follows from the numbers: compared where it was written as it is now, in words of today's edition."""

SHOWN = 50
"""Differences that are told one by one."""


class ReplayService:
    """Reads only."""

    def __init__(self, store: ControlStore) -> None:
        self._store = store

    def replay(self, reference: str) -> ReplayView:
        """Recompute every decision of a rollout, from its first on. Raises NotFoundError."""
        with self._store.transaction() as tx:
            state = find_rollout(tx, reference)
        rollout_id = state.id
        evidence, reader = Evidence(), InputsReader()
        found: list[Difference] = []
        decisions = values = by_person = differing = steps = 0
        for row in self._rows(rollout_id):
            inputs = reader.read(row)
            decisions += 1
            steps += inputs.rollback is not None
            if inputs.rollback is not None and inputs.rollback.actor is not None:
                by_person += 1
                continue
            evidence, compared, other = recompute(row, inputs, evidence)
            values += compared
            differing += len(other)
            found += other[: SHOWN - len(found)]
        with self._store.transaction() as tx:
            last, stored = tx.last_decision(rollout_id), tx.evidence(rollout_id)
        # The loop may have gone on meanwhile, and versions before this one did not store a rollback's steps.
        is_whole = last is not None and last.sequence == decisions and (state.rollback is None or steps > 0)
        return ReplayView(
            rollout_id=rollout_id,
            decisions=decisions,
            values=values,
            by_person=by_person,
            differences=tuple(found),
            differing=differing,
            state_is_same=not differences(0, stored, evidence)[1] if is_whole else None,
        )

    def _rows(self, rollout_id: str) -> Iterator[DecisionRow]:
        after = 0
        while True:
            with self._store.transaction() as tx:
                page = tx.decisions(rollout_id, after=after, limit=PAGE)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].sequence


def recompute(row: DecisionRow, inputs: LookInputs, evidence: Evidence) -> tuple[Evidence, int, list[Difference]]:
    """One decision again, given the evidence before it: the evidence after it, how many values were compared, and
    what differs."""
    if inputs.rollback is None:
        evidence, again, decision = _look(row, inputs, evidence)
    else:
        evidence, again, decision = _step(inputs, evidence, row.decision)
    stored = {"decision": row.decision, **{name: getattr(inputs, name) for name in again}}
    without = SENTENCES if inputs.edition < EDITION else ()
    compared, found = differences(row.sequence, stored, {"decision": decision, **again}, without=without)
    return evidence, compared, found


def _look(row: DecisionRow, inputs: LookInputs, evidence: Evidence) -> tuple[Evidence, dict[str, object], Decision]:
    state = inputs.state
    data = LookData(**{name: getattr(inputs, name) for name in LookData.__struct_fields__})
    evidence = fold_all(state, evidence, data, inputs.assignment, edition=inputs.edition)
    summary = Summary(
        evidence=evidence,
        analyses={name: _as_stored(found, inputs) for name, found in look_analyses(state, evidence).items()},
        goals=goals_of(state, evidence),
        assignment=inputs.assignment,
        data=data,
        summarised_to=row.summarised_to,
        has_moved=True,
    )
    health = health_of(state, summary, stale_for=inputs.health.stale_for, killed_by=inputs.health.killed_by)
    decision = in_mode(decide(state, summary.analyses, health, now=inputs.now), state, now=inputs.now)
    return evidence, {"analyses": summary.analyses, "goals": summary.goals, "health": health}, decision


def _as_stored(found: Analysis, inputs: LookInputs) -> Analysis:
    """Without what the version that stored the row did not know yet."""
    stored = inputs.analyses.get(found.metric)
    if inputs.edition < 1:
        limits = tuple(_with_share(limit) for limit in found.limits)
        parts = tuple(msgspec.structs.replace(part, outliers=None) for part in found.parts)
        found = msgspec.structs.replace(found, limits=limits, response=None, outliers=None, parts=parts)
    if stored is None or stored.window is not None:
        return found
    if stored.late is None:
        return msgspec.structs.replace(found, late=None, window=None, trail=())
    assert found.late is not None, "both or none"
    return msgspec.structs.replace(found, late=msgspec.structs.replace(found.late, trail=()), window=None, trail=())


def as_recovered(found: dict[str, Analysis], stored: Mapping[str, Analysis], inputs: LookInputs) -> dict[str, Analysis]:
    """Before edition 1, what is only read was judged as if it were compared: no recovery was ever asked of it."""
    if inputs.edition >= 1:
        return found
    read = {g.metric.name for g in inputs.state.plan.guardrails if is_only_read(g.metric)}
    return {name: stored.get(name, one) if name in read else one for name, one in found.items()}


def _with_share(limit: LimitAnalysis) -> LimitAnalysis:
    """As before edition 1: of what is only read, all or nothing was beyond its limit."""
    if limit.value is None:
        return limit
    share = 1.0 if limit.standing is LimitStanding.BREACHED else 0.0
    return msgspec.structs.replace(limit, treatment_share=share, value=None)


def _step(inputs: LookInputs, evidence: Evidence, stored: Decision) -> tuple[Evidence, dict[str, object], Decision]:
    state, facts = inputs.state, inputs.rollback
    assert facts is not None
    assert state.rollback is not None
    if state.rollback.step not in (RollbackStep.RECOVERY, RollbackStep.VERIFY):
        return evidence, {}, decision_of(next_move(state.rollback.step, facts, None)) or stored
    assert facts.proof is not None
    evidence = fold_after(state.plan, evidence, inputs)
    phase, returned_phase = check_phases(state)
    analyses = as_recovered(recovery_analyses(state, evidence, phase=phase), inputs.analyses, inputs)
    returned = as_recovered(recovery_analyses(state, evidence, phase=returned_phase), facts.returned, inputs)
    bounds = harm_bounds_of(evidence)
    recovery = judge_recovery(
        state, analyses, bounds, facts.proof, returned=returned, now=inputs.now, exposed_units=facts.exposed_units
    )
    again = msgspec.structs.replace(facts, returned=returned, harm_bounds=bounds)
    decision = decision_of(next_move(state.rollback.step, again, recovery))
    assert decision is not None
    return evidence, {"analyses": analyses, "rollback": again}, decision
