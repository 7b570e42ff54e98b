"""Ratios clustered by unit, absolute limits and the sizes of the arms (RULES D3, E3, G1)."""

from datetime import timedelta
from math import sin

import msgspec
import numpy as np

from ebbgate.core.metrics import (
    Assignment,
    CriticalLimit,
    LimitBlock,
    Margin,
    MetricKind,
    PairMoments,
    RatioBlock,
    SampleRatioEvidence,
    fold,
    fold_assignment,
    fold_limit,
    start,
    start_limit,
)


def _pairs(rng, units, activity, rate):
    """Clicks and views of some units: a unit's views are Poisson, its habit of clicking its own, its clicks
    binomial."""
    views = 1 + rng.poisson(activity, units)
    habit = rng.beta(20 * rate, 20 * (1 - rate), units)
    clicks = rng.binomial(views, habit)
    moments = PairMoments(
        n=units,
        numerator=float(clicks.sum()),
        denominator=float(views.sum()),
        numerator_squares=float((clicks**2).sum()),
        denominator_squares=float((views**2).sum()),
        products=float((clicks * views).sum()),
    )
    return moments, int((clicks > 0).sum())


def _ratio_crossings(runs, seed, guardrail, ramp, worse, activity):
    rng, fired = np.random.default_rng(seed), 0
    for _ in range(runs):
        evidence = start(guardrail, alpha=0.05)
        for _, share, time, common in ramp():
            treated = max(int(rng.binomial(240, share)), 1)
            rate = 0.1 + 0.04 * sin(9 * time)
            treatment, treatment_clicked = _pairs(rng, treated, activity, rate * worse)
            control, control_clicked = _pairs(rng, 240 - treated, 2, rate)
            block = RatioBlock(
                treatment=treatment,
                control=control,
                treatment_any=treated,
                treatment_any_y=treatment_clicked,
                control_any=240 - treated,
                control_any_y=control_clicked,
                **common,
            )
            evidence = fold(guardrail, evidence, block)
            if evidence.harm_shown_at is not None:
                fired += 1
                break
    return fired


def test_equal_ratios_rarely_show_harm_even_when_treated_users_do_half_as_much_again(
    runs, ramp, a_guardrail, most_crossings
):
    guardrail = a_guardrail(MetricKind.RATIO)
    assert _ratio_crossings(runs, 31, guardrail, ramp, 1.0, 3) <= most_crossings(0.05)


def test_a_ratio_exactly_at_the_tolerance_rarely_shows_harm(ramp, a_guardrail, most_crossings):
    guardrail = a_guardrail(MetricKind.RATIO, tolerate=Margin(relative=0.25))
    assert _ratio_crossings(250, 39, guardrail, ramp, 1.25, 2) <= most_crossings(0.05, 250)


def test_a_ratio_twice_as_bad_always_shows_harm(ramp, a_guardrail):
    guardrail = a_guardrail(MetricKind.RATIO)
    assert _ratio_crossings(40, 32, guardrail, ramp, 2.0, 2) == 40


def _limit_crossings(runs, seed, guardrail, ramp, rate):
    rng, fired = np.random.default_rng(seed), 0
    for _ in range(runs):
        evidence = start_limit(guardrail, limit=0.05, function="", alpha=0.05)
        for _, share, time, common in ramp():
            n = int(rng.binomial(400, share))
            block = LimitBlock(limit=0.05, treatment_n=n, treatment_y=int(rng.binomial(n, rate(time))), **common)
            evidence = fold_limit(evidence, block)
            if evidence.log_e >= evidence.threshold:
                fired += 1
                break
    return fired


def test_a_rate_exactly_at_its_limit_is_rarely_shown_above(runs, ramp, a_guardrail, most_crossings):
    guardrail = a_guardrail(MetricKind.RATE)
    assert _limit_crossings(runs, 33, guardrail, ramp, lambda _: 0.05) <= most_crossings(0.05)


def test_a_rate_that_breaks_its_limit_late_is_shown_above_in_spite_of_a_good_past(ramp, a_guardrail):
    guardrail = a_guardrail(MetricKind.RATE)
    assert _limit_crossings(100, 34, guardrail, ramp, lambda time: 0.01 if time < 0.7 else 0.15) == 100


def _doubts(runs, seed, ramp, tilt):
    rng, fired = np.random.default_rng(seed), 0
    for _ in range(runs):
        evidence, phase_now, counts = SampleRatioEvidence(), -2, (0, 0)
        for phase, share, _, _ in ramp():
            counts = counts if phase == phase_now else (0, 0)
            phase_now, treated = phase, int(rng.binomial(400, share * tilt))
            counts = counts[0] + treated, counts[1] + 400 - treated
            assignment = Assignment(phase=phase, treatment=counts[0], control=counts[1], expected_share=share)
            evidence = fold_assignment(evidence, assignment)
        fired += evidence.fired
    return fired


def test_arms_of_the_promised_sizes_are_rarely_doubted(runs, ramp, most_crossings):
    assert _doubts(runs, 35, ramp, 1.0) <= most_crossings(0.001)


def test_arms_of_the_wrong_sizes_are_always_doubted(ramp):
    assert _doubts(100, 36, ramp, 1.3) == 100


def test_returning_people_with_lasting_habits_at_the_limit_are_rarely_shown_above(
    runs, ramp, a_guardrail, most_crossings
):
    """Limits see the same people block after block (RULES G1): here 300, whose habits are exactly at it on average."""
    rng, fired, guardrail = np.random.default_rng(37), 0, a_guardrail(MetricKind.RATE)
    for _ in range(runs):
        habits = rng.beta(0.5, 9.5, 300)
        habits *= 0.05 / habits.mean()
        evidence = start_limit(guardrail, limit=0.05, function="", alpha=0.05)
        for _, _, _, common in ramp():
            there = rng.choice(habits, 60, replace=False)
            bad = int((rng.random(60) < there).sum())
            evidence = fold_limit(evidence, LimitBlock(limit=0.05, treatment_n=60, treatment_y=bad, **common))
            if evidence.log_e >= evidence.threshold:
                fired += 1
                break
    assert fired <= most_crossings(0.05)


def test_an_outage_of_both_versions_is_rarely_blamed_on_the_new_one(runs, ramp, a_guardrail, most_crossings):
    """RULES F4: both fail at the same rate for a while, at any exposure."""
    rng, blamed = np.random.default_rng(38), 0
    critical = CriticalLimit(value=0.05, sustained=timedelta(0))
    guardrail = msgspec.structs.replace(a_guardrail(MetricKind.RATE), critical=critical)
    for _ in range(runs):
        evidence, share = start_limit(guardrail, limit=0.05, function="", alpha=0.01), rng.uniform(0.05, 0.95)
        length = len(list(ramp()))
        begin = int(rng.integers(0, length // 2))
        for place, (_, _, _, common) in enumerate(ramp()):
            n = int(rng.binomial(400, share))
            rate = 0.3 if begin <= place < begin + length // 4 else 0.02
            treated, control = int(rng.binomial(n, rate)), int(rng.binomial(400 - n, rate))
            block = LimitBlock(
                limit=0.05, treatment_n=n, treatment_y=treated, control_n=400 - n, control_y=control, **common
            )
            evidence = fold_limit(evidence, block)
        blamed += evidence.is_own
    assert blamed <= most_crossings(0.05)
