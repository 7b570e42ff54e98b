from math import comb, exp
from random import Random

import pytest

from ebbgate.core.stats import (
    ODDS_RATIOS,
    ArmBlock,
    Covaried,
    Strata,
    add_block,
    adjusted,
    count_log_e,
    difference,
    theta_of,
)


@pytest.mark.parametrize("tolerated", [1.0, 1.25])
@pytest.mark.parametrize("increase", [True, False])
def test_counts_at_the_tolerated_ratio_have_an_expectation_of_exactly_one(tolerated, increase) -> None:
    events, exposures = 9, (30.0, 70.0)
    q = tolerated * exposures[0] / (tolerated * exposures[0] + exposures[1])
    for place in range(len(ODDS_RATIOS)):
        total = 0.0
        for y in range(events + 1):
            e = count_log_e(y, exposures[0], events - y, exposures[1], tolerated=tolerated, increase=increase)[place]
            total += comb(events, y) * q**y * (1 - q) ** (events - y) * exp(e)
        assert total == pytest.approx(1)


def test_counts_without_events_or_without_an_arm_say_nothing() -> None:
    nothing = (0.0,) * len(ODDS_RATIOS)
    assert count_log_e(0, 10, 0, 90) == nothing
    assert count_log_e(3, 10, 2, 0) == nothing
    assert count_log_e(0, 0, 2, 5) == nothing


def test_three_times_as_many_tickets_are_evidence_and_a_third_is_against_it() -> None:
    assert max(count_log_e(30, 100, 10, 100)) > 4
    assert max(count_log_e(10, 100, 30, 100)) < 0
    assert max(count_log_e(10, 100, 30, 100, increase=False)) > 4


def _units(random: Random, n: int, shift: float) -> list[tuple[float, float]]:
    habits = [random.gauss(10, 2) for _ in range(n)]
    return [(0.8 * z + random.gauss(shift, 1.2), z) for z in habits]


def _moments(units: list[tuple[float, float]]) -> Covaried:
    return Covaried(
        n=len(units),
        x=sum(x for x, _ in units),
        z=sum(z for _, z in units),
        xx=sum(x * x for x, _ in units),
        zz=sum(z * z for _, z in units),
        xz=sum(x * z for x, z in units),
    )


def test_history_narrows_the_difference_by_the_squared_correlation_and_does_not_move_it() -> None:
    random = Random(4)
    theta, centre = theta_of(_moments(_units(random, 2000, 0)))
    assert theta == pytest.approx(0.8, abs=0.05)
    plain = with_history = Strata()
    for _ in range(20):
        arms = _moments(_units(random, 100, 0.5)), _moments(_units(random, 100, 0))
        plain = add_block(plain, *(ArmBlock.of_mean(arm.n, arm.x, arm.xx) for arm in arms))
        with_history = add_block(with_history, *(adjusted(arm, theta, centre) for arm in arms))
    before, after = difference(plain), difference(with_history)
    assert before is not None
    assert after is not None
    assert after.value == pytest.approx(0.5, abs=4 * after.error)
    # Correlation of x and z: 1.6 / 2 = 0.8, so 36 % of the variance is left.
    assert (after.error / before.error) ** 2 == pytest.approx(0.36, abs=0.05)


def test_too_little_history_or_one_that_never_varies_changes_nothing() -> None:
    assert theta_of(Covaried(n=99, x=5, z=5, xx=9, zz=9, xz=9)) == (0.0, 0.0)
    assert theta_of(Covaried(n=200, x=400, z=600, xx=900, zz=1800, xz=1200))[0] == 0.0
    block = Covaried(n=3, x=6, z=9, xx=14, zz=29, xz=20)
    assert adjusted(block, 0.0, 2.0) == ArmBlock.of_mean(3, 6, 14)
