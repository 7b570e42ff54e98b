"""The edge cases of analysis: what must not fool a verdict. docs/guides/rules.md lists them with their tests."""

from datetime import timedelta
from math import isfinite, log

import msgspec
import pytest

from ebbgate.core.metrics import (
    BET_SIZES,
    SKETCH_BASE,
    Direction,
    HarmBy,
    Margin,
    MetricKind,
    Moments,
    PairMoments,
    Verdict,
    fold,
    judge,
    measure,
    start,
)
from ebbgate.core.metrics.evidence import NotFiniteError
from ebbgate.core.metrics.values import USABLE_MAX, kept_value
from ebbgate.core.stats import block_log_e, log_sum, rank_block

HALF_POINT = Margin(absolute=0.005)


def folded(guardrail, *blocks):
    evidence = start(guardrail, alpha=0.01)
    for block in blocks:
        evidence = fold(guardrail, evidence, block)
    return evidence


def judged(guardrail, *blocks, **changes):
    return judge(guardrail, folded(guardrail, *blocks), phase=0, **{"has_contrast": True, **changes})


def test_zero_variance_in_both_arms_is_no_evidence_and_no_error(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.MEAN)
    same = Moments(n=500, total=5_000.0, squares=50_000.0)
    analysis = judged(guardrail, a_block("mean", cap=20.0, treatment=same, control=same, log_wealth=(0.0,) * 7))
    assert analysis.verdict is not Verdict.HARM
    assert analysis.log_e <= 0.0


def test_zero_variance_in_one_arm_is_judged_by_the_other(a_guardrail, a_block):
    guardrail = a_guardrail(worse_by=HALF_POINT)
    analysis = judged(guardrail, a_block(treatment_n=300, treatment_y=0, control_n=300, control_y=9))
    assert analysis.interval is not None
    assert analysis.interval[0] < analysis.interval[1]


def test_zero_control_events_and_many_in_the_treatment_are_harm(a_guardrail, a_block):
    analysis = judged(a_guardrail(), a_block(treatment_n=400, treatment_y=20, control_n=1_600, control_y=0))
    assert analysis.verdict is Verdict.HARM


def test_zero_events_in_total_leave_the_evidence_at_one(a_guardrail, a_block):
    assert folded(a_guardrail(), a_block(treatment_n=400, control_n=1_600)).log_e == 0.0


@pytest.mark.parametrize("sizes", [{"treatment_n": 0, "control_n": 50}, {"treatment_n": 50, "control_n": 0}])
def test_a_block_with_an_empty_arm_is_skipped(a_guardrail, a_block, sizes):
    ys = {name.replace("_n", "_y"): n // 2 for name, n in sizes.items()}
    assert folded(a_guardrail(), a_block(**sizes, **ys)).log_e == 0.0


def test_fewer_units_than_wanted_are_never_a_proof(a_guardrail, a_block):
    analysis = judged(a_guardrail(worse_by=Margin(absolute=0.9)), a_block(treatment_n=99, control_n=9_000))
    assert (analysis.verdict, analysis.why) == (Verdict.UNDECIDED, "too_few")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), -4.0, 1.01 * USABLE_MAX, 1e200, 1.2e308])
def test_nan_infinite_and_negative_durations_are_dropped_and_never_zero(value):
    from ebbgate.core.events import TrackedEvent
    from ebbgate.testing.event_script import minute

    times = {"occurred_at": minute(0), "sent_at": minute(0)}
    assert kept_value(TrackedEvent(id="1", unit="u", name="load_ms", value=value, **times)) == (None, True)
    assert kept_value(TrackedEvent(id="2", unit="u", name="load_ms", value=None, **times)) == (None, False)
    assert kept_value(TrackedEvent(id="3", unit="u", name="load_ms", value=0.0, **times)) == (0.0, False)


@pytest.mark.parametrize("value", [USABLE_MAX, -USABLE_MAX])
def test_d5_the_largest_usable_values_of_100_million_units_leave_finite_numbers(a_guardrail, a_block, value):
    guardrail, n = a_guardrail(MetricKind.MEAN, worse_by=HALF_POINT), 100_000_000
    arm = Moments(n=n, total=n * value, squares=n * value * value)
    block = {"treatment": arm, "control": Moments(n=n), "cap": abs(value), "log_wealth": (0.1,) * len(BET_SIZES)}
    raw = {"treatment_raw_total": n * value, "treatment_raw_squares": n * value * value}
    analysis = judged(guardrail, *(a_block("mean", minute=minute, **block, **raw) for minute in range(3)))
    assert analysis.estimate == pytest.approx(value)
    assert all(map(isfinite, (analysis.log_e, *analysis.interval)))


@pytest.mark.parametrize("huge", [1e200, 1.2e308])
def test_d5_a_fold_refuses_what_would_leave_evidence_that_is_not_finite(a_guardrail, a_block, huge):
    """Beyond the largest float a sum is infinite, and a difference of two such is no number: nothing mends it."""
    guardrail = a_guardrail(MetricKind.MEAN)
    arm = Moments(n=2, total=2 * huge, squares=huge * huge)
    with pytest.raises((NotFiniteError, OverflowError)):
        folded(guardrail, a_block("mean", cap=0.0, treatment=arm, control=Moments(n=2, total=2.0, squares=2.0)))
    with pytest.raises(NotFiniteError):
        folded(guardrail, a_block("mean", cap=0.0, treatment=Moments(n=2, total=2.0, squares=float("nan"))))


def test_missing_values_are_not_filled_with_zero(a_guardrail):
    change = measure(a_guardrail(MetricKind.MEAN), start(a_guardrail(MetricKind.MEAN), alpha=0.01), phase=0)
    assert (change.treatment_value, change.estimate, change.interval) == (None, None, None)


def test_units_with_denominator_zero_are_in_neither_sum(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.RATIO)
    pairs = PairMoments(
        n=300, numerator=30, denominator=600, numerator_squares=40, denominator_squares=1500, products=70
    )
    change = measure(guardrail, folded(guardrail, a_block("ratio", treatment=pairs, control=pairs)), phase=0)
    assert change.treatment_value == pytest.approx(0.05)
    empty = PairMoments()
    nothing = measure(guardrail, folded(guardrail, a_block("ratio", treatment=empty, control=pairs)), phase=0)
    assert nothing.treatment_value is None


@pytest.mark.parametrize(("treatment", "control"), [(0, 0), (100, 100), (0, 100), (100, 0)])
def test_a_control_rate_of_zero_or_one_gives_finite_numbers(a_guardrail, a_block, treatment, control):
    guardrail = a_guardrail(worse_by=Margin(relative=0.1))
    analysis = judged(guardrail, a_block(treatment_n=100, treatment_y=treatment, control_n=100, control_y=control))
    assert isfinite(analysis.log_e)
    assert analysis.interval is None or all(map(isfinite, analysis.interval))
    assert (analysis.verdict is Verdict.HARM) == (treatment > control)


def test_integer_latencies_tie_at_mid_ranks_and_thresholds_are_strict():
    """A value equal to a threshold is not above it; tied units share a rank, so equal arms give no score."""
    score, variance = rank_block({100: 40, 101: 60}, {100: 40, 101: 60})
    assert score == pytest.approx(0.0)
    assert variance > 0
    from ebbgate.testing.event_script import minute
    from ebbgate.testing.memory_blocks import quantile_block

    block = quantile_block(("load", 0, minute(0), minute(1)), (5.0,), [5.0, 5.0, 6.0], [5.0])
    assert (block.treatment_above, block.control_above) == ((1,), (0,))
    assert SKETCH_BASE > 1


def test_evidence_of_any_size_stays_in_logs():
    values = block_log_e(50_000, 50_000, 50_000, 0)
    assert all(isfinite(value) for value in values)
    assert max(values) > 700, "its exponential would not be a number"
    assert isfinite(log_sum((5_000.0, 5_000.0)))


def test_everybody_in_the_treatment_disables_relative_tests_and_says_so(a_guardrail, a_block):
    block = a_block(treatment_n=5_000, treatment_y=4_000)
    analysis = judged(a_guardrail(worse_by=HALF_POINT), block, has_contrast=False)
    assert analysis.verdict is Verdict.NOT_APPLICABLE
    assert "no random contrast" in analysis.words


def test_a_metric_with_fewer_samples_than_expected_is_missing_and_not_passing(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.QUANTILE, quantile=0.99, worse_by=Margin(relative=9.0))
    sketch = {200: 300}
    few = a_block("quantile", treatment_n=300, control_n=300, treatment_sketch=sketch, control_sketch=sketch)
    assert judged(guardrail, few).why == "too_few"
    assert judged(guardrail).why == "no_data"


def test_a_pause_between_two_blocks_leaves_the_evidence_as_it_was(a_guardrail, a_block):
    counts = {"treatment_n": 40, "treatment_y": 3, "control_n": 160, "control_y": 4}
    together = folded(a_guardrail(), a_block(minute=0, **counts), a_block(minute=1, **counts))
    apart = folded(a_guardrail(), a_block(minute=0, **counts), a_block(minute=60 * 24 * 3, **counts))
    assert apart.log_e == together.log_e
    assert apart.newest_at - together.newest_at > timedelta(days=2)


def test_the_order_of_days_and_hours_changes_no_evidence(a_guardrail, a_block):
    """Time of day and day of the week live in both arms of a block: exchanging blocks exchanges nothing."""
    night = {"treatment_n": 10, "treatment_y": 0, "control_n": 40, "control_y": 1}
    noon = {"treatment_n": 100, "treatment_y": 12, "control_n": 400, "control_y": 50}
    one = folded(a_guardrail(), a_block(minute=0, **night), a_block(minute=720, **noon))
    other = folded(a_guardrail(), a_block(minute=0, **noon), a_block(minute=720, **night))
    assert one.log_e == pytest.approx(other.log_e, rel=1e-12)


def test_a_plan_that_is_encoded_and_decoded_is_the_same_plan():
    """Configuration is frozen with the rollout: what runs is what was stored at its start."""
    from ebbgate.core.rollouts.plan import Plan
    from ebbgate.testing.rollouts import a_plan

    plan = a_plan()
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    with pytest.raises(AttributeError):
        plan.alpha = 0.5  # type: ignore[misc]


def test_a_small_control_that_happens_to_have_no_ticket_at_all_is_no_proof_of_harm(a_guardrail, a_block) -> None:
    """Two in a hundred have one; of 230 held out nobody has (a chance of one in a hundred), and no variance either."""
    guardrail = a_guardrail(MetricKind.COUNT, bad=Direction.INCREASE, harm=HarmBy.MEAN)
    moments = {"treatment": Moments(n=2_100, total=40, squares=40), "control": Moments(n=230)}
    raw = {"treatment_raw_total": 40.0, "treatment_raw_squares": 40.0}
    block = a_block("mean", cap=1.0, **moments, **raw, log_wealth=(0.0,) * len(BET_SIZES))
    evidence = fold(guardrail, start(guardrail, alpha=0.0005), block)
    assert evidence.harm_shown_at is None
    assert evidence.log_e < log(20)
