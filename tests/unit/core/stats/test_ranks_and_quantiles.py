from math import exp

import pytest

from ebbgate.core.stats import (
    LATENCY_SHIFTS,
    MEAN_SHIFTS,
    ArmBlock,
    Imaginary,
    QuantileRange,
    Strata,
    add_block,
    arm_estimate,
    difference,
    exceedance_log_e,
    quantile_range,
    rank_block,
    rank_log_e,
    ratio_interval,
    sketch_quantile,
    untied_variance,
    upper_difference,
)

BASE, ZERO = 1.02, -100_000


def test_ranks_of_a_block_are_centred_and_have_the_permutation_variance() -> None:
    # Treatment holds ranks 2 and 4 of 1..4: deviations -0.5 and 1.5, over n = 4.
    score, variance = rank_block({1: 1, 3: 1}, {0: 1, 2: 1})
    assert score == pytest.approx((-0.5 + 1.5) / 4)
    squares = (1.5**2 + 0.5**2) * 2 / 16
    assert variance == pytest.approx(2 * 2 / (4 * 3) * squares)


def test_a_tie_among_four_units_is_no_evidence() -> None:
    """Each of the four is the control as likely as any other (RULES E1); with the variance that the tie leaves, three
    treated of four were expected to multiply the evidence by 1.001."""
    total = 0.0
    for control in range(4):
        counts = [{0: 1, 1: 1, 2: 2}, {}]
        bin_ = min(control, 2)
        counts[0][bin_] -= 1
        counts[1][bin_] = 1
        score, variance = rank_block(*counts)
        total += exp(rank_log_e(score, untied_variance(3, 1, variance, LATENCY_SHIFTS), LATENCY_SHIFTS)) / 4
    assert 0.99 < total <= 1


def test_tied_units_share_a_mid_rank_and_all_tied_say_nothing() -> None:
    assert rank_block({5: 3}, {5: 7}) == (0.0, 0.0)
    assert rank_log_e(0.0, 0.0, MEAN_SHIFTS) == pytest.approx(0)


def test_a_tolerated_shift_is_taken_off_before_ranking() -> None:
    assert rank_block({5: 3, 9: 1}, {0: 7, 4: 2}, shift=5) == rank_block({0: 3, 4: 1}, {0: 7, 4: 2})


def test_an_empty_arm_has_no_ranks() -> None:
    assert rank_block({}, {5: 7}) == (0.0, 0.0)


def test_exceedance_counts_the_other_side_where_a_decrease_is_bad() -> None:
    high = exceedance_log_e(100, (10,), 100, (2,))
    low = exceedance_log_e(100, (90,), 100, (98,), increase=False)
    assert high == low


def test_a_sketch_gives_its_quantiles_within_a_bin() -> None:
    sketch = dict.fromkeys(range(100), 10)
    median = sketch_quantile(sketch, 0.5, base=BASE, zero=ZERO)
    assert median == pytest.approx(BASE**50)
    assert sketch_quantile({}, 0.5, base=BASE, zero=ZERO) is None
    assert sketch_quantile({ZERO: 9, 3: 1}, 0.5, base=BASE, zero=ZERO) == 0.0


def test_a_small_sample_bounds_no_far_quantile() -> None:
    range_ = quantile_range({3: 10}, 0.95, 3, base=BASE, zero=ZERO)
    assert range_ is not None
    assert range_.upper is None
    unbounded = QuantileRange(value=1, lower=None, upper=None)
    assert upper_difference(range_, unbounded) is None


def _mean(*values: float) -> ArmBlock:
    return ArmBlock.of_mean(len(values), sum(values), sum(value * value for value in values))


def test_a_drifting_baseline_and_allocation_move_no_estimate() -> None:
    strata = Strata()
    for level, treated, control in ((10, 1, 9), (100, 9, 1)):  # the treated come late, when all values are high
        strata = add_block(strata, _mean(*[level] * treated), _mean(*[level] * control))
    change = difference(strata)
    assert change is not None
    assert change.value == pytest.approx(0)


def test_a_block_with_an_empty_arm_adds_nothing_to_the_difference() -> None:
    strata = add_block(Strata(), _mean(1, 2), _mean(3, 4))
    more = add_block(strata, _mean(), _mean(50, 60))
    assert difference(more) is not None
    assert difference(more).value == difference(strata).value == pytest.approx(-2)
    assert more.control.n == 4


def test_an_arm_without_events_still_has_an_error() -> None:
    strata = add_block(Strata(), _mean(*[0] * 50), _mean(*[0] * 50))
    plain = arm_estimate(strata.treatment, strata.units)
    careful = arm_estimate(strata.treatment, strata.units, imaginary=Imaginary(value=1.0))
    assert plain is not None
    assert careful is not None
    assert plain.error == 0
    assert careful.error > 0.01
    assert careful.value == 0


def test_blocks_of_one_unit_fall_back_on_the_variance_of_the_phase() -> None:
    strata = Strata()
    for value in (1.0, 2.0, 3.0, 4.0):
        strata = add_block(strata, _mean(value), _mean(value))
    found = arm_estimate(strata.treatment, strata.units)
    assert found is not None
    assert found.error == pytest.approx((5 / 3 / 4) ** 0.5)


def test_a_ratio_over_an_uncertain_control_has_no_interval() -> None:
    assert ratio_interval(1.0, 0.1, 0.01, 0.01, 3) is None
    low, high = ratio_interval(1.2, 1.0, 0.0001, 0.0001, 3)
    assert low < 1.2 < high
