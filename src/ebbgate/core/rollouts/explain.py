"""Why a decision was made: its inputs in plain words, and the exact numbers beside them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from ebbgate.core.metrics.analysis import Analysis, LimitAnalysis, LimitStanding, Verdict
from ebbgate.core.rollouts.decision import Decision
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
    """A decision, what it rested on in sentences, and the very inputs that `decide` was given."""

    decision: DecisionView
    sentences: tuple[str, ...]
    inputs: LookInputs


def explain(decision: DecisionView, inputs: LookInputs) -> Explanation:
    """Put a stored decision in words. Pure: the same row always reads the same."""
    sentences = (
        *_outcome(decision),
        *_age(inputs),
        *(sentence for analysis in inputs.analyses.values() for sentence in _metric(analysis)),
        *_limits(inputs),
        *_health(inputs.health),
        *_units(inputs),
    )
    return Explanation(decision=decision, sentences=sentences, inputs=inputs)


def _outcome(row: DecisionView) -> Iterator[str]:
    kind = type(row.decision).__name__.lower()
    yield f"Decision {row.sequence} was {kind} ({row.decision.code.value}): {row.decision.reason}"
    if row.status_after is not row.status_before:
        yield f"With it the rollout went from {row.status_before.value} to {row.status_after.value}."
    if row.summarised_from is not None and row.summarised_to is not None:
        span = _duration(row.summarised_to - row.summarised_from)
        yield f"New in this look: windows that closed in {span} of plan time, with the log read up to {row.offset:,}."


def _age(inputs: LookInputs) -> Iterator[str]:
    state = inputs.state
    if not state.phases:
        return
    phase = state.phase
    limits = f"at least {_duration(phase.stay_min)}"
    if phase.stay_max is not None:
        limits += f" and at most {_duration(phase.stay_max)}"
    yield (
        f"Phase {phase.name} ({state.phase_index + 1}/{len(state.plan.phases)}, {phase.exposure:.0%}) was "
        f"{_duration(inputs.now - state.record.entered_at)} old; it stays {limits}."
    )


def _metric(analysis: Analysis) -> Iterator[str]:
    verdict = analysis.verdict.value.replace("_", " ")
    yield f"{analysis.words} [{verdict}, {analysis.treatment_n:,} new and {analysis.control_n:,} old units]."
    if analysis.threshold > 0 and analysis.verdict is not Verdict.NOT_APPLICABLE:
        yield (
            f"The evidence that {analysis.metric} got worse is log E = {analysis.log_e:.3g}; "
            f"harm is shown at {analysis.threshold:.3g}."
        )


def _limits(inputs: LookInputs) -> Iterator[str]:
    for analysis in inputs.analyses.values():
        for limit in analysis.limits:
            if limit.standing is not LimitStanding.UNDECIDED or limit.is_critical:
                yield _limit(limit)


def _limit(limit: LimitAnalysis) -> str:
    name = "critical limit" if limit.is_critical else "limit"
    where = f" of {limit.function}" if limit.function else ""
    share = limit.treatment_share
    seen = "nothing was seen" if share is None else f"{share:.2%} of {limit.treatment_n:,} observations"
    is_shared = limit.standing is LimitStanding.BREACHED and not limit.attributable
    blame = "; the old version breaches it too" if is_shared else ""
    return f"{limit.metric}: {name} {limit.limit:g}{where} is {limit.standing.value} ({seen}){blame}."


def _health(health: Health) -> Iterator[str]:
    ratio = health.sample_ratio
    if ratio is not None and ratio.treatment + ratio.control > 0:
        says = "does not fit the hash: the data cannot be trusted" if ratio.fired else "fits the hash"
        yield f"The sample ratio {says} ({ratio.treatment:,} new, {ratio.control:,} old)."
    if health.stale_for is not None:
        yield f"The newest heartbeat of the log was {_duration(health.stale_for)} old (machine time)."
    if health.missing:
        yield f"No data yet where there should be: {', '.join(health.missing)}."
    if health.crossed_share > 0:
        yield f"{health.crossed_share:.2%} of units were seen in both arms; up to {CROSSED_MAX:.0%} is tolerated."
    if health.exposed_share is not None:
        yield f"Exposed were {health.exposed_share:.1%} of {health.active_units:,} active units."


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


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"
