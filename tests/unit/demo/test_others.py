"""The rules of others decide as their makers say."""

from math import isclose

import pytest

from ebbgate.demo.others import (
    RULES,
    Counts,
    FixedThreshold,
    GrowthBook,
    RepeatedMannWhitney,
    acts_at,
    growthbook_reach,
    looks_until,
    rank_z,
)

GOOD = Counts(treatment_n=100, treatment_y=1, control_n=400, control_y=4)
BAD = Counts(treatment_n=100, treatment_y=7, control_n=400, control_y=4)
NOBODY = Counts(treatment_n=0, treatment_y=0, control_n=400, control_y=4)


def test_a_fixed_threshold_acts_at_the_bad_look_after_its_failure_limit_wherever_the_others_lie() -> None:
    assert acts_at(FixedThreshold(), [BAD] * 5) == 4
    assert acts_at(FixedThreshold(), [BAD, GOOD, BAD, NOBODY, BAD, GOOD, BAD, BAD]) == 7
    assert acts_at(FixedThreshold(), [BAD] * 4 + [GOOD] * 100) is None


def test_mann_whitney_is_asked_from_fifty_points_on() -> None:
    assert acts_at(RepeatedMannWhitney(), [BAD] * 49) is None
    assert acts_at(RepeatedMannWhitney(), [BAD] * 50) == 49
    assert acts_at(RepeatedMannWhitney(), [GOOD] * 200) is None, "all points are equal"


def test_the_rank_score_is_that_of_the_textbook() -> None:
    # U = 9 of 9 pairs, mean 4.5, variance 3 * 3 * 7 / 12 without ties
    assert isclose(rank_z([4, 5, 6], [1, 2, 3]), 4.5 / (3 * 3 * 7 / 12) ** 0.5)
    assert rank_z([1, 1], [1, 1]) == 0
    assert rank_z([1, 2, 3], [4, 5, 6]) < 0


def test_growthbook_acts_when_the_whole_sequence_lies_above_zero() -> None:
    at = acts_at(GrowthBook(), [BAD] * 50)
    assert at is not None
    n, difference = 500 * (at + 1), 0.06
    variance = 0.07 * 0.93 / (100 * (at + 1) - 1) + 0.01 * 0.99 / (400 * (at + 1) - 1)
    assert difference > growthbook_reach(n, variance, alpha=0.05)
    assert acts_at(GrowthBook(), [GOOD] * 200) is None


@pytest.mark.parametrize("rule", RULES)
def test_no_rule_acts_without_units(rule: str) -> None:
    assert acts_at(RULES[rule](), [NOBODY] * 100) is None


def test_a_stream_goes_on_as_it_was_since_it_broke() -> None:
    stream = [GOOD] * 10 + [BAD] * 3
    looks = looks_until(RepeatedMannWhitney, stream, 10, seed=1)
    assert looks is not None
    assert looks >= 37, "fifty points, thirteen of which are there"
    assert looks == looks_until(RepeatedMannWhitney, stream, 10, seed=1), "one seed is one answer"
    assert looks_until(FixedThreshold, [GOOD] * 5, 0, seed=1) is None
    assert looks_until(FixedThreshold, [GOOD, NOBODY], 1, seed=1) is None, "nothing is known of a broken version"
