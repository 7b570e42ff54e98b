"""A metric's values as the table shows them."""

from ebbgate.core.metrics import (
    Analysis,
    Direction,
    GoalAnalysis,
    LimitAnalysis,
    Metric,
    MetricKind,
    format_change,
    format_value,
)
from ebbgate.core.metrics.units import SHARES, unit_of
from ebbgate.core.rollouts.values import change_text
from ebbgate.core.rollouts.values_quantities import quantity_text
from ebbgate.core.rollouts.view import RolloutView


def metric_of(view: RolloutView, name: str) -> Metric:
    """The metric's definition in the view."""
    return next(metric for metric in view.metrics if metric.name == name)


def label(metric: Metric) -> str:
    """The name, with the unit where the values do not carry it: `api_time ms`."""
    unit = unit_of(metric.event, metric.kind)
    return metric.name if unit in (None, "%") else f"{metric.name} {unit}"


def values(metric: Metric, analysis: Analysis) -> tuple[str, str]:
    """Old and new."""
    old, new = analysis.control_value, analysis.treatment_value
    return format_value(metric, old, with_unit=False), format_value(metric, new, with_unit=False)


def change(metric: Metric, analysis: Analysis) -> str:
    """The difference with its interval: `+0.03pp [-0.20, +0.30]`."""
    if analysis.estimate is None:
        return "–"
    words = format_change(metric, analysis.estimate, with_unit=False)
    if analysis.interval is None:
        return words
    low, high = (format_change(metric, end, with_unit=False).removesuffix("pp") for end in analysis.interval)
    return f"{words} [{low}, {high}]"


def margin(metric: Metric, analysis: Analysis) -> str:
    """What the change must be proven inside of, signed toward harm: `+0.50pp`."""
    if analysis.margin is None:
        return "–"
    signed = analysis.margin if metric.bad is Direction.INCREASE else -analysis.margin
    return format_change(metric, signed, with_unit=False)


def goal_change(goal: GoalAnalysis) -> str:
    """`+12.0% [-3.1%, +28.0%]`."""
    if goal.estimate is None:
        return "–"
    words = f"{goal.estimate:+.1%}"
    if goal.interval is None:
        return words
    low, high = goal.interval
    return f"{words} [{low:+.1%}, {high:+.1%}]"


def goal_target(goal: GoalAnalysis) -> str:
    return change_text(goal.target)


def limit_words(metric: Metric, limit: LimitAnalysis) -> str:
    """`errors on apply_all: 8.0% of 120, limit 5%`, or `api_time: 12.0% of 400 above 5s`."""
    where = f" on {limit.function}" if limit.function else ""
    written = quantity_text(limit.limit, event=metric.event, kind=metric.kind)
    if limit.value is not None:
        return f"{metric.name}{where}: {format_value(metric, limit.value)}, limit {written}"
    if limit.treatment_share is None:
        return f"{metric.name}{where}: no data, limit {written}"
    seen = f"{metric.name}{where}: {limit.treatment_share:.1%} of {limit.treatment_n:,}"
    is_rate = metric.kind in SHARES or metric.kind is MetricKind.RATIO
    return f"{seen}, limit {written}" if is_rate else f"{seen} above {written}"
