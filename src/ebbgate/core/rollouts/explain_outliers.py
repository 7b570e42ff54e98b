"""What a person can do where few values hide whether a mean got worse."""

from ebbgate.core.metrics.analysis import Analysis, Verdict
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.metrics.display import format_value
from ebbgate.core.rollouts.values_quantities import quantity_text


def outlier_sentences(metric: Metric, analysis: Analysis) -> tuple[str, ...]:
    """One sentence where few values carry most of the spread, and harm was not shown in spite of them; else none."""
    found = analysis.outliers
    if found is None or analysis.verdict is Verdict.HARM:
        return ()
    cap = float(f"{found.above:.3g}")
    written = quantity_text(cap, event=metric.event, kind=metric.kind)
    return (
        f"A few values of {metric.name} above {format_value(metric, cap)} make up {found.share:.0%} of the spread of "
        "all values, so that whether the mean of all got worse can hardly be told yet; "
        f"`cap: {written}` in the plan would count them as that.",
    )
