"""Shares and rates: the exact conditional test over a ramp with a drifting baseline (RULES D1, E1, E5)."""

from math import sin

import numpy as np
import pytest

from ebbgate.core.metrics import Direction, Margin, MetricKind, ProportionBlock, fold, judge, start

UNITS = 400  # of both arms in a block


def _crossings(runs, seed, guardrail, ramp, control_rate, treatment_rate, units=UNITS):
    """How many rollouts ever show harm. Rates are functions of time in [0, 1) (and of the control's rate)."""
    rng = np.random.default_rng(seed)
    fired = 0
    for _ in range(runs):
        evidence = start(guardrail, alpha=0.05)
        for _, share, time, common in ramp():
            treated = int(rng.binomial(units, share))
            control, rate = units - treated, control_rate(time)
            block = ProportionBlock(
                treatment_n=treated,
                treatment_y=int(rng.binomial(treated, treatment_rate(rate))),
                control_n=control,
                control_y=int(rng.binomial(control, rate)),
                **common,
            )
            evidence = fold(guardrail, evidence, block)
            if evidence.harm_shown_at is not None:
                fired += 1
                break
    return fired


def _drifting(time):
    return 0.03 + 0.02 * sin(9 * time)


def test_equal_rates_rarely_show_harm_while_baseline_and_allocation_move(runs, ramp, a_guardrail, most_crossings):
    guardrail = a_guardrail(MetricKind.RATE)
    fired = _crossings(runs, 1, guardrail, ramp, _drifting, lambda rate: rate)
    assert fired <= most_crossings(0.05)


@pytest.mark.parametrize(
    ("bad", "baseline", "rate", "tolerate", "shifted"),
    [
        (Direction.INCREASE, 0.02, 0.02, Margin(absolute=0.01), 0.03),
        (Direction.INCREASE, 0.04, 0.02, Margin(absolute=0.01), 0.03),  # the plan's baseline is twice the truth
        (Direction.INCREASE, None, 0.3, Margin(relative=0.25), 0.375),
        (Direction.DECREASE, 0.6, 0.6, Margin(absolute=0.05), 0.55),
    ],
)
def test_an_effect_exactly_at_the_tolerance_rarely_shows_harm(
    runs, ramp, a_guardrail, most_crossings, bad, baseline, rate, tolerate, shifted
):
    guardrail = a_guardrail(MetricKind.RATE, bad=bad, baseline=baseline, tolerate=tolerate)
    fired = _crossings(runs // 2, 2, guardrail, ramp, lambda _: rate, lambda _: shifted)
    assert fired <= most_crossings(0.05, runs // 2)


@pytest.mark.parametrize("rate", [0.08, 0.3])
def test_a_large_effect_always_shows_harm(ramp, a_guardrail, rate):
    guardrail = a_guardrail(MetricKind.RATE, baseline=0.01, tolerate=Margin(absolute=0.005))
    assert _crossings(100, 3, guardrail, ramp, lambda _: 0.01, lambda _: rate) == 100


def test_a_large_fall_of_a_share_always_shows_harm(ramp, a_guardrail):
    guardrail = a_guardrail(MetricKind.SHARE, bad=Direction.DECREASE)
    assert _crossings(100, 4, guardrail, ramp, lambda _: 0.6, lambda _: 0.4) == 100


@pytest.mark.parametrize("rate", [0.001, 0.02])
def test_a_rate_worse_by_the_whole_margin_is_rarely_called_safe(ramp, a_guardrail, most_crossings, rate):
    guardrail = a_guardrail(MetricKind.RATE, worse_by=Margin(absolute=0.005), baseline=rate)
    rng, safe, rollouts = np.random.default_rng(5), 0, 300
    for _ in range(rollouts):
        evidence = start(guardrail, alpha=None)
        for _, _, _, common in ramp():
            block = ProportionBlock(
                treatment_n=200,
                treatment_y=int(rng.binomial(200, rate + 0.005)),
                control_n=800,
                control_y=int(rng.binomial(800, rate)),
                **{**common, "phase": 0},
            )
            evidence = fold(guardrail, evidence, block)
            if judge(guardrail, evidence, phase=0, has_contrast=True).verdict == "safe":
                safe += 1
                break
    assert safe <= most_crossings(0.05, rollouts)
