"""Why a decision was made, for a person who knows no statistics; the exact numbers are in `explain_exact`."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from ebbgate.core.metrics.analysis import Analysis, LateStanding, LimitAnalysis, LimitStanding, Verdict
from ebbgate.core.metrics.definition import Guardrail
from ebbgate.core.metrics.display import format_change, format_value, format_worse
from ebbgate.core.metrics.judge import units_wanted
from ebbgate.core.rollouts.decision import Decision
from ebbgate.core.rollouts.explain_exact import exact_lines
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


def explain(decision: DecisionView, inputs: LookInputs) -> Explanation:
    """Put a stored decision in words. Pure: the same row always reads the same."""
    guardrails = {g.metric.name: g for g in inputs.state.plan.guardrails}
    told = [(guardrails[name], analysis) for name, analysis in inputs.analyses.items() if name in guardrails]
    sentences = (
        *_outcome(decision),
        *_age(inputs),
        *(sentence for guardrail, analysis in told for sentence in _metric(guardrail, analysis, inputs)),
        *(_limit(guardrail, limit) for guardrail, analysis in told for limit in analysis.limits if _is_told(limit)),
        *_health(inputs.health),
        *_units(inputs),
        *_rollback(inputs),
    )
    return Explanation(decision=decision, sentences=sentences, exact=exact_lines(inputs), inputs=inputs)


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


def _metric(guardrail: Guardrail, analysis: Analysis, inputs: LookInputs) -> Iterator[str]:
    name = analysis.metric
    verdict = analysis.verdict.value.replace("_", " ")
    n = f"{analysis.treatment_n:,} new and {analysis.control_n:,} old units"
    age = f", newest {_duration(inputs.now - analysis.newest_at)} old" if analysis.newest_at is not None else ""
    if analysis.window is not None and analysis.treatment_n:
        age = f", each observed for {_duration(analysis.window)}{age}"
    yield f"{_said(guardrail, analysis, inputs)} [{verdict}, {n}{age}]."
    if analysis.verdict is Verdict.HARM and _includes_none(analysis):
        low, high = (format_change(guardrail.metric, bound) for bound in analysis.interval or (0.0, 0.0))
        yield (
            f"The range beside {name}'s change, {low} to {high}, includes no change at all, and the alarm stands "
            "nevertheless: the two answer different questions. The range says how large the change may be, upward or "
            "downward, in this phase alone; the alarm says only whether it is worse than tolerated, and adds up what "
            "every phase has shown. The alarm decides."
        )
    elif analysis.verdict in (Verdict.SAFE, Verdict.UNDECIDED) and analysis.threshold > 0:
        part = max(0.0, min(0.99, analysis.log_e / analysis.threshold))
        yield f"The signs that {name} got worse reach {part:.0%} of what it takes to call it harm."
    if len(analysis.trail) > 1:
        names = [phase.name for phase in inputs.state.plan.phases]
        steps = "; ".join(
            f"{names[step.phase]} {step.treatment_n:,} new and {step.control_n:,} old, "
            f"{format_change(guardrail.metric, step.estimate)}"
            for step in analysis.trail
        )
        yield f"Its trail, phase by phase: {steps}."
    yield from _late(analysis)
    if (all_requests := analysis.clustered) is not None and all_requests.treatment_value is not None:
        new, old = (
            format_value(guardrail.metric, value)
            for value in (all_requests.treatment_value, all_requests.control_value)
        )
        yield (
            f"Counting every request of {name}, it is {new} new against {old} old. That is told beside; what decides "
            "is the first request of each user, because a version that makes people do more would else look worse."
        )


def _said(guardrail: Guardrail, analysis: Analysis, inputs: LookInputs) -> str:
    name, metric = analysis.metric, guardrail.metric
    values = f"{format_value(metric, analysis.treatment_value)} new, {format_value(metric, analysis.control_value)} old"
    bound, margin = format_worse(metric, analysis.safe_bound), format_worse(metric, analysis.margin)
    match analysis.why:
        case "crossed":
            least = analysis.harm_bound
            by = f", by {format_worse(metric, least)} or more" if least is not None and least > 0 else ""
            return f"{name} got worse than the plan tolerates{by}, and chance hardly ever looks like this: {values}"
        case "late":
            return f"{name} got worse for people who have had the new version for a while"
        case "no_contrast":
            return f"{name} cannot be compared here: in this phase nobody is drawn by lot into both versions"
        case "no_margin":
            return f"{name} keeps no phase from ending, as the plan gives it no margin: {values}"
        case "no_data":
            return f"{name}: nothing has come in yet from the users of one version"
        case "too_few":
            few, needed = (
                min(analysis.treatment_n, analysis.control_n),
                units_wanted(guardrail, inputs.state.plan.min_units),
            )
            return f"{name}: only {few:,} users so far of the version with fewer, and {needed:,} are needed"
        case "no_bound":
            return f"{name}: there is too little yet to say how much worse it may be"
        case "proven":
            return f"{name} is fine: at the very most {bound} worse, and {margin} is allowed: {values}"
        case "not_proven":
            return f"{name} is open: it may be {bound} worse, and {margin} is allowed; more users will tell: {values}"
    return analysis.words


def _includes_none(analysis: Analysis) -> bool:
    return analysis.interval is not None and analysis.interval[0] <= 0 <= analysis.interval[1]


def _late(analysis: Analysis) -> Iterator[str]:
    late = analysis.late
    if late is None or late.standing in (LateStanding.NOBODY_YET, LateStanding.NO_DATA):
        return
    if late.standing is LateStanding.NO_CONTROL:
        yield (
            f"Whether {analysis.metric} gets worse with time cannot be told: nobody is left who never had the new "
            "version. Keep some users out (`holdout`) to go on comparing."
        )
        return
    n = f"{late.treatment_n:,} of them and {late.control_n:,} who never had it, on that day"
    got = "got worse" if late.standing is LateStanding.SHOWN else "did not visibly get worse"
    yield f"For people who have had the new version for a while, {analysis.metric} {got} ({n})."


def _is_told(limit: LimitAnalysis) -> bool:
    return limit.standing is not LimitStanding.UNDECIDED or limit.is_critical


def _limit(guardrail: Guardrail, limit: LimitAnalysis) -> str:
    name = "critical limit" if limit.is_critical else "limit"
    where = f" of {limit.function}" if limit.function else ""
    share = limit.treatment_share
    seen = "nothing was seen" if share is None else f"{share:.2%} of {limit.treatment_n:,} observations"
    is_shared = limit.standing is LimitStanding.BREACHED and not limit.attributable
    blame = "; the old version breaches it too" if is_shared else ""
    bound = format_value(guardrail.metric, limit.limit)
    return f"{limit.metric}: {name} {bound}{where} is {limit.standing.value} ({seen}){blame}."


def _health(health: Health) -> Iterator[str]:
    ratio = health.sample_ratio
    if ratio is not None and ratio.treatment + ratio.control > 0:
        says = "does not fit the hash: the data cannot be trusted" if ratio.fired else "fits the hash"
        yield f"How many users have which version {says} ({ratio.treatment:,} new, {ratio.control:,} old)."
    if health.stale_for is not None:
        yield f"The newest heartbeat of the log was {_duration(health.stale_for)} old (machine time)."
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


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"
