from math import comb, exp, fsum, log

import pytest

from ebbgate.core.stats import (
    LIMIT_RATIOS,
    above_log_e,
    below_log_e,
    betting_log_e,
    lower_share,
    restarting,
    sample_ratio_log_e,
    shifted_wealth,
    start_weight,
    upper_share,
)


@pytest.mark.parametrize("test", [above_log_e, below_log_e])
def test_at_the_limit_itself_the_expectation_is_exactly_one(test) -> None:
    n, limit = 15, 0.2
    for index in range(len(LIMIT_RATIOS)):
        chances = [comb(n, y) * limit**y * (1 - limit) ** (n - y) * exp(test(n, y, limit)[index]) for y in range(n + 1)]
        assert fsum(chances) == pytest.approx(1)


def test_start_weights_spend_the_budget_once() -> None:
    assert fsum(start_weight(step) for step in range(1, 10_000)) == pytest.approx(1, abs=2e-4)


def test_a_restarting_process_forgets_a_good_past() -> None:
    state: tuple[float, ...] = ()
    plain = 0.0
    for step in range(1, 201):
        y = 1 if step <= 150 else 10
        state = restarting(state, above_log_e(50, y, 0.05), step=step)
        plain += above_log_e(50, y, 0.05)[2]
    assert max(state) > log(1 / 0.001)
    assert plain < max(state)


def test_bets_at_the_tolerance_are_fair() -> None:
    # D is 1 with chance 0.55, else -1: its mean is 0.1, exactly what is tolerated.
    (won,) = shifted_wealth((log(1 + 0.3),), (0.3,), pairs=1, tolerated=0.1)
    (lost,) = shifted_wealth((log(1 - 0.3),), (0.3,), pairs=1, tolerated=0.1)
    assert 0.55 * exp(won) + 0.45 * exp(lost) == pytest.approx(1)


def test_no_bets_say_nothing() -> None:
    assert betting_log_e(()) == 0.0


def test_arms_as_promised_are_no_evidence_and_lopsided_ones_are() -> None:
    assert sample_ratio_log_e(0, 0, 0.3) == 0
    assert sample_ratio_log_e(3000, 7000, 0.3) < 0
    assert sample_ratio_log_e(3300, 6700, 0.3) > log(1000)


def test_bounds_of_a_share_without_events_are_no_point() -> None:
    assert upper_share(0, 100, 3) == pytest.approx(4.5 / 100, rel=0.05)
    assert lower_share(0, 100, 3) == pytest.approx(0, abs=1e-9)
    assert upper_share(1, 100, 3) == pytest.approx(1)
    assert lower_share(1, 100, 3) == pytest.approx(1 - upper_share(0, 100, 3))


def test_bounds_of_a_common_share_are_those_of_a_normal_approximation() -> None:
    assert upper_share(0.5, 10_000, 3) == pytest.approx(0.515, abs=1e-4)
