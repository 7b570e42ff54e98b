"""The plain-Python block numbers against formulas and worked examples."""

from datetime import timedelta
from math import log1p

import pytest

from ebbgate.core.metrics.blocks import BET_SIZES, SKETCH_BASE, SKETCH_ZERO
from ebbgate.core.metrics.definition import Direction, HarmBy, Metric, MetricKind
from ebbgate.core.stats.rank import rank_block
from ebbgate.testing.event_script import minute
from ebbgate.testing.memory_blocks import Head, mean_block, quantile_block, rank_score

HEAD: Head = ("m", 0, minute(0), minute(1))
RISE = Metric(
    name="m",
    kind=MetricKind.MEAN,
    event="x",
    bad=Direction.INCREASE,
    harm=HarmBy.MEAN,
    window=timedelta(minutes=1),
    lateness=timedelta(0),
)


def test_ranks_of_values_and_of_their_histograms_give_the_same_score() -> None:
    treatment, control = [3.0, 1.0, 2.0, 2.0], [1.0, 2.0, 5.0, 2.0, 4.0]
    bins = {int(v): treatment.count(v) for v in treatment}, {int(v): control.count(v) for v in control}
    assert rank_score(treatment, control) == pytest.approx(rank_block(*bins))


def test_an_empty_arm_has_no_ranks_and_no_wealth() -> None:
    assert rank_score([], [1.0, 2.0]) == (0.0, 0.0)
    assert mean_block(HEAD, RISE, 10.0, [1.0], []).log_wealth == (0.0,) * len(BET_SIZES)


def test_each_treated_unit_meets_the_mean_of_its_share_of_the_control() -> None:
    got = mean_block(HEAD, RISE, 10.0, [5.0, 1.0], [2.0, 4.0, 1.0, 3.0])
    expected = [log1p(bet * (5 - 3) / 10) + log1p(bet * (1 - 2) / 10) for bet in BET_SIZES]
    assert got.log_wealth == pytest.approx(expected)


def test_with_fewer_controls_each_meets_the_mean_of_its_share_of_the_treated() -> None:
    got = mean_block(HEAD, RISE, 10.0, [5.0, 1.0, 6.0], [2.0])
    assert got.log_wealth == pytest.approx([log1p(bet * (4 - 2) / 10) for bet in BET_SIZES])


def test_no_value_however_wild_can_ruin_a_bet() -> None:
    got = mean_block(HEAD, RISE, 10.0, [-1e9], [1e9])
    assert got.log_wealth == pytest.approx([log1p(-bet) for bet in BET_SIZES])


def test_a_sketch_has_bins_of_two_percent_and_one_for_zero() -> None:
    got = quantile_block(HEAD, (), [0.0, 1.0, SKETCH_BASE**10 * 1.001], [])
    assert got.treatment_sketch == {SKETCH_ZERO: 1, 0: 1, 10: 1}
