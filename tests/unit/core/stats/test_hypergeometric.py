from math import comb, exp, fsum, lgamma, log

import pytest

from ebbgate.core.stats import ODDS_RATIOS, block_log_e, log_normaliser, odds_ratio


def _sum_of_all_terms(treatment_n: int, control_n: int, events: int, w: float) -> float:
    low, high = max(0, events - control_n), min(treatment_n, events)
    return log(sum(comb(treatment_n, k) * comb(control_n, events - k) * w**k for k in range(low, high + 1)))


@pytest.mark.parametrize(
    ("treatment_n", "control_n", "events", "w"),
    [(10, 20, 5, 1.0), (10, 20, 25, 2.6), (100, 50, 80, 9.0), (3, 400, 7, 1.3), (60, 60, 60, 0.2), (1, 1, 1, 4.5)],
)
def test_the_normaliser_is_the_sum_of_all_its_terms(treatment_n: int, control_n: int, events: int, w: float) -> None:
    expected = _sum_of_all_terms(treatment_n, control_n, events, w)
    assert log_normaliser(treatment_n, control_n, events, w) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("tolerated", [1.0, 1.5])
def test_the_expectation_at_the_tolerance_is_exactly_one(tolerated: float) -> None:
    treatment_n, control_n, events = 12, 30, 9
    whole = log_normaliser(treatment_n, control_n, events, tolerated)
    for index in range(len(ODDS_RATIOS)):
        expectation = fsum(
            exp(log(comb(treatment_n, y) * comb(control_n, events - y)) + y * log(tolerated) - whole)
            * exp(block_log_e(treatment_n, y, control_n, events - y, tolerated=tolerated)[index])
            for y in range(events + 1)
        )
        assert expectation == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("treatment_n", "treatment_y", "control_n", "control_y"),
    [(0, 0, 50, 3), (50, 3, 0, 0), (40, 0, 60, 0), (40, 40, 60, 60), (0, 0, 0, 0)],
)
def test_a_block_that_cannot_tell_the_arms_apart_says_nothing(
    treatment_n: int, treatment_y: int, control_n: int, control_y: int
) -> None:
    assert block_log_e(treatment_n, treatment_y, control_n, control_y) == (0.0,) * len(ODDS_RATIOS)


def test_zero_control_events_are_evidence_like_any_other() -> None:
    assert max(block_log_e(100, 10, 100, 0)) > 2


def test_a_block_of_a_hundred_thousand_units_is_summed_without_overflow() -> None:
    values = block_log_e(50_000, 600, 50_000, 500)
    assert 3 < max(values) < 6
    assert all(value < 0 for ratio, value in zip(ODDS_RATIOS, values, strict=True) if ratio > 1.5)


def test_a_shifted_test_wants_more_than_the_tolerance() -> None:
    plain = block_log_e(200, 12, 800, 16)
    shifted = block_log_e(200, 12, 800, 16, tolerated=odds_ratio(0.06, 0.02))
    assert max(plain) > 2
    assert max(shifted) < 0


class _CountedRatio(float):
    """An odds ratio that counts its products: the sum takes one for each of its terms."""

    products = 0

    def __mul__(self, other: float) -> float:
        self.products += 1
        return float(self) * other


@pytest.mark.parametrize("treatment_n", [5_000, 50_000])
def test_a_block_of_100_000_units_sums_only_the_terms_that_matter(treatment_n: int) -> None:
    # given 50,000 events, so that the count's standard deviation is at most 79 and its support 50,000 wide
    ratio = _CountedRatio(1.3)
    # when
    found = log_normaliser(treatment_n, 100_000 - treatment_n, 50_000, ratio)
    # then some twenty standard deviations are summed, and nothing that matters is left out
    assert 200 < ratio.products < 25 * 79
    rest = 100_000 - treatment_n - 50_000
    logs = [
        lgamma(treatment_n + 1) - lgamma(k + 1) - lgamma(treatment_n - k + 1)
        + lgamma(100_000 - treatment_n + 1) - lgamma(50_000 - k + 1) - lgamma(rest + k + 1)
        + k * log(1.3)
        for k in range(treatment_n + 1)
    ]  # fmt: skip
    top = max(logs)
    assert found == pytest.approx(top + log(fsum(exp(term - top) for term in logs)), abs=1e-7)
