"""What `plan power` promises (RULES E7), against the bounds that will judge."""

from typing import Any

import pytest

from ebbgate.core.rollouts import plan_from_data, power
from ebbgate.core.rollouts.plan_power import Answer, expected_arms
from ebbgate.core.rollouts.plan_power_changes import with_changes
from ebbgate.core.rollouts.traffic import MetricTraffic, Traffic, given_traffic

PHASES: list[dict[str, Any]] = [
    {"to": "5%", "who": "internal", "stay": "1d..2d"},
    {"to": "20%", "who": "random", "stay": "3d..5d"},
    {"to": "50%", "who": "random", "stay": "5d..7d"},
    {"to": "100%"},
]


def plan_with(**changes: Any) -> Any:
    data: dict[str, Any] = {
        "app": "shop",
        "flag": "newWidgets",
        "users": 20_000,
        "audiences": {"internal": {"role": "qa", "share": "5%"}},
        "phases": PHASES,
        "guardrails": {"errors": {"rate": "a / b", "baseline": "1%", "worse_by": "1pp"}},
        **changes,
    }
    return plan_from_data({key: value for key, value in data.items() if value is not None})


def test_each_phase_compares_the_newly_exposed_with_those_never_exposed() -> None:
    """RULES B1, D1: 20 % with 5 % of named users leaves 15 % of all to draw."""
    arms = expected_arms(plan_with())
    assert [round(arm.treatment, 4) for arm in arms] == [0.0, 0.15, 0.3, 0.5]
    assert [round(arm.control, 4) for arm in arms] == [0.95, 0.8, 0.5, 0.0]
    assert [round(arm.exposed, 4) for arm in arms] == [0.05, 0.2, 0.5, 1.0]


def test_where_there_is_no_random_contrast_nothing_applies() -> None:
    """RULES F1."""
    answers = [cell.answer for cell in power(plan_with()).guardrails]
    assert answers == [Answer.NOT_APPLICABLE, Answer.YES, Answer.YES, Answer.NOT_APPLICABLE]


def test_an_answer_says_units_needed_and_the_smallest_margin() -> None:
    cell = power(plan_with()).guardrails[1]
    assert (cell.treatment_units, cell.control_units) == (3_000, 15_999)  # buckets are whole millionths
    assert cell.needed_units is not None
    assert cell.needed_units < 3_000
    assert cell.smallest_margin is not None
    assert 0.005 < (cell.smallest_margin.absolute or 0) < 0.01


def test_the_smallest_margin_can_indeed_be_proven_and_less_cannot() -> None:
    smallest = power(plan_with()).guardrails[1].smallest_margin
    assert smallest is not None
    assert smallest.absolute is not None
    for factor, answer in ((1.001, Answer.YES), (0.99, Answer.NO)):
        text = f"{smallest.absolute * factor * 100:.9f}pp"
        plan = plan_with(guardrails={"errors": {"rate": "a / b", "baseline": "1%", "worse_by": text}})
        assert power(plan).guardrails[1].answer is answer


def test_more_users_never_make_an_answer_worse() -> None:
    for fewer, more in ((2_000, 5_000), (5_000, 20_000), (20_000, 100_000)):
        yes = {
            users: {c.phase_index for c in power(plan_with(users=users)).guardrails if c.answer is Answer.YES}
            for users in (fewer, more)
        }
        assert yes[fewer] <= yes[more]


def test_units_whose_window_does_not_close_in_time_do_not_count() -> None:
    """RULES D4."""
    phases = [{"to": "50%", "stay": "1h..6h"}, {"to": "100%"}]
    guardrails = {"errors": {"rate": "a / b", "baseline": "1%", "worse_by": "1pp", "window": "6h"}}
    cell = power(plan_with(phases=phases, guardrails=guardrails)).guardrails[0]
    assert (cell.answer, cell.treatment_units) == (Answer.NO, 0)


def test_a_holdout_takes_from_both_arms() -> None:
    plain, held = (
        power(plan_with(**extra)).guardrails[1] for extra in ({}, {"holdout": {"share": "10%", "for": "9d"}})
    )
    assert held.treatment_units == round(plain.treatment_units * 0.9)
    assert held.control_units == round(plain.control_units * 0.9)


def test_excluded_audiences_take_from_both_arms_and_from_the_limits() -> None:
    guardrails = {"errors": {"rate": "a / b", "baseline": "1%", "worse_by": "1pp", "critical": "> 5% for 5m"}}
    audiences = {"internal": {"role": "qa", "share": "5%"}, "bots": {"agent": "*bot*", "share": "20%"}}
    plain, fewer = (
        power(plan_with(audiences=audiences, guardrails=guardrails, **extra)) for extra in ({}, {"exclude": ["bots"]})
    )
    for before, after in zip(plain.guardrails[1:3], fewer.guardrails[1:3], strict=True):
        assert after.treatment_units == pytest.approx(before.treatment_units * 0.8, abs=1)
        assert after.control_units == pytest.approx(before.control_units * 0.8, abs=1)
    assert [cell.treatment_units for cell in fewer.limits] == pytest.approx(
        [cell.treatment_units * 0.8 for cell in plain.limits], abs=1
    )
    assert any("Excluded audiences (20% of the users) are not compared." in line for line in fewer.assumptions)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"users": None}, "`users`"),
        ({"guardrails": {"errors": {"rate": "a / b", "worse_by": "1pp"}}}, "`baseline`"),
    ],
)
def test_what_cannot_be_told_is_unknown_and_says_why(changes: dict[str, Any], why: str) -> None:
    cell = power(plan_with(**changes)).guardrails[1]
    assert cell.answer is Answer.UNKNOWN
    assert why in cell.why


def test_limits_are_tested_for_each_function() -> None:
    """RULES G1, G3."""
    guardrails = {"errors": {"rate": "a / b", "worse_by": "10%", "critical": "> 5% for 5m", "on": ["x", "y"]}}
    cells = power(plan_with(guardrails=guardrails)).limits
    assert {cell.function for cell in cells} == {"x", "y"}
    assert all(cell.is_testable for cell in cells if cell.phase_index > 0)


def test_the_table_says_what_it_assumes() -> None:
    table = power(plan_with())
    assert table.power == 0.9
    assert any("count once" in sentence for sentence in table.assumptions)


def test_each_change_that_is_named_would_do_alone() -> None:
    """RULES E7: too few users for 1 pp in the second phase, and three ways out."""
    plan, traffic = plan_with(), given_traffic(8_000, 900)
    cell = with_changes(plan, power(plan, traffic)).guardrails[1]
    assert cell.answer is Answer.NO
    margin, stay, exposure = cell.changes
    wider = plan_with(guardrails={"errors": {"rate": "a / b", "baseline": "1%", "worse_by": margin.split()[1]}})
    longer = plan_with(phases=[PHASES[0], {**PHASES[1], "stay": f"3d..{stay.split()[-1]}"}, *PHASES[2:]])
    more = plan_with(phases=[PHASES[0], {**PHASES[1], "to": exposure.split()[1]}, *PHASES[2:]])
    for changed in (wider, longer, more):
        assert power(changed, traffic).guardrails[1].answer is Answer.YES
    assert power(plan, traffic).guardrails[2].needed_days is not None


def test_what_was_measured_stands_in_for_what_the_plan_does_not_say() -> None:
    plan = plan_with(users=None, guardrails={"errors": {"rate": "a / b", "worse_by": "1pp"}})
    assert power(plan).guardrails[1].answer is Answer.UNKNOWN
    seen = MetricTraffic(n=2_000, share=0.5, value=0.01, spread=9.9)
    traffic = Traffic(days=2, units_a_day=20_000, reach=(20_000.0, 26_000.0), metrics={"errors": seen})
    cell = power(plan, traffic).guardrails[1]
    assert cell.answer is Answer.NO  # half of the 26,000 users have an observation, 15 % of them are new
    assert cell.treatment_units == 1_950
    assert cell.needed_days is None  # nobody new is counted on beyond the days that were read


def test_a_goal_needs_a_truth_beyond_it() -> None:
    goals = {"clicks": {"share": "a / b", "baseline": "40%", "goal": "+20%"}}
    few, many = (power(plan_with(goals=goals, users=users)).goals[0] for users in (2_000, 200_000))
    assert (few.phase, few.answer, many.answer) == ("50%", Answer.NO, Answer.YES)
    assert few.shown_change is not None
    assert many.shown_change is not None
    assert 0.2 < many.shown_change < few.shown_change
    assert few.needed_units == many.needed_units
    unknown = power(plan_with(goals={"clicks": {"share": "a / b", "goal": "+20%"}})).goals[0]
    assert (unknown.answer, unknown.why) == (Answer.UNKNOWN, "it has no `baseline`")
