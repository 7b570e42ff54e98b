"""Values in the words of their metric: rates in percent, changes of rates in percentage points, and everything else
with its unit where the names tell one."""

from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.units import SHARES, unit_of


def format_value(metric: Metric, value: float | None, *, with_unit: bool = True) -> str:
    """A value of the metric, such as `1.02%` or `1,240 ms`; an en dash where there is nothing to say. with_unit: False
    where a heading says the unit already; percent stand anyway."""
    if value is None:
        return "–"
    if metric.kind in SHARES:
        return f"{value * 100:.2f}%"
    return _number(value) + (_unit(metric) if with_unit else "")


def format_change(metric: Metric, change: float | None, *, with_unit: bool = True) -> str:
    """A difference of the metric, with its sign, such as `+0.03pp` or `-12.5 ms`."""
    if change is None:
        return "–"
    if metric.kind in SHARES:
        return f"{change * 100:+.2f}pp"
    return f"{'-' if change < 0 else '+'}{_number(abs(change))}" + (_unit(metric) if with_unit else "")


def format_worse(metric: Metric, change: float | None) -> str:
    """A change toward harm, without a sign: `0.50pp`. It may be negative, which is a change for the better."""
    text = format_change(metric, change)
    return text.removeprefix("+")


def _unit(metric: Metric) -> str:
    if metric.kind is MetricKind.COUNT and metric.is_of_events:
        return " per user"
    unit = unit_of(metric.event, metric.kind)
    return f" {unit}" if unit is not None else ""


def _number(value: float) -> str:
    """Three or four digits that matter, thousands set apart."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 1:
        return f"{value:,.2f}"
    return f"{value:.3g}"
