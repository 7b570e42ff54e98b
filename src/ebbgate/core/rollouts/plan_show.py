"""A plan in plain sentences, for people, and as data, for `--json`."""

from typing import Any

import msgspec

from ebbgate.core.metrics.definition import Direction, Goal, Guardrail, Metric, MetricKind, Reading
from ebbgate.core.releases.terms import BuildTerms, DeployTerms
from ebbgate.core.rollouts.plan import EVERYONE, RANDOM, Audience, Phase, Plan, Probe, Response, ReviewTerms
from ebbgate.core.rollouts.values import change_text, duration_text, percent_text
from ebbgate.core.rollouts.values_quantities import margin_text, quantity_text


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """lines: sentences, indented below headings that end in a colon. data: the whole plan, plain."""

    lines: tuple[str, ...]
    data: dict[str, Any]


def show_plan(plan: Plan) -> PlanView:
    data = msgspec.to_builtins(plan)
    assert isinstance(data, dict)
    sections = (
        _summary(plan),
        _overlay(plan),
        _section("Audiences", [_audience(audience) for audience in plan.audiences]),
        _section("Phases", [line for i in range(len(plan.phases)) for line in _phase(plan, i)]),
        _section("Guardrails", [line for guardrail in plan.guardrails for line in _guardrail(guardrail)]),
        _section("Probes (machine time)", [_probe(probe) for probe in plan.probes]),
        _section("Reports by users", _reports(plan)),
        _section("Goals, decided at the end", [_goal(goal) for goal in plan.goals]),
        _section("When", _policy(plan)),
        _section("Build and deployment", _release(plan)),
    )
    return PlanView(lines=tuple(line for section in sections for line in section), data=data)


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _summary(plan: Plan) -> list[str]:
    change = f"from `{plan.control_variant}` to `{plan.treatment_variant}`"
    lines = [f"{plan.app} rolls out the flag {plan.flag} {change} in {plan.environment}."]
    mode = plan.mode.value if plan.mode else "recommend for the application's first rollout, act afterwards"
    owner = f"; {plan.commander} is in command" if plan.commander else ""
    lines.append(f"Mode: {mode}{owner}.")
    if plan.users:
        lines.append(f"Expected: {plan.users:,} active users a day.")
    lines.append(f"It looks every {duration_text(plan.tick)} and needs {plan.min_units:,} units in each arm to judge.")
    if plan.holdout:
        end = f" for {duration_text(plan.holdout_for)}" if plan.holdout_for else ""
        lines.append(f"{percent_text(plan.holdout)} of the users are held out{end}.")
    if plan.exclude:
        kept = f"they get `{plan.control_variant}` until everybody has `{plan.treatment_variant}`"
        lines.append(f"Excluded: {', '.join(plan.exclude)}; {kept}, and are in no comparison and no limit.")
    return lines


def _overlay(plan: Plan) -> list[str]:
    if plan.overlay is None:
        return []
    changes = [f"{c.path}: {c.after} instead of {c.before or 'the default'}" for c in plan.overlay_changes]
    return _section(f"Overlay `{plan.overlay}` changed", changes or ["nothing"])


def _audience(audience: Audience) -> str:
    parts = [f"{audience.name}:"]
    if audience.is_opt_in:
        parts.append("who opted in, by list or by attribute;")
    parts.append(f"rule {msgspec.json.encode(audience.rule).decode()}")
    if audience.share is not None:
        parts.append(f"(about {percent_text(audience.share)} of the users)")
    if audience.is_split:
        parts.append("(randomised inside)")
    return " ".join(parts)


def _phase(plan: Plan, index: int) -> list[str]:
    phase = plan.phases[index]
    first = f"{index + 1}. {phase.name}: {percent_text(phase.exposure)} of all active users, {_who(phase)}"
    if index == len(plan.phases) - 1:
        first += f", watched for {duration_text(plan.watch)}"
    if phase.stay_max is not None:
        first += f", for {duration_text(phase.stay_min)} at least and {duration_text(phase.stay_max)} at most"
    lines = [f"{first}."]
    if phase.why:
        lines.append(f"   Why: {phase.why}.")
    if phase.early:
        lines.append("   Early: left while the estimate is inside the margin and no harm shows.")
    if not phase.reversible:
        lines.append("   Not reversible: from here on, harm freezes and pages instead of taking back.")
    return lines


def _who(phase: Phase) -> str:
    words = {RANDOM: "drawn at random", EVERYONE: "everyone"}
    return " and ".join(words.get(name, f"the audience {name}") for name in phase.who)


def _guardrail(guardrail: Guardrail) -> list[str]:
    metric = guardrail.metric
    worse = "higher" if metric.bad is Direction.INCREASE else "lower"
    gates = (
        f"must be proven less than {_margin(guardrail, metric)} {worse} before a phase is left"
        if guardrail.worse_by
        else "gates no phase"
    )
    lines = [f"{metric.name}: {metric_words(metric)}; {gates}."]
    tolerated = guardrail.tolerate.relative or guardrail.tolerate.absolute
    if tolerated:
        text = margin_text(guardrail.tolerate, event=metric.event, kind=metric.kind)
        lines.append(f"   Up to {text} {worse} is tolerated: that is not harm.")
    above = "above" if metric.bad is Direction.INCREASE else "below"
    if guardrail.limit is not None:
        limit = quantity_text(guardrail.limit, event=metric.event, kind=metric.kind)
        lines.append(f"   {above.capitalize()} {limit}, a review opens.")
    if (critical := guardrail.critical) is not None:
        value = quantity_text(critical.value, event=metric.event, kind=metric.kind)
        where = f" on {' or '.join(critical.on)}" if critical.on else ""
        lines.append(
            f"   Critical: {above} {value} for {duration_text(critical.sustained)}{where} takes the version back."
        )
    return lines


def _margin(guardrail: Guardrail, metric: Metric) -> str:
    assert guardrail.worse_by is not None
    return margin_text(guardrail.worse_by, event=metric.event, kind=metric.kind)


def metric_words(metric: Metric) -> str:
    """What is measured: `95th percentile of api_ms by endpoint, first request within 1h`."""
    if metric.query is not None:
        what = "share of bad requests" if metric.query.denominator is not None else "a number"
        every = duration_text(metric.query.interval)
        return f"{what} by `{metric.query.arm}` from {metric.query.source}, every {every}; by requests, not by users"
    match metric.kind:
        case MetricKind.RATE:
            what = f"share of users whose first {metric.trial} gives {metric.event}"
        case MetricKind.SHARE:
            what = f"share of users whose first {metric.trial} leads to {metric.event}"
        case MetricKind.RATIO:
            what = f"{metric.event} per {metric.trial}"
        case MetricKind.MEAN:
            what = f"mean of {metric.event} of a user"
        case MetricKind.COUNT:
            what = f"number of {metric.event} of a user"
        case MetricKind.GAUGE:
            what = f"{'largest' if metric.reading is Reading.MAX else 'last'} {metric.event} of a user"
        case MetricKind.BUILD:
            return f"{metric.event} of the release"
        case MetricKind.SURVEY:
            low, high = metric.scale or (0.0, 0.0)
            what = f"mean answer to the survey {metric.event} ({low:g} to {high:g})"
        case MetricKind.QUANTILE:
            what = f"{(metric.quantile or 0) * 100:g}th percentile of {metric.event}"
    by = f" by {metric.by}" if metric.by else ""
    only = f", only {' and '.join(metric.on)}" if metric.on else ""
    cap = f", capped at {quantity_text(metric.cap, event=metric.event, kind=metric.kind)}" if metric.cap else ""
    return f"{what}{by}{only}{cap}, within {duration_text(metric.window)} of the first exposure in a phase"


def _goal(goal: Goal) -> str:
    metric = goal.metric
    from_ = ""
    if goal.baseline is not None:
        began = quantity_text(goal.baseline, event=metric.event, kind=metric.kind)
        target = quantity_text(round(goal.baseline * (1 + goal.change), 6), event=metric.event, kind=metric.kind)
        from_ = f", from {began} to {target}"
    return f"{metric.name}: {change_text(goal.change)} against the old version{from_}; {metric_words(metric)}."


def _probe(probe: Probe) -> str:
    asks = probe.url if probe.url else f"`{' && '.join(probe.run)}`"
    times = f"{probe.fails} times in a row" if probe.fails > 1 else "once"
    every = f"every {duration_text(probe.every)}, waiting {duration_text(probe.timeout)}"
    means = probe.means.value.replace("_", " ")
    return f"{probe.name}: asks {asks} {every}; failing {times} takes the version back ({means})."


def _reports(plan: Plan) -> list[str]:
    if plan.reports is None:
        return []
    terms, lines = plan.reports, []
    if terms.rollback_at is not None:
        lines.append(f"{terms.rollback_at:,} people with the new version report something: {terms.then.value}.")
    if terms.alpha is not None:
        share = percent_text(terms.alpha)
        lines.append(
            f"more reports than the new version's share, at an alpha of {share} of their own: {terms.then.value}."
        )
    return lines


def _policy(plan: Plan) -> list[str]:
    when, verify = plan.when, plan.verify
    deadline = duration_text(when.off_target.deadline)
    return [
        f"harm is shown: {_answer(when.harm, when.harm_terms)}.",
        f"a critical limit is passed: {_answer(when.critical, when.critical_terms)}.",
        f"another monitor raises a critical alert: {when.alert.value}.",
        f"a benchmark is missed: review in {deadline}, then {when.off_target.then.value}.",
        f"data is missing: {when.no_data.value}. Data is missing after {duration_text(plan.stale_after)} of silence.",
        f"a phase is older than its longest stay: {when.too_long.value}.",
        f"an evaluator has lost its server for {duration_text(when.server_lost)} (machine time): old version.",
        f"the flag cannot be switched: {when.flag_fails}.",
        f"both versions fail within {duration_text(when.starvation_window)} of an exposure step: flag off, then judge.",
        f"after a rollback: evaluators confirm within {duration_text(verify.propagation)} (machine time), "
        f"metrics recover within {duration_text(verify.recovery)}, with {verify.min_units:,} units in each arm.",
        f"a redeployment that takes longer than {duration_text(verify.redeploy)} (machine time) is paged.",
    ]


def _answer(response: Response, terms: ReviewTerms | None) -> str:
    if terms is None:
        return response.value
    return f"the commander is paged; {terms.then.value} after {duration_text(terms.deadline)} without an answer"


def _release(plan: Plan) -> list[str]:
    return [*(_build(plan.build) if plan.build else ()), *(_deploy(plan.deploy) if plan.deploy else ())]


def _build(build: BuildTerms) -> list[str]:
    lines = [f"build: {' && '.join(build.run)}; keep {', '.join(build.keep)}."]
    for budget in build.budgets:
        limits = (
            (budget.growth_bytes, "grow by less than"),
            (budget.size_bytes, "are each smaller than"),
            (budget.total_bytes, "are together smaller than"),
        )
        for limit, words in limits:
            if limit is not None:
                size = quantity_text(limit, event="size_bytes", kind=MetricKind.MEAN)
                lines.append(f"{budget.files} {words} {size}{' after gzip' if budget.is_gzip else ''}.")
    return lines


def _deploy(deploy: DeployTerms) -> list[str]:
    to = deploy.to
    lines = [f"deploy to the directory {to.directory}." if to.directory else f"deploy by the command {to.command}."]
    if deploy.restart:
        lines.append(f"restart: {' && '.join(deploy.restart)}.")
    if deploy.health:
        lines.append(
            f"health: {deploy.health}, {deploy.passes} times in a row "
            f"within {duration_text(deploy.within)} (machine time)."
        )
    if told_by := deploy.version or deploy.version_run:
        lines.append(f"which release answers is told by {told_by}.")
    return lines
