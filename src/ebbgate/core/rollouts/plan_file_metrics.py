"""The `guardrails:` and `goals:` of a plan file."""

from collections.abc import Mapping
from datetime import timedelta
from sys import float_info
from typing import Any, TypeVar

from ebbgate.core.metrics.definition import (
    Direction,
    Goal,
    Guardrail,
    HarmBy,
    Margin,
    Metric,
    MetricKind,
    Query,
    Reading,
)
from ebbgate.core.metrics.readings import is_only_read
from ebbgate.core.rollouts.plan_file_query import QUERY_KEYS, query_kind, read_query
from ebbgate.core.rollouts.plan_file_reader import Fields, at_key, read_choice, read_name, read_texts, refusal, shown
from ebbgate.core.rollouts.values import change, change_text, division, duration, event, scale
from ebbgate.core.rollouts.values_quantities import benchmark, critical_limit, margin, quantity

QUANTILES = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
KINDS = ("rate", "share", "ratio", "mean", "count", "survey", "gauge", "build", "query", *QUANTILES)
"""The keys that say what is measured; exactly one stands in every metric."""

METRIC_KEYS = (
    *("window", "lateness", "bad", "harm", "by", "only", "cap", "scale", "asked", "take", "baseline"),
    *QUERY_KEYS,
)
GUARDRAIL_KEYS = (*METRIC_KEYS, "worse_by", "tolerate", "limit", "critical", "on", "weight")
GOAL_KEYS = (*METRIC_KEYS, "goal")

WINDOW_OF_REQUESTS = timedelta(hours=1)
"""Default window of rates and quantiles: they look at one request, which comes soon after the exposure."""

WINDOW_OF_HABITS = timedelta(days=1)
"""Default window of the other kinds: what a person does in a day."""

LATENESS = timedelta(minutes=5)
"""Default wait for late events: the clock skew that is accepted at all (RULES C3)."""

FUNCTION = "function"
"""The attribute that `on` and `only` speak of where `by` names no other."""

_BAD = {
    **dict.fromkeys((MetricKind.RATE, MetricKind.QUANTILE, MetricKind.COUNT), Direction.INCREASE),
    **dict.fromkeys((MetricKind.GAUGE, MetricKind.BUILD), Direction.INCREASE),
    **dict.fromkeys((MetricKind.SHARE, MetricKind.RATIO, MetricKind.MEAN, MetricKind.SURVEY), Direction.DECREASE),
}
_GUARDRAIL_EXAMPLE = "{rate: api_error / api_request, worse_by: 0.5pp}"
_GOAL_EXAMPLE = "{mean: dashboard_s, goal: +30%}"

_WITH_SHAPE = (MetricKind.MEAN, MetricKind.COUNT, MetricKind.SURVEY, MetricKind.GAUGE)

T = TypeVar("T", Guardrail, Goal)


def read_guardrails(value: Any, path: str) -> tuple[Guardrail, ...]:
    return tuple(_guardrail(name, item, place) for name, item, place in _named(value, path, _GUARDRAIL_EXAMPLE))


def read_goals(value: Any, path: str) -> tuple[Goal, ...]:
    return tuple(_goal(name, item, place) for name, item, place in _named(value, path, _GOAL_EXAMPLE))


def _named(value: Any, path: str, example: str) -> list[tuple[str, Any, str]]:
    if not isinstance(value, Mapping):
        raise refusal(f"metrics are {shown(value)}, not a mapping", path=path, hint=f"write `name: {example}`")
    return [(read_name(name, at_key(path, name)), item, at_key(path, name)) for name, item in value.items()]


def _guardrail(name: str, value: Any, path: str) -> Guardrail:
    fields = Fields(value, path, what=f"guardrail `{name}`", example=_GUARDRAIL_EXAMPLE)
    kind_key = _kind_key(fields)
    for key in GUARDRAIL_KEYS:
        fields.has(key)
    fields.finish()
    metric = _metric(name, fields, kind_key, goal=None)
    _refuse_comparison(fields, metric)
    event_name, kind = metric.event, metric.kind
    on = fields.take("on", lambda v, p: read_texts(v, p, example="apply_all"), ())
    if on and not fields.has("critical"):
        hint = "`on` names the functions that `critical` holds for; to measure only some functions, write `only`"
        raise refusal(f"guardrail `{name}` has `on`, but nothing critical", path=fields.at("on"), hint=hint)
    return Guardrail(
        metric=metric,
        worse_by=fields.take("worse_by", lambda v, p: _worse_by(v, p, metric), None),
        tolerate=fields.take("tolerate", lambda v, p: margin(v, p, event=event_name, kind=kind), Margin(relative=0.0)),
        limit=fields.take("limit", lambda v, p: benchmark(v, p, event=event_name, kind=kind), None),
        critical=fields.take("critical", lambda v, p: critical_limit(v, p, event=event_name, kind=kind, on=on), None),
        weight=fields.take("weight", _positive, 1.0),
        baseline=_baseline(fields, metric),
    )


def _goal(name: str, value: Any, path: str) -> Goal:
    fields = Fields(value, path, what=f"goal `{name}`", example=_GOAL_EXAMPLE)
    kind_key = _kind_key(fields)
    for key in GOAL_KEYS:
        fields.has(key)
    fields.finish()
    target = fields.need("goal", change)
    metric = _metric(name, fields, kind_key, goal=target)
    if not is_compared(metric):
        hint = "a goal is a change against the old version; make it a guardrail with a `limit`"
        raise refusal(f"goal `{name}` has nothing to compare with", path=path, hint=hint)
    return Goal(metric=metric, change=target, baseline=_baseline(fields, metric))


def _kind_key(fields: Fields) -> str:
    key = fields.choose(KINDS)
    if key is None and (near := fields.misspelt(KINDS)) is not None:
        written, meant = near
        hint = f"did you mean `{meant}`? known: {', '.join(KINDS)}"
        raise refusal(f"{fields.what} knows no key `{written}`", path=fields.at(written), hint=hint)
    if key is None:
        hint = f"say what to measure with one of {', '.join(KINDS)}: `{_GUARDRAIL_EXAMPLE}`"
        raise refusal(f"{fields.what} measures nothing", path=fields.path, hint=hint)
    return key


def _metric(name: str, fields: Fields, kind_key: str, *, goal: float | None) -> Metric:
    if kind_key == "query":
        return _queried(name, fields, goal=goal)
    _refuse_query_keys(fields)
    kind = MetricKind.QUANTILE if kind_key in QUANTILES else MetricKind(kind_key)
    counted, trial = _events(fields, kind_key, kind)
    by = fields.take("by", read_name, None)
    only = fields.take("only", lambda v, p: read_texts(v, p, example="apply_all"), ())
    by = by or (FUNCTION if only or fields.has("on") else None)
    is_of_requests = kind in (MetricKind.RATE, MetricKind.QUANTILE)
    return Metric(
        name=name,
        kind=kind,
        event=counted,
        trial=trial,
        quantile=QUANTILES.get(kind_key),
        bad=_bad(fields, kind, goal),
        harm=_harm(fields, kind),
        window=fields.take("window", duration, WINDOW_OF_REQUESTS if is_of_requests else WINDOW_OF_HABITS),
        lateness=fields.take("lateness", duration, LATENESS),
        by=by,
        on=only,
        cap=_cap(fields, counted, kind),
        scale=_scale(fields, kind),
        asked=_asked(fields, kind),
        reading=_reading(fields, kind),
    )


def is_compared(metric: Metric) -> bool:
    """Whether the two versions can be compared by it; a number of the release, or one that is only read, has limits
    alone."""
    return not is_only_read(metric)


def _refuse_comparison(fields: Fields, metric: Metric) -> None:
    if is_compared(metric):
        return
    for key in ("worse_by", "tolerate"):
        if fields.has(key):
            what = "is a number of the release" if metric.query is None else "only reads a number; `of` would count"
            hint = f"remove `{key}`: write an absolute `limit`"
            raise refusal(f"{fields.what} {what}, so that nothing is compared", path=fields.at(key), hint=hint)
    if metric.kind is MetricKind.BUILD and fields.has("critical"):
        hint = "write `limit`: the number is known before anybody is exposed, and does not last for a while"
        raise refusal(f"{fields.what} cannot be critical", path=fields.at("critical"), hint=hint)
    if not fields.has("limit") and not fields.has("critical"):
        hint = "write what it must not exceed: `limit: < 500KB`"
        raise refusal(f"{fields.what} has no limit", path=fields.path, hint=hint)


def _refuse_query_keys(fields: Fields) -> None:
    for key in QUERY_KEYS:
        if fields.has(key):
            hint = f"remove `{key}`, or measure with `query:`"
            raise refusal(f"{fields.what} is measured by events, not by a query", path=fields.at(key), hint=hint)


def _queried(name: str, fields: Fields, *, goal: float | None) -> Metric:
    query: Query = read_query(fields)
    kind = query_kind(query)
    return Metric(
        name=name,
        kind=kind,
        event=name,
        trial=name if query.denominator is not None else None,
        bad=_bad(fields, kind, goal),
        harm=HarmBy.MEAN,
        window=query.interval,
        lateness=fields.take("lateness", duration, timedelta(minutes=1)),
        query=query,
    )


def _asked(fields: Fields, kind: MetricKind) -> str | None:
    if fields.has("asked") and kind is not MetricKind.SURVEY:
        raise refusal(f"{fields.what} asks nobody", path=fields.at("asked"), hint="remove `asked`, or write `survey:`")
    return fields.take("asked", event, None)


def _reading(fields: Fields, kind: MetricKind) -> Reading:
    if fields.has("take") and kind is not MetricKind.GAUGE:
        raise refusal(f"{fields.what} is no gauge", path=fields.at("take"), hint="remove `take`, or write `gauge:`")
    return fields.take("take", lambda v, p: Reading(read_choice(v, p, [r.value for r in Reading])), Reading.LAST)


def _events(fields: Fields, kind_key: str, kind: MetricKind) -> tuple[str, str | None]:
    if kind in (MetricKind.RATE, MetricKind.SHARE, MetricKind.RATIO):
        return fields.need(kind_key, division)
    return fields.need(kind_key, event), None


def _bad(fields: Fields, kind: MetricKind, goal: float | None) -> Direction:
    told = fields.take("bad", lambda v, p: Direction(read_choice(v, p, [d.value for d in Direction])), None)
    if goal is None:
        return told or _BAD[kind]
    wanted = Direction.DECREASE if goal > 0 else Direction.INCREASE
    if told is not None and told is not wanted:
        hint = f"remove `bad`: a goal of {change_text(goal)} says that a fall is bad" if goal > 0 else "remove `bad`"
        raise refusal(f"{fields.what} wants {change_text(goal)} and calls that bad", path=fields.at("bad"), hint=hint)
    return wanted


def _harm(fields: Fields, kind: MetricKind) -> HarmBy:
    told = fields.take("harm", lambda v, p: HarmBy(read_choice(v, p, [h.value for h in HarmBy])), None)
    if kind is MetricKind.QUANTILE:
        if told is HarmBy.MEAN:
            hint = "a quantile is judged by distribution; for the mean, write `mean:` instead"
            raise refusal(f"{fields.what} is a quantile judged by its mean", path=fields.at("harm"), hint=hint)
        return HarmBy.DISTRIBUTION
    if told is HarmBy.DISTRIBUTION and kind not in _WITH_SHAPE:
        hint = "remove `harm`: a share has no distribution beside its mean"
        raise refusal(f"{fields.what} cannot be judged by distribution", path=fields.at("harm"), hint=hint)
    return told or HarmBy.MEAN


def _cap(fields: Fields, counted: str, kind: MetricKind) -> float | None:
    if fields.has("cap") and kind not in (MetricKind.MEAN, MetricKind.COUNT, MetricKind.GAUGE):
        hint = "remove `cap`: only means and counts have outliers to cap"
        raise refusal(f"{fields.what} cannot be capped", path=fields.at("cap"), hint=hint)
    cap = fields.take("cap", lambda v, p: quantity(v, p, event=counted, kind=kind), None)
    if cap == 0:
        raise refusal(
            "a cap of nothing leaves nothing", path=fields.at("cap"), hint="write a value that few users exceed"
        )
    return cap


def _scale(fields: Fields, kind: MetricKind) -> tuple[float, float] | None:
    if kind is MetricKind.SURVEY:
        if not fields.has("scale"):
            hint = "write lowest and highest answer: `scale: 1..5`"
            raise refusal(f"{fields.what} is a survey without a scale", path=fields.path, hint=hint)
        return fields.need("scale", scale)
    if fields.has("scale"):
        raise refusal(
            f"{fields.what} is no survey", path=fields.at("scale"), hint="remove `scale`, or measure with `survey:`"
        )
    return None


def _baseline(fields: Fields, metric: Metric) -> float | None:
    value = fields.take("baseline", lambda v, p: quantity(v, p, event=metric.event, kind=metric.kind), None)
    if value is None:
        return None
    if metric.scale and not metric.scale[0] <= value <= metric.scale[1]:
        low, high = metric.scale
        hint = f"the scale runs from {low:g} to {high:g}"
        raise refusal(f"{fields.what} begins at {value:g}, outside its scale", path=fields.at("baseline"), hint=hint)
    if value == 0:
        hint = "write the old version's value; leave `baseline` out if it is not known"
        raise refusal(f"{fields.what} begins at nothing", path=fields.at("baseline"), hint=hint)
    return value


def _worse_by(value: Any, path: str, metric: Metric) -> Margin:
    return margin(value, path, event=metric.event, kind=metric.kind, least=float_info.min)


def _positive(value: Any, path: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    raise refusal(
        f"{shown(value)} is not a weight", path=path, hint="write a number above 0; 1 is usual, 2 counts double"
    )
