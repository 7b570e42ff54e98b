"""Latencies: ranks and exceedance of predictable thresholds (RULES E1, E2; analysis.md 1.7)."""

from math import log, sin

import numpy as np
import pytest

from ebbgate.core.metrics import (
    SKETCH_BASE,
    HarmBy,
    Margin,
    MetricKind,
    QuantileBlock,
    fold,
    judge,
    start,
)
from ebbgate.core.stats import THRESHOLD_QUANTILES


def _sketch(values):
    bins, counts = np.unique(np.floor(np.log(values) / log(SKETCH_BASE)).astype(int), return_counts=True)
    return dict(zip(bins.tolist(), counts.tolist(), strict=True))


def _block(treated, control, thresholds, common, *, sketches):
    n = len(treated) + len(control)
    ranks = np.concatenate([treated, control]).argsort().argsort() + 1.0
    centred = (ranks - (n + 1) / 2) / n
    return QuantileBlock(
        treatment_n=len(treated),
        control_n=len(control),
        thresholds=thresholds,
        treatment_above=tuple(int((treated > x).sum()) for x in thresholds),
        control_above=tuple(int((control > x).sum()) for x in thresholds),
        rank_score=float(centred[: len(treated)].sum()),
        rank_variance=float(len(treated) * len(control) / (n * (n - 1)) * (centred**2).sum()),
        treatment_sketch=_sketch(treated) if sketches else {},
        control_sketch=_sketch(control) if sketches else {},
        **common,
    )


def _quantiles(values):
    ordered = np.sort(values)
    return tuple(float(ordered[int(q * len(ordered))]) for q in THRESHOLD_QUANTILES)


def _crossings(runs, seed, guardrail, ramp, slower, units=120):
    rng, fired = np.random.default_rng(seed), 0
    sketches = bool(guardrail.tolerate.relative)
    for _ in range(runs):
        evidence, thresholds = start(guardrail, alpha=0.05), ()
        for _, share, time, common in ramp():
            treated = max(int(rng.binomial(units, share)), 1)
            values = 200 * (1 + 0.4 * sin(9 * time)) * rng.lognormal(0, 0.6, units)
            block = _block(slower(values[:treated]), values[treated:], thresholds, common, sketches=sketches)
            thresholds = _quantiles(values[treated:])
            evidence = fold(guardrail, evidence, block)
            if evidence.harm_shown_at is not None:
                fired += 1
                break
    return fired


def test_equal_latencies_rarely_show_harm_while_the_level_drifts(runs, ramp, a_guardrail, most_crossings):
    guardrail = a_guardrail(MetricKind.QUANTILE, harm=HarmBy.DISTRIBUTION, quantile=0.95)
    assert _crossings(runs, 21, guardrail, ramp, lambda x: x) <= most_crossings(0.05)


def test_a_slowdown_exactly_at_the_tolerance_rarely_shows_harm(ramp, a_guardrail, most_crossings):
    guardrail = a_guardrail(MetricKind.QUANTILE, harm=HarmBy.DISTRIBUTION, quantile=0.95, tolerate=Margin(relative=0.1))
    assert _crossings(400, 22, guardrail, ramp, lambda x: 1.1 * x) <= most_crossings(0.05, 400)


def test_a_large_slowdown_always_shows_harm(ramp, a_guardrail):
    guardrail = a_guardrail(MetricKind.QUANTILE, harm=HarmBy.DISTRIBUTION, quantile=0.95, tolerate=Margin(relative=0.1))
    assert _crossings(40, 23, guardrail, ramp, lambda x: 2 * x) == 40


def test_a_longer_tail_alone_shows_harm(ramp, a_guardrail):
    guardrail = a_guardrail(MetricKind.QUANTILE, harm=HarmBy.DISTRIBUTION, quantile=0.95)
    tail = lambda x: np.where(np.arange(len(x)) % 6 == 0, 4 * x, x)  # noqa: E731
    assert _crossings(40, 24, guardrail, ramp, tail) == 40


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_a_quantile_worse_by_the_whole_margin_is_rarely_called_safe(ramp, a_guardrail, most_crossings, quantile):
    guardrail = a_guardrail(
        MetricKind.QUANTILE, harm=HarmBy.DISTRIBUTION, quantile=quantile, worse_by=Margin(relative=0.1)
    )
    rng, safe, rollouts = np.random.default_rng(25), 0, 200
    for _ in range(rollouts):
        evidence = start(guardrail, alpha=None)
        for _, _, _, common in ramp():
            values = 200 * rng.lognormal(0, 0.6, 600)
            sketches = _sketch(1.1 * values[:150]), _sketch(values[150:])
            block = QuantileBlock(
                treatment_n=150,
                control_n=450,
                treatment_sketch=sketches[0],
                control_sketch=sketches[1],
                **{**common, "phase": 0},
            )
            evidence = fold(guardrail, evidence, block)
            if judge(guardrail, evidence, phase=0, has_contrast=True).verdict == "safe":
                safe += 1
                break
    assert safe <= most_crossings(0.05, rollouts)
