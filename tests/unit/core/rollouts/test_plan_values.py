"""The short notations: what each means, and that a mistake names its place and what to write."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ebbgate.core.errors import PlanError
from ebbgate.core.metrics.definition import CriticalLimit, Margin, MetricKind
from ebbgate.core.rollouts import values, values_quantities
from ebbgate.core.rollouts.plan import Response, ReviewTerms

AT = "$.here"
QUANTILE, RATE, COUNT = MetricKind.QUANTILE, MetricKind.RATE, MetricKind.COUNT


def refusal_of(read: Callable[..., Any], value: Any, **more: Any) -> PlanError:
    with pytest.raises(PlanError) as caught:
        read(value, AT, **more)
    assert caught.value.path == AT
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.5 %", 0.005), ("100%", 1.0), ("7%", 0.07), ("0%", 0.0)])
def test_a_percentage_is_a_share(text: str, share: float) -> None:
    assert values.percent(text, AT) == share


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (5, "write `5%`"),
        (0.05, "write `5%`"),
        ("5", "`5%`"),
        ("S%", "did you mean `5%`?"),
        (True, "`5%`"),
        ("-5%", "0%"),
    ],
)
def test_what_is_not_a_percentage_says_what_to_write(value: Any, hint: str) -> None:
    assert hint in refusal_of(values.percent, value).hint


@pytest.mark.parametrize(
    ("value", "hint"), [("500%", "did you mean `50%`?"), ("0%", "more than `0%`"), ("101%", "100%")]
)
def test_an_exposure_lies_between_nothing_and_everyone(value: str, hint: str) -> None:
    assert hint in refusal_of(values.exposure, value).hint


@pytest.mark.parametrize(("text", "share"), [("+30%", 0.3), ("-25%", -0.25), ("+150%", 1.5), ("+ 2.5 %", 0.025)])
def test_a_change_has_a_sign(text: str, share: float) -> None:
    assert values.change(text, AT) == share


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("30%", "`+30%` for more"),
        (0.3, "with its sign"),
        ("+3O%", "did you mean `+30%`?"),
        ("+0%", "guardrail"),
        ("-100%", "less than"),
        ("+l0%", "did you mean `+10%`?"),
        ("more", "`+30%`"),
        (None, "`+30%`"),
    ],
)
def test_what_is_not_a_change_says_what_to_write(value: Any, hint: str) -> None:
    assert hint in refusal_of(values.change, value).hint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1d", 86_400),
        ("4h", 14_400),
        ("30m", 1_800),
        ("90s", 90),
        ("2d12h", 216_000),
        ("1h 30m", 5_400),
        ("1.5h", 5_400),
        ("250ms", 0.25),
        ("2w", 1_209_600),
    ],
)
def test_a_duration(text: str, seconds: float) -> None:
    assert values.duration(text, AT) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("-2d", "more than nothing"),
        (-5, "more than nothing"),
        (30, "`30m`"),
        ("1:30", "`1h30m`"),
        ("0s", "more than"),
        ("12h2d", "largest first"),
        ("1d1d", "each once"),
        ("l0m", "did you mean `10m`?"),
        ("2 days", "`2d12h`"),
        ("99999999999999d", "shorter"),
        (None, "`2d12h`"),
        ("", "`2d12h`"),
        ([], "`2d12h`"),
    ],
)
def test_what_is_not_a_duration_says_what_to_write(value: Any, hint: str) -> None:
    assert hint in refusal_of(values.duration, value).hint


def test_a_stay_has_both_ends() -> None:
    assert values.stay("1d..2d", AT) == (timedelta(days=1), timedelta(days=2))
    assert "`2d..4d`" in refusal_of(values.stay, "2d").hint
    assert "`1d..2d`" in refusal_of(values.stay, "2d..1d").hint
    assert "is negative" in refusal_of(values.stay, "-1d..2d").message


def test_a_scale_has_room() -> None:
    assert values.scale("1..5", AT) == (1.0, 5.0)
    assert values.scale("-1 .. 1", AT) == (-1.0, 1.0)
    assert "`1..5`" in refusal_of(values.scale, "5..1").hint
    assert "`1..5`" in refusal_of(values.scale, 5).hint


def test_a_division_names_two_events() -> None:
    assert values.division("api_error / api_request", AT) == ("api_error", "api_request")
    for wrong in ("api_error", "a / b / c", "a /", 3, "a b / c"):
        refusal_of(values.division, wrong)


def test_a_review_has_a_deadline_and_an_end() -> None:
    terms = ReviewTerms(deadline=timedelta(hours=4), then=Response.PAUSE)
    assert values.review_terms("review in 4h, then pause", AT) == terms
    assert "then pause" in refusal_of(values.review_terms, "review").hint
    assert "did you mean `pause`?" in refusal_of(values.review_terms, "review in 4h, then pase").hint


@pytest.mark.parametrize(
    ("text", "event", "kind", "value"),
    [
        ("1s", "api_ms", QUANTILE, 1000.0),
        ("3s", "load_s", QUANTILE, 3.0),
        ("1.5m", "load_s", MetricKind.MEAN, 90.0),
        ("100MB", "widget_memory_mb", QUANTILE, 100.0),
        ("1GB", "widget_memory_mb", QUANTILE, 1000.0),
        ("500KB", "bundle_bytes", MetricKind.MEAN, 500_000.0),
        ("1MiB", "bundle_bytes", MetricKind.MEAN, 1_048_576.0),
        ("5%", "api_error", RATE, 0.05),
        (2.4, "satisfaction", MetricKind.SURVEY, 2.4),
        ("3", "tickets", COUNT, 3.0),
        (7, "temperature", MetricKind.MEAN, 7.0),
    ],
)
def test_a_quantity_is_turned_into_the_metrics_unit(text: Any, event: str, kind: MetricKind, value: float) -> None:
    assert values_quantities.quantity(text, AT, event=event, kind=kind) == value


@pytest.mark.parametrize(
    ("value", "event", "kind", "hint"),
    [
        (1000, "api_ms", QUANTILE, "write `1000ms`"),
        ("1s", "api_time", QUANTILE, "`api_time_ms`"),
        ("1MB", "api_ms", QUANTILE, "100ms"),
        ("5%", "api_ms", QUANTILE, "100ms"),
        (0.05, "api_error", RATE, "write `5%`"),
        ("500%", "api_error", RATE, "from `0%` to `100%`"),
        ("5%", "tickets", COUNT, "bare number"),
        ("-1s", "api_ms", QUANTILE, "100ms"),
        ("1Os", "api_ms", QUANTILE, "did you mean `10s`?"),
        (None, "api_ms", QUANTILE, "100ms"),
    ],
)
def test_a_quantity_in_no_fitting_unit_is_refused(value: Any, event: str, kind: MetricKind, hint: str) -> None:
    assert hint in refusal_of(values_quantities.quantity, value, event=event, kind=kind).hint


def test_a_critical_limit_has_a_value_and_a_duration() -> None:
    limit = values_quantities.critical_limit("> 5% for 5m", AT, event="e", kind=RATE, on=("apply_all",))
    assert limit == CriticalLimit(value=0.05, sustained=timedelta(minutes=5), on=("apply_all",))
    for wrong in ("5% for 5m", "> 5%", "< 5% for 5m", "> 5% for -5m", "> 0% for 5m", "> 100% for 5m", 5):
        refusal_of(values_quantities.critical_limit, wrong, event="e", kind=RATE, on=())


@pytest.mark.parametrize(
    ("value", "event", "kind", "margin"),
    [
        ("0.5pp", "e", RATE, Margin(absolute=0.005)),
        ("10%", "api_ms", QUANTILE, Margin(relative=0.1)),
        ("+10%", "e", RATE, Margin(relative=0.1)),
        ("50ms", "api_s", QUANTILE, Margin(absolute=0.05)),
        (0.2, "satisfaction", MetricKind.SURVEY, Margin(absolute=0.2)),
        (0, "e", RATE, Margin(relative=0.0)),
    ],
)
def test_a_margin(value: Any, event: str, kind: MetricKind, margin: Margin) -> None:
    assert values_quantities.margin(value, AT, event=event, kind=kind) == margin


@pytest.mark.parametrize(
    ("value", "kind", "hint"),
    [("0.5", RATE, "`0.5pp`"), ("0.5pp", QUANTILE, "`10%`"), ("-5%", RATE, "no sign"), ("O.5pp", RATE, "`0.5pp`?")],
)
def test_a_margin_that_could_mean_two_things_is_refused(value: Any, kind: MetricKind, hint: str) -> None:
    assert hint in refusal_of(values_quantities.margin, value, event="api_ms", kind=kind).hint


def test_a_limit_points_one_way_only() -> None:
    assert values_quantities.benchmark("< 1s", AT, event="api_ms", kind=QUANTILE) == 1000.0
    assert "< 1s" in refusal_of(values_quantities.benchmark, "> 1s", event="api_ms", kind=QUANTILE).hint


@pytest.mark.parametrize("text", ["1d", "2d12h", "90s", "250ms", "15m"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    assert values.duration(values.duration_text(values.duration(text, AT)), AT) == values.duration(text, AT)


@pytest.mark.parametrize(
    ("value", "event", "kind", "text"),
    [
        (1000, "api_ms", QUANTILE, "1s"),
        (250, "api_ms", QUANTILE, "250ms"),
        (90, "load_s", QUANTILE, "1.5m"),
        (100, "memory_mb", QUANTILE, "100MB"),
        (0.05, "e", RATE, "5%"),
        (2.4, "s", MetricKind.SURVEY, "2.4"),
    ],
)
def test_quantities_are_shown_in_a_unit_that_fits(value: float, event: str, kind: MetricKind, text: str) -> None:
    assert values_quantities.quantity_text(value, event=event, kind=kind) == text
