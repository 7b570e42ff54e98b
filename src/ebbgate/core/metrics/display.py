"""Values in the words of their metric: rates in percent, changes of rates in percentage points."""

from ebbgate.core.metrics.definition import Metric, MetricKind

_SHARES = (MetricKind.SHARE, MetricKind.RATE)


def format_value(metric: Metric, value: float | None) -> str:
    """A value of the metric, such as `1.02%` or `1,240`; an en dash where there is nothing to say."""
    if value is None:
        return "–"
    return f"{value * 100:.2f}%" if metric.kind in _SHARES else _number(value)


def format_change(metric: Metric, change: float | None) -> str:
    """A difference of the metric, with its sign, such as `+0.03pp` or `-12.5`."""
    if change is None:
        return "–"
    if metric.kind in _SHARES:
        return f"{change * 100:+.2f}pp"
    return f"{'-' if change < 0 else '+'}{_number(abs(change))}"


def format_worse(metric: Metric, change: float | None) -> str:
    """A change toward harm, without a sign: `0.50pp`. It may be negative, which is a change for the better."""
    text = format_change(metric, change)
    return text.removeprefix("+")


def _number(value: float) -> str:
    """Three or four digits that matter, thousands set apart."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 1:
        return f"{value:,.2f}"
    return f"{value:.3g}"
