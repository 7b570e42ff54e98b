"""Means: betting, capped intervals and ranks on log-normal times (RULES E1, E2)."""

from math import sin

import numpy as np
import pytest

from ebbgate.core.metrics import (
    BET_SIZES,
    Direction,
    HarmBy,
    Margin,
    MeanBlock,
    MetricKind,
    Moments,
    fold,
    judge,
    start,
)

CAP = 1500.0  # about the 97th percentile of a log-normal around 300 with sigma 1
BETS = np.array(BET_SIZES)


def _moments(values):
    return Moments(n=len(values), total=float(values.sum()), squares=float((values**2).sum()))


def _block(treated, control, sign, common):
    """What an engine would make of two arms: bets on pairs with the mean of the unit's share of the controls, and
    ranks."""
    raw = treated.sum(), control.sum()
    raw_squares = (treated**2).sum(), (control**2).sum()
    treated, control = np.minimum(treated, CAP), np.minimum(control, CAP)
    first = (
        np.arange(len(treated)) * len(control) // len(treated)
    )  # each treated unit's share of the controls begins here
    sizes = np.diff(first, append=len(control))
    pairs = sign * (treated - np.add.reduceat(control, first) / sizes) / CAP
    n = len(treated) + len(control)
    ranks = np.concatenate([treated, control]).argsort().argsort() + 1.0
    centred = (ranks - (n + 1) / 2) / n
    return MeanBlock(
        cap=CAP,
        treatment=_moments(treated),
        control=_moments(control),
        treatment_raw_total=float(raw[0]),
        control_raw_total=float(raw[1]),
        treatment_raw_squares=float(raw_squares[0]),
        control_raw_squares=float(raw_squares[1]),
        log_wealth=tuple(float(x) for x in np.log1p(BETS[:, None] * pairs[None, :]).sum(axis=1)),
        rank_score=float(centred[: len(treated)].sum()),
        rank_variance=float(len(treated) * len(control) / (n * (n - 1)) * (centred**2).sum()),
        **common,
    )


def _crossings(runs, seed, guardrail, ramp, factor, units=400):
    rng, fired = np.random.default_rng(seed), 0
    sign = 1 if guardrail.metric.bad is Direction.INCREASE else -1
    for _ in range(runs):
        evidence = start(guardrail, alpha=0.05)
        for _, share, time, common in ramp():
            treated = min(max(int(rng.binomial(units, share)), 1), units // 2)
            level = 250 * (1 + 0.3 * sin(9 * time))
            values = level * rng.lognormal(0, 1, units)
            block = _block(factor * values[:treated], values[treated:], sign, common)
            evidence = fold(guardrail, evidence, block)
            if evidence.harm_shown_at is not None:
                fired += 1
                break
    return fired


# 800 units a block give 3,300 treated ones: enough for the capped interval to take part, beside the bets.
@pytest.mark.parametrize(("harm", "units"), [(HarmBy.MEAN, 800), (HarmBy.DISTRIBUTION, 200)])
def test_equal_distributions_rarely_show_harm_while_the_level_drifts(
    runs, ramp, a_guardrail, most_crossings, harm, units
):
    guardrail = a_guardrail(MetricKind.MEAN, bad=Direction.DECREASE, harm=harm)
    assert _crossings(runs, 11, guardrail, ramp, 1.0, units) <= most_crossings(0.05)


def test_a_fall_exactly_at_the_tolerance_rarely_shows_harm(runs, ramp, a_guardrail, most_crossings):
    guardrail = a_guardrail(MetricKind.MEAN, bad=Direction.DECREASE, tolerate=Margin(relative=0.1))
    assert _crossings(runs // 2, 12, guardrail, ramp, 0.9, 800) <= most_crossings(0.05, runs // 2)


@pytest.mark.parametrize("harm", list(HarmBy))
def test_a_large_fall_always_shows_harm(ramp, a_guardrail, harm):
    guardrail = a_guardrail(MetricKind.MEAN, bad=Direction.DECREASE, harm=harm)
    assert _crossings(40, 13, guardrail, ramp, 0.5) == 40


def test_a_mean_worse_by_the_whole_margin_is_rarely_called_safe(ramp, a_guardrail, most_crossings):
    guardrail = a_guardrail(
        MetricKind.MEAN, bad=Direction.DECREASE, tolerate=Margin(relative=0.9), worse_by=Margin(relative=0.1)
    )
    rng, safe, rollouts = np.random.default_rng(14), 0, 300
    for _ in range(rollouts):
        evidence = start(guardrail, alpha=None)
        for _, _, time, common in ramp():
            values = 250 * (1 + 0.3 * sin(9 * time)) * rng.lognormal(0, 0.5, 600)
            arms = 0.9 * values[:150], values[150:]
            block = MeanBlock(cap=CAP, treatment=_moments(arms[0]), control=_moments(arms[1]), **{**common, "phase": 0})
            evidence = fold(guardrail, evidence, block)
            if judge(guardrail, evidence, phase=0, has_contrast=True).verdict == "safe":
                safe += 1
                break
    assert safe <= most_crossings(0.05, rollouts)


def test_a_wider_spread_with_the_same_mean_is_no_fall_of_the_mean(ramp, a_guardrail, most_crossings):
    """RULES E2: capped values alone called this harm in every rollout."""
    guardrail, rollouts, fired = a_guardrail(MetricKind.MEAN, bad=Direction.DECREASE), 80, 0
    rng = np.random.default_rng(15)
    for _ in range(rollouts):
        evidence = start(guardrail, alpha=0.05)
        for _, share, _, common in ramp():
            n = int(1500 * share)
            treated, control = rng.lognormal(-0.245, 0.7, n), rng.lognormal(-0.125, 0.5, 1500 - n)
            evidence = fold(guardrail, evidence, _block(300 * treated, 300 * control, -1, common))
        fired += evidence.harm_shown_at is not None
    assert fired <= most_crossings(0.05, rollouts)
