from math import comb, exp, fsum

import pytest

from ebbgate.core.stats import ODDS_RATIOS, block_log_e, margin_log_e, odds_ratio

MARGINS = [(0.0, 1.25), (0.1, 0.9), (0.05, 1.0)]
"""(offset, slope) of + 25 % of a rate, of - 10 % of a share told by its failures, of 5 pp."""


def expected(arms: tuple[int, int], rates: tuple[float, float], place: int, **margin: float) -> float:
    (treated, others), (one, other) = arms, rates
    return fsum(
        comb(treated, y) * one**y * (1 - one) ** (treated - y)
        * comb(others, z) * other**z * (1 - other) ** (others - z)
        * exp(margin_log_e(treated, y, others, z, **margin)[place])
        for y in range(treated + 1)
        for z in range(others + 1)
    )  # fmt: skip


@pytest.mark.parametrize(("offset", "slope"), MARGINS)
@pytest.mark.parametrize("level", [1e-5, 0.02, 0.3, 0.7, 0.999])
@pytest.mark.parametrize("control", [0.01, 0.3, 0.7])
@pytest.mark.parametrize("arms", [(9, 9), (1, 12), (12, 1)])
def test_at_the_margin_no_alternative_is_expected_to_grow_whatever_level_was_guessed(
    offset: float, slope: float, level: float, control: float, arms: tuple[int, int]
) -> None:
    for place in range(len(ODDS_RATIOS)):
        at = expected(arms, (offset + slope * control, control), place, offset=offset, slope=slope, level=level)
        assert at <= 1 + 1e-12
        assert expected(arms, (control, control), place, offset=offset, slope=slope, level=level) <= at + 1e-12


@pytest.mark.parametrize(("offset", "slope"), MARGINS)
@pytest.mark.parametrize("control", [0.01, 0.3, 0.7])
def test_at_the_level_that_was_guessed_nothing_is_lost(offset: float, slope: float, control: float) -> None:
    for place in range(len(ODDS_RATIOS)):
        found = expected((7, 9), (offset + slope * control, control), place, offset=offset, slope=slope, level=control)
        assert found == pytest.approx(1, abs=1e-12)


def test_of_rare_events_it_says_what_the_conditional_test_says() -> None:
    level = 0.002
    conditional = block_log_e(20_000, 90, 20_000, 40, tolerated=odds_ratio(1.25 * level, level))
    for guess in (level / 3, level, level * 3):
        found = margin_log_e(20_000, 90, 20_000, 40, offset=0.0, slope=1.25, level=guess)
        assert found == pytest.approx(conditional, abs=0.15)


@pytest.mark.parametrize("counts", [(0, 0, 50, 3), (50, 3, 0, 0), (0, 0, 0, 0)])
def test_an_empty_arm_says_nothing(counts: tuple[int, int, int, int]) -> None:
    assert margin_log_e(*counts, offset=0.0, slope=1.5, level=0.1) == (0.0,) * len(ODDS_RATIOS)


def test_a_margin_that_reaches_beyond_one_is_never_exceeded() -> None:
    assert margin_log_e(50, 50, 50, 0, offset=1.0, slope=0.0, level=0.1) == (0.0,) * len(ODDS_RATIOS)


def test_arms_of_very_different_sizes_are_summed_without_overflow() -> None:
    for arms in ((1, 100_000), (100_000, 1)):
        for y in (0, arms[0]):
            for z in (0, arms[1]):
                assert all(
                    abs(value) < 1e7
                    for value in margin_log_e(arms[0], y, arms[1], z, offset=0.0, slope=1.1, level=0.01)
                )
