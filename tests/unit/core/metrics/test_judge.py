import msgspec
import pytest

from ebbgate.core.metrics import (
    Direction,
    Goal,
    GoalStanding,
    HarmBy,
    Margin,
    MetricKind,
    Moments,
    Verdict,
    fold,
    format_change,
    format_value,
    goal_guardrail,
    judge,
    judge_goal,
    start,
)

HALF_POINT = Margin(absolute=0.005)


def _judged(guardrail, block, **options):
    evidence = fold(guardrail, start(guardrail, alpha=0.01), block)
    return judge(guardrail, evidence, **{"phase": 0, "has_contrast": True, **options})


def test_a_guardrail_proven_inside_its_margin_is_safe(a_guardrail, a_block):
    block = a_block(treatment_n=20_000, treatment_y=200, control_n=60_000, control_y=600)
    analysis = _judged(a_guardrail(worse_by=HALF_POINT), block)
    assert analysis.verdict is Verdict.SAFE
    assert analysis.why == "proven"
    assert 0 < analysis.safe_bound < analysis.margin == 0.005
    assert analysis.words.startswith("errors is worse by 0.26pp at most, inside its margin of 0.50pp")
    assert "1.00% against 1.00%" in analysis.words


def test_a_guardrail_proven_better_is_never_called_worse_by_less_than_nothing(a_guardrail, a_block):
    block = a_block(treatment_n=20_000, treatment_y=200, control_n=60_000, control_y=6_000)
    analysis = _judged(a_guardrail(worse_by=HALF_POINT), block)
    assert analysis.safe_bound < 0
    assert analysis.words.startswith(f"errors is better by {-analysis.safe_bound * 100:.2f}pp at least: 1.00% against")


def test_harm_of_an_earlier_phase_is_not_told_with_values_that_nobody_has_yet(a_guardrail, a_block):
    block = a_block(treatment_n=2_000, treatment_y=400, control_n=2_000, control_y=20)
    assert "20.00% against 1.00%, worse by at least" in _judged(a_guardrail(), block).words
    later = _judged(a_guardrail(), block, phase=1)
    assert later.verdict is Verdict.HARM
    assert later.words.startswith("errors got worse than tolerated: worse by at least")
    assert "–" not in later.words


def test_not_shown_worse_is_not_safe(a_guardrail, a_block):
    block = a_block(treatment_n=1000, treatment_y=10, control_n=3000, control_y=30)
    analysis = _judged(a_guardrail(worse_by=HALF_POINT), block)
    assert (analysis.verdict, analysis.why) == (Verdict.UNDECIDED, "not_proven")
    assert "the margin is 0.50pp" in analysis.words


def test_no_events_in_a_small_sample_prove_nothing(a_guardrail, a_block):
    analysis = _judged(a_guardrail(worse_by=HALF_POINT), a_block(treatment_n=300, control_n=300))
    assert (analysis.verdict, analysis.why) == (Verdict.UNDECIDED, "not_proven")
    assert analysis.interval[0] < 0 < analysis.interval[1]


def test_harm_outranks_a_phase_without_contrast(a_guardrail, a_block):
    block = a_block(treatment_n=200, treatment_y=60, control_n=400, control_y=4)
    analysis = _judged(a_guardrail(worse_by=HALF_POINT), block, phase=3, has_contrast=False)
    assert (analysis.verdict, analysis.why) == (Verdict.HARM, "crossed")
    assert analysis.harm_shown_at == block.closed_at


def test_a_phase_without_contrast_is_not_applicable_whatever_arrived(a_guardrail, a_block):
    block = a_block(treatment_n=200, treatment_y=2, control_n=400, control_y=4)
    analysis = _judged(a_guardrail(worse_by=HALF_POINT), block, has_contrast=False)
    assert (analysis.verdict, analysis.why) == (Verdict.NOT_APPLICABLE, "no_contrast")


def test_missing_data_are_undecided_and_never_not_applicable(a_guardrail):
    guardrail = a_guardrail(worse_by=HALF_POINT)
    analysis = judge(guardrail, start(guardrail, alpha=0.01), phase=0, has_contrast=True)
    assert (analysis.verdict, analysis.why) == (Verdict.UNDECIDED, "no_data")


def test_data_of_an_earlier_phase_prove_nothing_in_this_one(a_guardrail, a_block):
    block = a_block(phase=0, treatment_n=20_000, treatment_y=200, control_n=60_000, control_y=600)
    analysis = _judged(a_guardrail(worse_by=HALF_POINT), block, phase=1)
    assert (analysis.verdict, analysis.why) == (Verdict.UNDECIDED, "no_data")


def test_too_few_units_are_said_with_their_number(a_guardrail, a_block):
    analysis = _judged(a_guardrail(worse_by=HALF_POINT), a_block(treatment_n=31, control_n=900))
    assert analysis.why == "too_few"
    assert analysis.words == "errors has 31 units in the smaller arm, and 100 are needed"


def test_a_guardrail_without_margin_gates_nothing_and_can_still_show_harm(a_guardrail, a_block):
    calm = a_block(treatment_n=20_000, treatment_y=200, control_n=60_000, control_y=600)
    bad = a_block(treatment_n=200, treatment_y=60, control_n=400, control_y=4)
    assert _judged(a_guardrail(), calm).why == "no_margin"
    assert _judged(a_guardrail(), bad).verdict is Verdict.HARM


def test_a_far_quantile_needs_more_units_than_a_rate(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.QUANTILE, quantile=0.99, worse_by=Margin(relative=0.1))
    sketch = {200: 200}
    block = a_block("quantile", treatment_n=200, control_n=200, treatment_sketch=sketch, control_sketch=sketch)
    assert _judged(guardrail, block).words.endswith("396 are needed")


def test_a_latency_inside_a_relative_margin_is_safe(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.QUANTILE, harm=HarmBy.DISTRIBUTION, worse_by=Margin(relative=0.1))
    treatment, control = (dict.fromkeys(range(200, 250), k) for k in (200, 600))
    block = a_block(
        "quantile", treatment_n=10_000, control_n=30_000, treatment_sketch=treatment, control_sketch=control
    )
    analysis = _judged(guardrail, block)
    assert analysis.verdict is Verdict.SAFE
    assert analysis.margin == pytest.approx(0.1 * analysis.control_value)


def test_a_mean_of_a_metric_that_must_not_fall_is_judged_by_its_fall(a_guardrail, a_block):
    margin = Margin(relative=0.05)
    guardrail = a_guardrail(MetricKind.MEAN, bad=Direction.DECREASE, worse_by=margin, tolerate=margin)
    control = Moments(n=20_000, total=20_000 * 300.0, squares=20_000 * (300.0**2 + 200.0**2))
    higher = Moments(n=10_000, total=10_000 * 310.0, squares=10_000 * (310.0**2 + 200.0**2))
    lower = Moments(n=10_000, total=10_000 * 290.0, squares=10_000 * (290.0**2 + 200.0**2))
    safe = _judged(guardrail, a_block("mean", cap=0.0, treatment=higher, control=control))
    worse = _judged(guardrail, a_block("mean", cap=0.0, treatment=lower, control=control))
    assert safe.verdict is Verdict.SAFE
    assert safe.worsening == pytest.approx(-10)
    assert worse.why == "not_proven"
    assert worse.worsening == pytest.approx(10)


def _goal(a_guardrail, change, bad):
    return Goal(metric=a_guardrail(MetricKind.SHARE, bad=bad).metric, change=change)


@pytest.mark.parametrize(
    ("treatment_y", "standing"),
    [(1_800, GoalStanding.MET), (1_100, GoalStanding.MISSED), (1_400, GoalStanding.UNKNOWN)],
)
def test_a_goal_is_met_or_missed_only_when_its_whole_interval_is(a_guardrail, a_block, treatment_y, standing):
    goal = _goal(a_guardrail, 0.4, Direction.DECREASE)
    block = a_block(treatment_n=10_000, treatment_y=treatment_y, control_n=10_000, control_y=1_000)
    evidence = fold(goal_guardrail(goal), start(goal_guardrail(goal), alpha=None), block)
    analysis = judge_goal(goal, evidence, phase=0)
    assert analysis.standing is standing
    assert "its goal of +40%" in analysis.words


def test_a_goal_to_fall_is_met_by_a_fall(a_guardrail, a_block):
    goal = _goal(a_guardrail, -0.25, Direction.INCREASE)
    block = a_block(treatment_n=10_000, treatment_y=500, control_n=10_000, control_y=1_000)
    evidence = fold(goal_guardrail(goal), start(goal_guardrail(goal), alpha=None), block)
    assert judge_goal(goal, evidence, phase=0).standing is GoalStanding.MET


def test_a_goal_without_data_is_unknown(a_guardrail):
    goal = _goal(a_guardrail, 0.4, Direction.DECREASE)
    analysis = judge_goal(goal, start(goal_guardrail(goal), alpha=None), phase=0)
    assert analysis.standing is GoalStanding.UNKNOWN
    assert "0 units" in analysis.words


def test_values_are_shown_in_their_metric_s_words(a_guardrail):
    rate, mean = a_guardrail().metric, a_guardrail(MetricKind.MEAN).metric
    assert format_value(rate, 0.0102) == "1.02%"
    assert format_change(rate, 0.0003) == "+0.03pp"
    assert format_value(mean, 1240.2) == "1,240"
    assert format_change(mean, -12.5) == "-12.50"
    assert format_value(mean, None) == "–"


@pytest.mark.parametrize(
    ("kind", "event", "value", "change"),
    [
        (MetricKind.MEAN, "api_ms", "93.29 ms", "-4.20 ms"),
        (MetricKind.QUANTILE, "dashboard_s", "93.29 s", "-4.20 s"),
        (MetricKind.GAUGE, "widget_memory_mb", "93.29 MB", "-4.20 MB"),
        (MetricKind.BUILD, "growth_bytes", "93.29 B", "-4.20 B"),
        (MetricKind.COUNT, "click_ms", "93.29 per user", "-4.20 per user"),
        (MetricKind.RATIO, "click_ms", "93.29", "-4.20"),
        (MetricKind.MEAN, "basket", "93.29", "-4.20"),
    ],
)
def test_values_have_the_unit_that_the_event_s_name_tells(a_guardrail, kind, event, value, change):
    metric = msgspec.structs.replace(a_guardrail(kind).metric, event=event)
    assert format_value(metric, 93.29) == value
    assert format_change(metric, -4.2) == change
    assert format_value(metric, 93.29, with_unit=False) == "93.29"
