from math import erfc, exp, inf, log, sqrt
from statistics import NormalDist

import pytest

from ebbgate.core.stats import (
    grid_log_e,
    log_average,
    log_normal_cdf,
    one_sided_log_e,
    one_sided_multiplier,
    tuned_r,
    two_sided_log_e,
    two_sided_multiplier,
)


def test_no_variance_and_no_score_say_nothing() -> None:
    assert one_sided_log_e(0, 0, 10) == pytest.approx(0, abs=1e-12)
    assert two_sided_log_e(0, 0, 10) == 0
    assert grid_log_e(0, 0, (0.1, 0.5)) == pytest.approx(0, abs=1e-12)


def test_the_one_sided_mixture_ignores_a_change_for_the_better() -> None:
    assert one_sided_log_e(-60, 100, 50) < -2
    assert one_sided_log_e(-10_000, 100, 50) < one_sided_log_e(-60, 100, 50)


def test_the_tuned_r_makes_the_boundary_tightest_where_it_was_tuned() -> None:
    def crossing(r: float) -> float:
        low, high = 0.0, 1000.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if two_sided_log_e(middle, 500, r) >= log(20) else (middle, high)
        return high

    best = crossing(tuned_r(500, 0.05, one_sided=False))
    assert all(best <= crossing(r) + 1e-3 for r in (20, 40, 80, 160, 320, 1000))


@pytest.mark.parametrize("units", [50, 1000, 40_000])
def test_the_two_sided_multiplier_is_the_mixture_solved_for_the_score(units: float) -> None:
    r = tuned_r(1000, 0.05, one_sided=False)
    score = two_sided_multiplier(units, 0.05) * sqrt(units)
    assert two_sided_log_e(score, units, r) == pytest.approx(log(20), abs=1e-9)


def test_anytime_bounds_are_wider_than_fixed_ones_and_one_sided_ones_narrower_than_two_sided() -> None:
    for units in (10, 1000, 100_000):
        assert NormalDist().inv_cdf(0.95) < one_sided_multiplier(units, 0.05) < two_sided_multiplier(units, 0.05)


@pytest.mark.parametrize("x", [-37, -12.001, -11.999, -3, 0, 4.999, 5.001, 9])
def test_the_log_normal_cdf_is_continuous_and_right(x: float) -> None:
    if x > -30:
        assert exp(log_normal_cdf(x)) == pytest.approx(0.5 * erfc(-x / sqrt(2)), rel=2e-6)
    assert log_normal_cdf(x) < log_normal_cdf(x + 0.01)


def test_averages_of_logs_never_overflow() -> None:
    assert log_average((5000.0, 0.0)) == pytest.approx(5000 - log(2))
    assert log_average((-5000.0, -5000.0)) == pytest.approx(-5000)
    assert log_average((700.0, 800.0), (0.25, 0.75)) < inf
