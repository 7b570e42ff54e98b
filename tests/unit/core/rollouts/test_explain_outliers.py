"""Where few values hide a harm, a person reads which, and what to write into the plan."""

import pytest

from ebbgate.core.metrics import Direction, HarmBy, Metric, MetricKind, Verdict
from ebbgate.core.metrics.analysis import Outliers
from ebbgate.core.rollouts.explain_outliers import outlier_sentences
from ebbgate.core.rollouts.values_quantities import quantity
from ebbgate.testing.rollouts import an_analysis, hours


def a_mean(event: str, kind: MetricKind = MetricKind.MEAN) -> Metric:
    terms = {"bad": Direction.DECREASE, "harm": HarmBy.MEAN, "window": hours(1), "lateness": hours(0)}
    return Metric(name="dwell", kind=kind, event=event, **terms)


@pytest.mark.parametrize(
    ("metric", "above", "value", "written"),
    [
        (a_mean("dwell_s"), 12.3456, "12.30 s", "12.3s"),
        (a_mean("dwell_ms"), 12345.6, "12,300 ms", "12.3s"),
        (a_mean("worth"), 0.01234, "0.0123", "0.0123"),
        (a_mean("ticket", MetricKind.COUNT), 3.0, "3.00 per user", "3"),
    ],
)
def test_the_values_are_named_with_the_cap_that_the_plan_would_take(
    metric: Metric, above: float, value: str, written: str
) -> None:
    found = an_analysis(metric="dwell", verdict=Verdict.UNDECIDED, outliers=Outliers(above=above, share=0.968))
    (said,) = outlier_sentences(metric, found)
    assert f"A few values of dwell above {value} make up 97% of the spread of all values" in said
    assert f"`cap: {written}` in the plan would count them as that" in said
    cap = quantity(written, "$.cap", event=metric.event, kind=metric.kind)
    assert cap == pytest.approx(above, rel=0.01)


def test_nothing_is_said_where_harm_was_shown_or_no_value_stands_out() -> None:
    found = Outliers(above=3.0, share=0.9)
    assert outlier_sentences(a_mean("worth"), an_analysis(verdict=Verdict.HARM, outliers=found)) == ()
    assert outlier_sentences(a_mean("worth"), an_analysis(verdict=Verdict.SAFE)) == ()
