"""Why a decision was made, for a person who knows no statistics; the exact numbers are in `explain_exact`."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from ebbgate.core.rollouts.decision import Decision, Rollback
from ebbgate.core.rollouts.explain_exact import exact_lines, exact_of
from ebbgate.core.rollouts.explain_metric import duration_words, is_told, limit_sentence, metric_sentences
from ebbgate.core.rollouts.explain_recovery import decided_sentences, recovery_sentences
from ebbgate.core.rollouts.health import CROSSED_MAX, Health
from ebbgate.core.rollouts.look import LookInputs
from ebbgate.core.rollouts.state import Status


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of a rollout's history, without its inputs.

    sequence: 1, 2, ... within the rollout. offset: of the log, read up to. looked_at and summarised_*: plan time;
    machine_at: machine time.
    """

    rollout_id: str
    sequence: int
    decision: Decision
    status_before: Status
    status_after: Status
    looked_at: datetime
    machine_at: datetime
    offset: int
    summarised_from: datetime | None = None
    summarised_to: datetime | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, what it rested on in plain sentences, the statistics behind them line by line, and the very inputs
    that `decide` was given."""

    decision: DecisionView
    sentences: tuple[str, ...]
    exact: tuple[str, ...] = ()
    inputs: LookInputs


class DecidedLook(msgspec.Struct, frozen=True, kw_only=True):
    """A look with what it rested on."""

    decision: DecisionView
    inputs: LookInputs


def explain(decision: DecisionView, inputs: LookInputs, *, before: DecidedLook | None = None) -> Explanation:
    """Put a stored decision in words. Pure: the same row always reads the same. before: of a step of a rollback, the
    last look before the rollback, if there was one."""
    said = _step(decision, inputs, before) if inputs.rollback is not None else _look(decision, inputs)
    return Explanation(decision=decision, sentences=tuple(said), exact=tuple(_exact(inputs, before)), inputs=inputs)


def _look(decision: DecisionView, inputs: LookInputs) -> Iterator[str]:
    guardrails = {g.metric.name: g for g in inputs.state.plan.guardrails}
    told = [(guardrails[name], analysis) for name, analysis in inputs.analyses.items() if name in guardrails]
    yield from _outcome(decision)
    yield from _age(inputs)
    for guardrail, analysis in told:
        yield from metric_sentences(guardrail, analysis, inputs)
    yield from (limit_sentence(guardrail, x) for guardrail, analysis in told for x in analysis.limits if is_told(x))
    yield from _health(inputs.health)
    yield from _units(inputs)


def _step(decision: DecisionView, inputs: LookInputs, before: DecidedLook | None) -> Iterator[str]:
    """Of a rollback: what it was decided on and how it goes stand apart."""
    yield from _outcome(decision)
    if before is not None:
        row = before.decision
        yield from decided_sentences(
            row.sequence,
            is_cause=isinstance(row.decision, Rollback),
            words=row.decision.reason,
            inputs=before.inputs,
            step=inputs,
        )
    yield from recovery_sentences(inputs)
    yield from _units(inputs)
    yield from _rollback(inputs)


def _exact(inputs: LookInputs, before: DecidedLook | None) -> Iterator[str]:
    if inputs.rollback is None:
        yield from exact_lines(inputs)
        return
    if before is not None:
        yield from (f"look {before.decision.sequence}, {line}" for line in exact_lines(before.inputs))
    yield from (f"recovery, {line}" for line in exact_lines(inputs))
    yield from (f"recovery of those seen before, {line}" for line in exact_of(inputs.rollback.returned))


def _outcome(row: DecisionView) -> Iterator[str]:
    kind = type(row.decision).__name__.lower()
    yield f"Decision {row.sequence} was {kind} ({row.decision.code.value}): {row.decision.reason}"
    if row.status_after is not row.status_before:
        yield f"With it the rollout went from {row.status_before.value} to {row.status_after.value}."
    if row.summarised_from is not None and row.summarised_to is not None:
        span = duration_words(row.summarised_to - row.summarised_from)
        closed = f"windows that closed in {span} of plan time"
        yield f"New in this look: {closed}, with the log read up to record {row.offset:,}."


def _age(inputs: LookInputs) -> Iterator[str]:
    state = inputs.state
    if not state.phases:
        return
    phase = state.phase
    limits = f"at least {duration_words(phase.stay_min)}"
    if phase.stay_max is not None:
        limits += f" and at most {duration_words(phase.stay_max)}"
    yield (
        f"Phase {phase.name} ({state.phase_index + 1}/{len(state.plan.phases)}, {phase.exposure:.0%}) was "
        f"{duration_words(inputs.now - state.record.entered_at)} old; it stays {limits}."
    )


def _health(health: Health) -> Iterator[str]:
    ratio = health.sample_ratio
    if ratio is not None and ratio.treatment + ratio.control > 0:
        says = "does not fit the hash: the data cannot be trusted" if ratio.fired else "fits the hash"
        yield f"How many users have which version {says} ({ratio.treatment:,} new, {ratio.control:,} old)."
    if health.stale_for is not None:
        yield f"The newest heartbeat of the log was {duration_words(health.stale_for)} old (machine time)."
    if health.missing:
        yield f"No data yet where there should be: {', '.join(health.missing)}."
    if health.crossed_share > 0:
        yield f"{health.crossed_share:.2%} of units were seen in both arms; up to {CROSSED_MAX:.0%} is tolerated."
    if health.exposed_share is not None:
        yield f"Exposed were {health.exposed_share:.1%} of {health.active_units:,} active units."
    yield from _arrivals(health)


def _arrivals(health: Health) -> Iterator[str]:
    for found in health.arrivals:
        if found.late_differs:
            shares = f"{found.treatment_late:.1%} new, {found.control_late:.1%} old"
            yield f"Events of {found.metric} come too late in different shares ({shares}): they cannot be compared."
        if found.dropped_differs or found.is_dropping:
            shares = f"{found.treatment_dropped:.1%} new, {found.control_dropped:.1%} old"
            yield f"Some values of {found.metric} are no use, such as negative durations ({shares})."
    if health.volume is not None and health.volume.lost:
        seen, expected = health.volume.treatment_n, health.volume.expected
        yield f"Users of the new version hardly come by any more: {seen:,} visits, and {expected:,.0f} were expected."


def _units(inputs: LookInputs) -> Iterator[str]:
    counts = inputs.assignment
    left_out = {
        "exposed in an earlier phase": counts.veterans,
        "exposed by attribute": counts.audience,
        "seen in both arms": counts.crossed,
    }
    named = [f"{count:,} units {why}" for why, count in left_out.items() if count]
    if named:
        yield f"Not compared: {', '.join(named)}."
    names = inputs.state.plan.exclude
    if names and (counts.excluded or inputs.rollback is None):
        yield f"excluded: {counts.excluded:,} units, of {', '.join(names)}; they are in no comparison and no limit."


def _rollback(inputs: LookInputs) -> Iterator[str]:
    """What a step of a rollback rested on."""
    facts = inputs.rollback
    if facts is None:
        return
    if facts.actor is not None and facts.stage_two.release is not None:
        yield f"{facts.actor} asked for the second stage by hand: {facts.stage_two.release} goes back."
    elif facts.actor is not None:
        yield f"{facts.actor} ended the rollback by hand: nothing was proven about the recovery."
    if facts.flag_error:
        yield f"The snapshot that serves the old version could not be written: {facts.flag_error}."
    if (deployed := facts.deployment) is not None and deployed.status is not None:
        yield f"The redeployment of {deployed.release} is {deployed.status.value}."
    if (proof := facts.proof) is not None:
        yield f"{proof.confirmed} of {proof.expected} evaluators confirm the old version; {proof.unproven_words}."
        if proof.stragglers:
            yield f"These do not follow: {', '.join(proof.stragglers)}."
