from datetime import timedelta
from math import exp, log, log1p
from random import Random
from time import perf_counter

import msgspec
import pytest

from ebbgate.core.metrics import (
    BET_SIZES,
    RECOVERY,
    Direction,
    HarmBy,
    Margin,
    MetricEvidence,
    MetricKind,
    Moments,
    PairMoments,
    fold,
    measure,
    start,
)


def _random_blocks(a_block, kind, seed=1):
    """A ramp of ten blocks with all the numbers that blocks of this kind have."""
    random = Random(seed)
    blocks = []
    for minute in range(10):
        n = random.randint(20, 60), random.randint(100, 200)
        y = random.randint(0, 5), random.randint(0, 8)
        common = {"minute": minute, "phase": minute // 4}
        if kind == "proportion":
            fields = {"treatment_n": n[0], "treatment_y": y[0], "control_n": n[1], "control_y": y[1]}
        elif kind == "mean":
            wealth = tuple(random.gauss(0, 1) for _ in BET_SIZES)
            arms = [Moments(n=k, total=k * random.uniform(9, 11), squares=k * 150.0) for k in n]
            fields = {"cap": 50.0, "treatment": arms[0], "control": arms[1], "log_wealth": wealth}
            fields |= {"rank_score": random.gauss(0, 2), "rank_variance": 3.0}
        elif kind == "ratio":
            arms = [
                PairMoments(
                    n=k,
                    numerator=k * 0.3,
                    denominator=k * random.uniform(2, 3),
                    numerator_squares=k * 0.5,
                    denominator_squares=k * 9.0,
                    products=k * 1.0,
                )
                for k in n
            ]
            fields = {"treatment": arms[0], "control": arms[1], "treatment_any": n[0], "control_any": n[1]}
            fields |= {"treatment_any_y": y[0], "control_any_y": y[1]}
        else:
            sketches = [{random.randint(200, 300): 1 for _ in range(k)} for k in n]
            sizes = [sum(sketch.values()) for sketch in sketches]
            fields = {"treatment_sketch": sketches[0], "control_sketch": sketches[1]}
            fields |= {"treatment_n": sizes[0], "control_n": sizes[1], "thresholds": (90.0, 100.0, 200.0, 300.0, 390.0)}
            above = [[sum(1.02**b > t for b in sketch) for t in fields["thresholds"]] for sketch in sketches]
            fields |= {"treatment_above": tuple(above[0]), "control_above": tuple(above[1])}
            fields |= {"rank_score": random.gauss(0, 2), "rank_variance": 3.0}
        blocks.append(a_block(kind, **common, **fields))
    return blocks


KINDS = [
    ("proportion", MetricKind.RATE, HarmBy.MEAN),
    ("mean", MetricKind.MEAN, HarmBy.MEAN),
    ("mean", MetricKind.MEAN, HarmBy.DISTRIBUTION),
    ("ratio", MetricKind.RATIO, HarmBy.MEAN),
    ("quantile", MetricKind.QUANTILE, HarmBy.DISTRIBUTION),
]


@pytest.mark.parametrize(("block_kind", "kind", "harm"), KINDS)
@pytest.mark.parametrize("tolerate", [0.0, 0.05])
def test_evidence_stored_after_each_block_goes_on_to_the_same_value(
    a_guardrail, a_block, block_kind, kind, harm, tolerate
):
    guardrail = a_guardrail(kind, harm=harm, tolerate=Margin(relative=tolerate), baseline=0.1)
    kept = restarted = start(guardrail, alpha=0.02)
    for block in _random_blocks(a_block, block_kind):
        kept = fold(guardrail, kept, block)
        stored = msgspec.json.encode(fold(guardrail, restarted, block))
        restarted = msgspec.json.decode(stored, type=MetricEvidence)
    assert kept.log_e != 0
    assert restarted.log_e == pytest.approx(kept.log_e, abs=1e-9)
    assert restarted == kept


@pytest.mark.parametrize(("block_kind", "kind", "harm"), KINDS)
def test_an_empty_block_changes_no_evidence(a_guardrail, a_block, block_kind, kind, harm):
    guardrail = a_guardrail(kind, harm=harm)
    evidence = start(guardrail, alpha=0.02)
    for block in _random_blocks(a_block, block_kind):
        evidence = fold(guardrail, evidence, block)
    empty = a_block(block_kind, minute=11, phase=2, **({"cap": 50.0} if block_kind == "mean" else {}))
    assert fold(guardrail, evidence, empty).log_e == evidence.log_e


def test_no_events_at_all_are_no_evidence(a_guardrail, a_block):
    guardrail = a_guardrail()
    evidence = fold(guardrail, start(guardrail, alpha=0.02), a_block(treatment_n=500, control_n=500))
    assert evidence.log_e == pytest.approx(0)
    assert evidence.harm_shown_at is None


def test_harm_is_latched_at_the_first_crossing_and_stays_when_the_evidence_falls(a_guardrail, a_block, noon):
    guardrail = a_guardrail(tolerate=Margin(absolute=0.01), baseline=0.01)
    bad = a_block(minute=3, treatment_n=100, treatment_y=20, control_n=400, control_y=4)
    good = a_block(minute=4, phase=1, treatment_n=2000, treatment_y=10, control_n=2000, control_y=40)
    crossed = fold(guardrail, start(guardrail, alpha=0.02), bad)
    later = fold(guardrail, crossed, good)
    assert crossed.log_e >= log(1 / 0.02)
    assert later.log_e < 0
    assert later.harm_shown_at == crossed.harm_shown_at == noon + timedelta(minutes=4)
    assert later.harm_phase == 0
    assert later.harm_bound == crossed.harm_bound
    assert 0.01 < later.harm_bound < 0.19


def test_evidence_is_carried_from_phase_to_phase_and_estimates_are_not(a_guardrail, a_block):
    guardrail = a_guardrail()
    evidence = start(guardrail, alpha=0.001)
    first = a_block(minute=0, phase=0, treatment_n=100, treatment_y=8, control_n=400, control_y=8)
    second = a_block(minute=1, phase=1, treatment_n=300, treatment_y=6, control_n=400, control_y=8)
    evidence = fold(guardrail, fold(guardrail, evidence, first), second)
    alone = fold(guardrail, start(guardrail, alpha=0.001), second)
    assert evidence.log_e > alone.log_e
    assert measure(guardrail, evidence, phase=1) == measure(guardrail, alone, phase=1)


def test_blocks_of_the_recovery_check_move_estimates_and_no_evidence(a_guardrail, a_block):
    guardrail = a_guardrail()
    block = a_block(phase=RECOVERY, treatment_n=100, treatment_y=50, control_n=400, control_y=4)
    evidence = fold(guardrail, start(guardrail, alpha=0.02), block)
    assert evidence.log_e == 0
    assert evidence.harm_shown_at is None
    assert measure(guardrail, evidence, phase=RECOVERY).estimate == pytest.approx(0.49)


def test_a_goal_s_evidence_never_latches(a_guardrail, a_block):
    guardrail = a_guardrail()
    block = a_block(treatment_n=100, treatment_y=60, control_n=400, control_y=4)
    assert fold(guardrail, start(guardrail, alpha=None), block).harm_shown_at is None


def test_a_share_that_must_not_fall_is_harmed_by_a_fall_and_not_by_a_rise(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.SHARE, bad=Direction.DECREASE)
    fall = a_block(treatment_n=200, treatment_y=80, control_n=400, control_y=240)
    rise = a_block(treatment_n=200, treatment_y=160, control_n=400, control_y=240)
    assert fold(guardrail, start(guardrail, alpha=0.02), fall).harm_shown_at is not None
    assert fold(guardrail, start(guardrail, alpha=0.02), rise).log_e < 0


def test_two_constant_arms_that_differ_are_told_apart_by_the_bets(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.MEAN)
    treatment, control = Moments(n=100, total=800, squares=6400), Moments(n=100, total=200, squares=400)
    wealth = tuple(100 * log1p(bet * 0.6) for bet in BET_SIZES)
    block = a_block("mean", cap=10.0, treatment=treatment, control=control, log_wealth=wealth)
    assert fold(guardrail, start(guardrail, alpha=0.01), block).harm_shown_at is not None


def test_two_constant_arms_that_agree_are_no_evidence(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.MEAN, harm=HarmBy.DISTRIBUTION)
    same = Moments(n=5000, total=10_000, squares=20_000)
    block = a_block("mean", cap=10.0, treatment=same, control=same, log_wealth=(0.0,) * len(BET_SIZES))
    for harm in HarmBy:
        guardrail = a_guardrail(MetricKind.MEAN, harm=harm)
        assert fold(guardrail, start(guardrail, alpha=0.01), block).log_e == pytest.approx(0, abs=1e-12)


def test_a_block_without_a_cap_yet_gives_estimates_and_no_bets(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.MEAN)
    arms = Moments(n=50, total=500, squares=6000), Moments(n=50, total=400, squares=5000)
    block = a_block("mean", cap=0.0, treatment=arms[0], control=arms[1], log_wealth=())
    evidence = fold(guardrail, start(guardrail, alpha=0.01), block)
    assert evidence.log_e == pytest.approx(0)
    assert measure(guardrail, evidence, phase=0).estimate == pytest.approx(2)


def test_a_tolerated_change_of_latency_is_taken_off_the_histograms(a_guardrail, a_block):
    control = dict.fromkeys(range(100, 150), 40)
    slower = {bin_ + 4: 10 for bin_ in range(100, 150)}  # 1.02^4 = +8.2 %
    block = a_block(
        "quantile",
        treatment_n=500,
        control_n=2000,
        treatment_sketch=slower,
        control_sketch=control,
        rank_score=500 * 0.08,
        rank_variance=500 * 2000 / 2500 / 12,
    )
    strict, lenient = a_guardrail(MetricKind.QUANTILE), a_guardrail(MetricKind.QUANTILE, tolerate=Margin(relative=0.1))
    assert fold(strict, start(strict, alpha=0.01), block).harm_shown_at is not None
    assert fold(lenient, start(lenient, alpha=0.01), block).log_e < 0


def test_a_ratio_without_denominators_in_one_arm_is_not_compared(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.RATIO)
    block = a_block("ratio", treatment=PairMoments(n=300, numerator=5), control=PairMoments(n=300, numerator=5))
    evidence = fold(guardrail, start(guardrail, alpha=0.01), block)
    assert measure(guardrail, evidence, phase=0).estimate is None
    assert evidence.log_e == pytest.approx(0)


def test_bounds_toward_harm_enclose_the_estimate_whichever_way_is_worse(a_guardrail, a_block):
    block = a_block(treatment_n=2000, treatment_y=1150, control_n=4000, control_y=2400)
    for bad in Direction:
        guardrail = a_guardrail(bad=bad)
        change = measure(guardrail, fold(guardrail, start(guardrail, alpha=None), block), phase=0)
        assert change.estimate == pytest.approx(-0.025)
        assert change.harm_lower < change.toward_harm < change.harm_upper
        assert change.interval[0] < change.estimate < change.interval[1]
        assert change.relative_interval[0] < change.relative < change.relative_interval[1]


def test_a_block_of_a_hundred_thousand_units_is_folded_at_once(a_guardrail, a_block):
    guardrail = a_guardrail()
    block = a_block(treatment_n=50_000, treatment_y=600, control_n=50_000, control_y=500)
    began = perf_counter()
    evidence = fold(guardrail, start(guardrail, alpha=0.01), block)
    assert perf_counter() - began < 0.25  # takes 0.4 ms; a sum over the whole support would take seconds
    assert 1 < exp(evidence.log_e) < 20
