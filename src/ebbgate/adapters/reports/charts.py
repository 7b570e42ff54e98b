"""Charts as SVG, drawn by matplotlib: readable in light and dark, by line style as well as by colour."""

import io
import re
from typing import Any

from ebbgate.core.incidents import Chart

_STYLES = {"new": ("#c2410c", "-"), "old": ("#0369a1", "--")}
_SIZE = (7.2, 2.6)  # inches


def svg(chart: Chart) -> str:
    """The chart as an `<svg>` element without a fixed size; its title is the summary in words."""
    from matplotlib import rc_context  # loaded when a chart is asked for: it is large
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": chart.metric, "svg.fonttype": "none", "font.size": 8}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        _draw(figure.subplots(), chart)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Title": chart.summary})
    body = text.getvalue()
    body = body[body.index("<svg") :]
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1), count=1
    )


def _draw(axes: Any, chart: Chart) -> None:
    for series in chart.series:
        colour, line = _STYLES.get(series.name, ("#777777", ":"))
        axes.plot(series.at, series.values, line, color=colour, label=f"{series.name} version", linewidth=1.4)
    top = axes.get_ylim()[1]
    for at, words in chart.marks:
        axes.axvline(at, color="#888888", linewidth=0.8, linestyle=":")
        axes.annotate(words, (at, top), rotation=90, va="top", ha="right", fontsize=7, color="#777777")
    axes.set_title(chart.metric, loc="left", color="#777777")
    axes.tick_params(colors="#777777")
    for spine in axes.spines.values():
        spine.set_color("#999999")
    axes.legend(frameon=False, labelcolor="#777777", loc="upper left", ncols=2)
