"""Who answers a survey, and each endpoint by itself: shown, and able to take trust away."""

from datetime import UTC, datetime, timedelta
from math import isclose

from ebbgate.core.metrics.analysis import GoalStanding, Verdict
from ebbgate.core.metrics.blocks import MeanBlock, Moments, ProportionBlock
from ebbgate.core.metrics.definition import Direction, Goal, Guardrail, HarmBy, Margin, Metric, MetricKind
from ebbgate.core.metrics.derived import (
    derived_metrics,
    fold_derived,
    goal_with_derived,
    part_metric,
    response_metric,
    value_weight,
    with_derived,
)
from ebbgate.core.metrics.evidence import fold, goal_guardrail, start
from ebbgate.core.metrics.goals import judge_goal
from ebbgate.core.metrics.judge import judge

AT = datetime(2026, 1, 5, tzinfo=UTC)


def a_metric(kind: MetricKind = MetricKind.SURVEY, **changes: object) -> Metric:
    fields: dict[str, object] = {
        "name": "stars",
        "kind": kind,
        "event": "stars",
        "bad": Direction.DECREASE,
        "harm": HarmBy.MEAN,
        "window": timedelta(hours=1),
        "lateness": timedelta(minutes=5),
        "scale": (1.0, 5.0) if kind is MetricKind.SURVEY else None,
    }
    return Metric(**{**fields, **changes})  # type: ignore[arg-type]


def answers(treatment_mean: float, control_mean: float, n: int = 4_000) -> MeanBlock:
    def moments(mean: float) -> Moments:
        return Moments(n=n, total=mean * n, squares=(mean * mean + 1) * n)

    return MeanBlock(
        metric="stars",
        phase=0,
        opened_at=AT,
        closed_at=AT + timedelta(hours=1),
        cap=5.0,
        treatment=moments(treatment_mean),
        control=moments(control_mean),
        treatment_raw_total=treatment_mean * n,
        control_raw_total=control_mean * n,
        log_wealth=(0.0,) * 7,
    )


def responses(treatment_y: int, control_y: int, *, name: str = "stars.response") -> ProportionBlock:
    return ProportionBlock(
        metric=name,
        phase=0,
        opened_at=AT,
        closed_at=AT + timedelta(hours=1),
        treatment_n=10_000,
        treatment_y=treatment_y,
        control_n=10_000,
        control_y=control_y,
    )


GUARDRAIL = Guardrail(metric=a_metric(), worse_by=Margin(relative=0.1))


def test_a_survey_whose_response_rates_differ_is_not_safe_and_says_so() -> None:
    evidence = fold(GUARDRAIL, start(GUARDRAIL, alpha=0.01), answers(4.0, 4.0))
    plain = judge(GUARDRAIL, evidence, phase=0, has_contrast=True)
    assert plain.verdict is Verdict.SAFE
    alike = fold_derived([GUARDRAIL.metric], {}, [responses(4_000, 4_010)])
    differing = fold_derived([GUARDRAIL.metric], {}, [responses(3_000, 4_000)])
    assert with_derived(GUARDRAIL, plain, alike, phase=0, min_n=100).verdict is Verdict.SAFE
    doubted = with_derived(GUARDRAIL, plain, differing, phase=0, min_n=100)
    assert (doubted.verdict, doubted.why) == (Verdict.UNDECIDED, "response_differs")
    assert "30.0% answered with the new version and 40.0% with the old" in doubted.words
    assert doubted.words.startswith("stars: 30.0%"), "nothing is said of a change that cannot be compared"
    assert doubted.words.endswith("not those of the same people and cannot be compared")
    assert doubted.response == (0.3, 0.4)
    assert with_derived(GUARDRAIL, plain, alike, phase=0, min_n=100).response is None


def test_harm_stays_harm_however_many_answered() -> None:
    harmed = judge(GUARDRAIL, start(GUARDRAIL, alpha=0.01), phase=0, has_contrast=False)
    found = fold_derived([GUARDRAIL.metric], {}, [responses(3_000, 4_000)])
    assert with_derived(GUARDRAIL, harmed, found, phase=0, min_n=100).verdict is harmed.verdict


def test_a_goal_of_a_survey_is_unknown_where_other_people_answered() -> None:
    goal = Goal(metric=a_metric(), change=0.1)
    guardrail = goal_guardrail(goal)
    met = judge_goal(goal, fold(guardrail, start(guardrail, alpha=None), answers(4.9, 4.0)), phase=0)
    assert met.standing is GoalStanding.MET
    found = fold_derived([goal.metric], {}, [responses(3_000, 4_000)])
    assert goal_with_derived(goal.metric, met, found, phase=0).standing is GoalStanding.UNKNOWN
    assert goal_with_derived(goal.metric, met, {}, phase=0) is met


def test_response_is_of_those_asked_or_of_everybody_exposed() -> None:
    asked, everybody = response_metric(a_metric(asked="shown")), response_metric(a_metric())
    assert asked is not None
    assert (asked.kind, asked.trial, asked.event) == (MetricKind.SHARE, "shown", "stars")
    assert everybody is not None
    assert everybody.trial is None
    assert response_metric(a_metric(MetricKind.MEAN)) is None


def test_each_value_is_shown_by_itself_up_to_a_number_in_the_order_in_which_it_came() -> None:
    metric = a_metric(MetricKind.MEAN, name="time", by="endpoint")
    names = [found.name for found in derived_metrics([metric], {"time": [f"/{i}" for i in range(30)]})]
    assert names == [f"time[/{i}]" for i in range(20)]
    only = a_metric(MetricKind.MEAN, name="time", by="endpoint", on=("/pay",))
    assert derived_metrics([only], {"time": ["/a"]}) == [part_metric(only, "/pay")]
    guardrail = Guardrail(metric=a_metric(MetricKind.SHARE, name="done", by="function"))
    found = fold_derived([guardrail.metric], {}, [responses(5, 6, name="done[apply]"), responses(1, 2, name="other")])
    whole = judge(guardrail, start(guardrail, alpha=0.01), phase=0, has_contrast=True)
    parts = with_derived(guardrail, whole, found, phase=0, min_n=100).parts
    assert [(part.metric, part.treatment_n, part.treatment_value) for part in parts] == [("done[apply]", 10_000, 5e-4)]


def test_g1_the_alpha_of_a_limit_lasts_for_however_many_values() -> None:
    spent = sum(value_weight(place) for place in range(1, 200_000))
    assert spent < 1
    assert isclose(spent, 1, abs_tol=1e-4)
