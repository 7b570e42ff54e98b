"""One metric in words, for a person who knows no statistics: what was seen, of whom, and what follows from it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ebbgate.core.metrics.analysis import Analysis, LateStanding, LimitAnalysis, LimitStanding, Verdict
from ebbgate.core.metrics.definition import Guardrail, Metric, MetricKind
from ebbgate.core.metrics.derived import response_words
from ebbgate.core.metrics.display import format_change, format_value, format_worse
from ebbgate.core.metrics.judge import units_wanted
from ebbgate.core.metrics.late import EPOCH
from ebbgate.core.metrics.limits_delay import limit_delay
from ebbgate.core.metrics.readings import is_only_read
from ebbgate.core.rollouts.explain_outliers import outlier_sentences
from ebbgate.core.rollouts.look import LookInputs
from ebbgate.core.rollouts.state import PhaseRecord


def metric_sentences(guardrail: Guardrail, analysis: Analysis, inputs: LookInputs) -> Iterator[str]:
    """What one look says of one guardrail, but for its absolute limits."""
    metric, name = guardrail.metric, analysis.metric
    yield f"{_said(guardrail, analysis, inputs)} [{', '.join(_facts(metric, analysis, inputs))}]."
    if metric.query is not None and not is_only_read(metric):
        yield (
            f"{name} is known by requests that {metric.query.source} counted, not by users: one busy user counts "
            "often. It is weaker than what is known of each user."
        )
    if analysis.response is not None and analysis.why != "response_differs":
        yield f"Of {name} it holds as well that {response_words(analysis.response)}."
    yield from outlier_sentences(metric, analysis)
    yield from _silent(metric, analysis, inputs)
    if analysis.verdict is Verdict.HARM and includes_none(analysis):
        yield _beside_none(metric, analysis)
    elif analysis.verdict in (Verdict.SAFE, Verdict.UNDECIDED) and analysis.threshold > 0:
        part = max(0.0, min(0.99, analysis.log_e / analysis.threshold))
        yield f"The signs that {name} got worse reach {part:.0%} of what it takes to call it harm."
    if len(analysis.trail) > 1:
        names = [phase.name for phase in inputs.state.plan.phases]
        steps = "; ".join(
            f"{names[step.phase]} {step.treatment_n:,} new and {step.control_n:,} old, "
            f"{format_change(metric, step.estimate)}"
            for step in analysis.trail
        )
        yield f"Its trail, phase by phase: {steps}."
    yield from _late(metric, analysis, inputs)
    if (all_requests := analysis.clustered) is not None and all_requests.treatment_value is not None:
        new, old = (format_value(metric, value) for value in (all_requests.treatment_value, all_requests.control_value))
        yield (
            f"Counting every request of {name}, it is {new} new against {old} old. That is told beside; what decides "
            "is the first request of each user, because a version that makes people do more would else look worse."
        )


def _facts(metric: Metric, analysis: Analysis, inputs: LookInputs) -> Iterator[str]:
    """What stands in brackets: the verdict, of how many, and how old."""
    yield analysis.verdict.value.replace("_", " ")
    new, old = f"{analysis.treatment_n:,}", f"{analysis.control_n:,}"
    if is_only_read(metric):
        if analysis.treatment_n and metric.query is not None:
            yield f"read {new} times from {metric.query.source}"
    elif metric.query is not None:
        yield f"{new} new and {old} old requests"
    else:
        yield f"{new} new and {old} old units"
        if analysis.window is not None and analysis.treatment_n:
            yield f"each observed for {duration_words(analysis.window)}"
    if analysis.newest_at is not None and metric.kind is not MetricKind.BUILD:
        yield f"newest {duration_words(inputs.now - analysis.newest_at)} old"


def _said(guardrail: Guardrail, analysis: Analysis, inputs: LookInputs) -> str:
    name, metric = analysis.metric, guardrail.metric
    whom = "users" if metric.query is None else "requests"
    values = f"{format_value(metric, analysis.treatment_value)} new, {format_value(metric, analysis.control_value)} old"
    margin = format_worse(metric, analysis.margin)
    match analysis.why:
        case "crossed":
            least = analysis.harm_bound
            by = f", by {format_worse(metric, least)} or more" if least is not None and least > 0 else ""
            return f"{name} got worse than the plan tolerates{by}, and chance hardly ever looks like this: {values}"
        case "late":
            late = analysis.late
            return f"{name} got worse {_for_whom(metric, late.harm_shown_at if late else None, inputs)}"
        case "no_contrast":
            return f"{name} cannot be compared here: in this phase nobody is drawn by lot into both versions"
        case "no_margin":
            return f"{name} keeps no phase from ending, as the plan gives it no margin: {values}"
        case "no_data" if metric.query is not None:
            return f"{name}: {metric.query.source} has counted no requests of one version yet"
        case "no_data":
            return f"{name}: nothing has come in yet from the users of one version"
        case "too_few":
            few, needed = (
                min(analysis.treatment_n, analysis.control_n),
                units_wanted(guardrail, inputs.state.plan.min_units),
            )
            return f"{name}: only {few:,} {whom} so far of the version with fewer, and {needed:,} are needed"
        case "no_bound":
            return f"{name}: there is too little yet to say how much worse it may be"
        case "proven" if analysis.safe_bound is not None and analysis.safe_bound < 0:
            better = format_worse(metric, -analysis.safe_bound)
            return f"{name} is fine: it got better, by {better} or more: {values}"
        case "proven":
            bound = format_worse(metric, analysis.safe_bound)
            return f"{name} is fine: at the very most {bound} worse, and {margin} is allowed: {values}"
        case "not_proven":
            bound = format_worse(metric, analysis.safe_bound)
            return f"{name} is open: it may be {bound} worse, and {margin} is allowed; more {whom} will tell: {values}"
        case "response_differs" if analysis.response is not None:
            return f"{name} is open: {response_words(analysis.response)}"
    return analysis.words


def _silent(metric: Metric, analysis: Analysis, inputs: LookInputs) -> Iterator[str]:
    """A source that does not answer, or has said nothing for long, by its name."""
    if metric.query is None:
        return
    failure = next((one for one in inputs.failures if one.metric == metric.name), None)
    why = f": {failure.error.rstrip('.')}" if failure is not None else ""
    if metric.name in inputs.health.missing:
        since = analysis.newest_at or inputs.state.record.entered_at
        span = duration_words(inputs.now - since)
        yield (
            f"The source {metric.query.source} has said nothing of {metric.name} for {span}, since "
            f"{since:%Y-%m-%d %H:%M} UTC{why}."
        )
    elif failure is not None:
        first = f"{failure.since:%Y-%m-%d %H:%M}"
        yield f"The source {failure.source} gives no answer about {metric.name} since {first} UTC{why}."


def _beside_none(metric: Metric, analysis: Analysis) -> str:
    """How harm can stand beside a range that includes no change: the test and the range are different procedures."""
    low, high = (format_change(metric, bound) for bound in analysis.interval or (0.0, 0.0))
    begins = (
        f"The range beside {analysis.metric}'s change, {low} to {high}, includes no change at all, and the alarm "
        "stands nevertheless: the two answer different questions. The range says how large the change may be, upward "
        "or downward, in this phase alone"
    )
    if analysis.why == "late":
        return f"{begins}, of those who are new in it; the alarm is about those who had the new version before."
    return (
        f"{begins}; the alarm says only whether it is worse than tolerated, and adds up what every phase has shown. "
        "The alarm decides."
    )


def includes_none(analysis: Analysis) -> bool:
    """Whether the range of the change includes no change."""
    return analysis.interval is not None and analysis.interval[0] <= 0 <= analysis.interval[1]


def _late(metric: Metric, analysis: Analysis, inputs: LookInputs) -> Iterator[str]:
    late = analysis.late
    if late is None or late.standing in (LateStanding.NOBODY_YET, LateStanding.NO_DATA):
        return
    if late.standing is LateStanding.NO_CONTROL:
        yield (
            f"Whether {analysis.metric} gets worse with time cannot be told: nobody is left who never had the new "
            "version. Keep some users out (`holdout`) to go on comparing."
        )
        return
    is_shown = late.standing is LateStanding.SHOWN
    seen_at = late.harm_shown_at if is_shown else late.newest_at
    if not is_shown and _is_first_day_of_all(metric, seen_at, inputs):
        return  # the same people and the same hours as in the comparison above
    got = "got worse" if is_shown else "did not visibly get worse"
    n = f"{late.treatment_n:,} of them and {late.control_n:,} who never had it, on the newest day"
    yield f"{_upper(_for_whom(metric, seen_at, inputs))}, {analysis.metric} {got} ({n})."


def _for_whom(metric: Metric, seen_at: datetime | None, inputs: LookInputs) -> str:
    """Who is compared for late harm. seen_at: close of the data that it is said of."""
    if _is_first_day_of_all(metric, seen_at, inputs):
        return "for people who have the new version, on the first day that anybody was drawn to have it"
    if _is_first_day(metric, seen_at, inputs):
        return "for people who have the new version, whether since an earlier phase or only since today"
    return "for people who got the new version in an earlier phase, or on an earlier day of this one"


def _is_first_day_of_all(metric: Metric, seen_at: datetime | None, inputs: LookInputs) -> bool:
    return _is_first_day(metric, seen_at, inputs) and _record_at(seen_at, inputs).hash_from == 0


def _is_first_day(metric: Metric, seen_at: datetime | None, inputs: LookInputs) -> bool:
    """Whether those newly exposed are among them, on the last phase's first day (`late_units`)."""
    record = _record_at(seen_at, inputs)
    if seen_at is None or record.index < len(inputs.state.plan.phases) - 1:
        return False
    return seen_at <= record.entered_at + limit_delay(metric) + EPOCH


def _record_at(at: datetime | None, inputs: LookInputs) -> PhaseRecord:
    """The phase that ran at a time; without one, the current."""
    begun = [record for record in inputs.state.phases if at is None or record.entered_at < at]
    return begun[-1] if begun else inputs.state.phases[0]


def is_told(limit: LimitAnalysis) -> bool:
    """Whether a limit is worth a sentence."""
    return limit.standing is not LimitStanding.UNDECIDED or limit.is_critical


def limit_sentence(guardrail: Guardrail, limit: LimitAnalysis) -> str:
    """Where the new version stands against one absolute limit."""
    metric = guardrail.metric
    name = "critical limit" if limit.is_critical else "limit"
    where = f" of {limit.function}" if limit.function else ""
    share = limit.treatment_share
    if limit.value is not None or is_only_read(metric):
        seen = f"it is {format_value(metric, limit.value)}" if limit.value is not None else "read, not compared"
    else:
        what = "observations" if metric.query is None else "requests"
        seen = "nothing was seen" if share is None else f"{share:.2%} of {limit.treatment_n:,} {what}"
    is_shared = limit.standing is LimitStanding.BREACHED and not limit.attributable
    blame = "; the old version breaches it too" if is_shared else ""
    bound = format_value(metric, limit.limit)
    return f"{limit.metric}: {name} {bound}{where} is {limit.standing.value} ({seen}){blame}."


def duration_words(span: timedelta) -> str:
    """About how long: `1.25d`, `30m`."""
    seconds = span.total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
