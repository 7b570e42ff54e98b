"""Issue 2, acceptance 3: each mistake gives one answer with path and hint."""

import pytest

from ebbgate.adapters.plans import read_plan
from ebbgate.core.errors import PlanError

PLAN = """
app: shop
flag: newWidgets
variants: {treatment: on, control: off}
audiences:
  internal: {any: [{email: "*@example.com"}, {role: [qa, alpha]}]}
phases:
  - {to: 5%, who: internal, stay: 1d..2d}
  - {to: 20%, who: random, stay: 3d..5d}
  - {to: 100%, who: everyone, watch: 30d}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 0.5pp}
goals:
  dashboard_time: {mean: dashboard_s, goal: +30%}
when:
  server_lost: off after 15m
"""


def refusal_of(old: str, new: str) -> PlanError:
    assert old in PLAN
    with pytest.raises(PlanError) as caught:
        read_plan(PLAN.replace(old, new))
    return caught.value


def test_off_and_on_unquoted_stay_text() -> None:
    plan = read_plan(PLAN)
    assert (plan.treatment_variant, plan.control_variant) == ("on", "off")
    assert plan.when.server_lost.total_seconds() == 900


def test_a_percentage_above_one_hundred_names_its_path() -> None:
    error = refusal_of("to: 20%", "to: 500%")
    assert error.path == "$.phases[1].to"
    assert error.message == "line 9, column 6: `500%` cannot be exposed"
    assert "did you mean `50%`?" in error.hint


def test_a_letter_in_a_goal_is_named_with_its_place() -> None:
    error = refusal_of("+30%", "+3O%")
    assert error.path == "$.goals.dashboard_time.goal"
    assert "character 3 is the letter O, not the digit 0" in error.message
    assert error.hint == "did you mean `+30%`?"


@pytest.mark.parametrize(("old", "new", "path"), [
    ("stay: 1d..2d", "stay: -1d..2d", "$.phases[0].stay"),
    ("watch: 30d", "watch: -30d", "$.phases[2].watch"),
    ("off after 15m", "off after -15m", "$.when.server_lost"),
])  # fmt: skip
def test_a_negative_duration_is_refused(old: str, new: str, path: str) -> None:
    error = refusal_of(old, new)
    assert error.path == path
    assert "is negative" in error.message
    assert "more than nothing" in error.hint


def test_an_unknown_audience_lists_the_known_ones() -> None:
    error = refusal_of("who: internal", "who: internals")
    assert error.path == "$.phases[0].who"
    assert "there is no audience `internals`" in error.message
    assert error.hint == "did you mean `internal`? known: everyone, internal, random"


@pytest.mark.parametrize(("old", "new", "path", "hint"), [
    ("app: shop", "app: shop\nguardrail: {}", "$.guardrail", "did you mean `guardrails`?"),
    ("who: random", "hwo: random", "$.phases[1].hwo", "did you mean `who`?"),
    ("worse_by", "worse_than", "$.guardrails.errors.worse_than", "did you mean `worse_by`?"),
    ("server_lost", "server_los", "$.when.server_los", "did you mean `server_lost`?"),
])  # fmt: skip
def test_an_unknown_key_suggests_the_right_one(old: str, new: str, path: str, hint: str) -> None:
    error = refusal_of(old, new)
    assert error.path == path
    assert hint in error.hint


def test_an_error_says_line_and_column() -> None:
    assert refusal_of("0.5pp", "half").message.startswith("line 12, column 43:")
