"""`plan power` against the judge itself: with the units it asks for, a harmless version is proven safe (RULES E7)."""

import itertools
from math import log, sqrt

import numpy as np
import pytest

from ebbgate.core.metrics import (
    SKETCH_BASE,
    Direction,
    Goal,
    HarmBy,
    Margin,
    MeanBlock,
    MetricKind,
    Moments,
    ProportionBlock,
    QuantileBlock,
    fold,
    goal_guardrail,
    judge,
    judge_goal,
    margin_reachable,
    start,
    units_needed,
)
from ebbgate.core.metrics.power import goal_shown

ROLLOUTS = 200
BLOCKS = 20
LEAST = 0.85  # of the 0.9 promised: three standard errors of 200 rollouts are 0.06


def _proven(guardrail, needed, make_block, ramp):
    """The share of rollouts with exactly the needed units after which the guardrail is proven safe."""
    common = {**next(iter(ramp()))[3], "phase": 0}
    rng, safe = np.random.default_rng(41), 0
    cuts = [(needed.treatment * i // BLOCKS, needed.control * i // BLOCKS) for i in range(BLOCKS + 1)]
    sizes = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(cuts)]
    for _ in range(ROLLOUTS):
        evidence = start(guardrail, alpha=None)
        for treated, control in sizes:
            evidence = fold(guardrail, evidence, make_block(rng, treated, control, common))
        safe += judge(guardrail, evidence, phase=0, has_contrast=True).verdict == "safe"
    return safe / ROLLOUTS


@pytest.mark.parametrize(
    ("bad", "rate", "margin"),
    [
        (Direction.INCREASE, 0.01, Margin(absolute=0.005)),
        (Direction.INCREASE, 0.02, Margin(relative=0.3)),
        (Direction.DECREASE, 0.6, Margin(absolute=0.02)),
        (Direction.DECREASE, 0.6, Margin(relative=0.05)),
    ],
)
@pytest.mark.parametrize("allocation", [0.16, 0.5])
def test_a_rate_is_proven_with_the_units_that_power_asks_for(ramp, a_guardrail, bad, rate, margin, allocation):
    guardrail = a_guardrail(MetricKind.RATE, bad=bad, worse_by=margin, baseline=rate)

    def block(rng, treated, control, common):
        y = int(rng.binomial(treated, rate)), int(rng.binomial(control, rate))
        return ProportionBlock(treatment_n=treated, treatment_y=y[0], control_n=control, control_y=y[1], **common)

    assert _proven(guardrail, units_needed(guardrail, allocation=allocation), block, ramp) >= LEAST


def _moments(values):
    return Moments(n=len(values), total=float(values.sum()), squares=float((values**2).sum()))


def test_a_mean_is_proven_with_the_units_that_power_asks_for(ramp, a_guardrail):
    guardrail = a_guardrail(
        MetricKind.MEAN, bad=Direction.DECREASE, worse_by=Margin(relative=0.1), baseline=300.0, cap=3000.0
    )
    spread = 0.8
    sigma = sqrt(log(1 + spread**2))

    def block(rng, treated, control, common):
        values = np.minimum(300 * rng.lognormal(-(sigma**2) / 2, sigma, treated + control), 3000)
        return MeanBlock(cap=3000, treatment=_moments(values[:treated]), control=_moments(values[treated:]), **common)

    needed = units_needed(guardrail, allocation=0.3, spread=spread)
    assert _proven(guardrail, needed, block, ramp) >= LEAST


def test_a_quantile_is_proven_with_the_units_that_power_asks_for(ramp, a_guardrail):
    guardrail = a_guardrail(
        MetricKind.QUANTILE, harm=HarmBy.DISTRIBUTION, quantile=0.95, worse_by=Margin(relative=0.15)
    )

    def sketch(values):
        bins, counts = np.unique(np.floor(np.log(values) / log(SKETCH_BASE)).astype(int), return_counts=True)
        return dict(zip(bins.tolist(), counts.tolist(), strict=True))

    def block(rng, treated, control, common):
        values = 200 * rng.lognormal(0, 0.6, treated + control)
        return QuantileBlock(
            treatment_n=treated,
            control_n=control,
            treatment_sketch=sketch(values[:treated]),
            control_sketch=sketch(values[treated:]),
            **common,
        )

    needed = units_needed(guardrail, allocation=0.3, spread=0.6)
    assert _proven(guardrail, needed, block, ramp) >= LEAST


def test_the_margin_that_is_reachable_is_the_margin_that_needs_those_units(a_guardrail):
    guardrail = a_guardrail(MetricKind.RATE, worse_by=Margin(absolute=0.005), baseline=0.01)
    needed = units_needed(guardrail, allocation=0.3)
    reach = margin_reachable(guardrail, treatment_n=needed.treatment, control_n=needed.control)
    assert 0.0049 < reach <= 0.005


@pytest.mark.parametrize("change", [0.2, -0.25])
def test_a_goal_is_met_with_the_units_that_power_asks_for(ramp, a_guardrail, change):
    """With the change that `goal_shown` names as the least for these units."""
    rate, sizes = 0.4, (3_000, 5_000)
    metric = a_guardrail(MetricKind.SHARE, bad=Direction.DECREASE).metric
    goal = Goal(metric=metric, change=change, baseline=rate)
    truth = goal_shown(goal, treatment_n=sizes[0], control_n=sizes[1])
    assert abs(truth) > abs(change)
    common = {**next(iter(ramp()))[3], "phase": 0}
    rng, met = np.random.default_rng(43), 0
    for _ in range(ROLLOUTS):
        evidence = start(goal_guardrail(goal), alpha=None)
        for _ in range(BLOCKS):
            n = sizes[0] // BLOCKS, sizes[1] // BLOCKS
            y = int(rng.binomial(n[0], rate * (1 + truth))), int(rng.binomial(n[1], rate))
            block = ProportionBlock(treatment_n=n[0], treatment_y=y[0], control_n=n[1], control_y=y[1], **common)
            evidence = fold(goal_guardrail(goal), evidence, block)
        met += judge_goal(goal, evidence, phase=0).standing == "met"
    assert LEAST <= met / ROLLOUTS <= 0.96
