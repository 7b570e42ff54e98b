from datetime import timedelta
from math import log

import msgspec
import pytest

from ebbgate.core.metrics import (
    Assignment,
    LimitEvidence,
    LimitStanding,
    MetricKind,
    SampleRatioEvidence,
    fold_assignment,
    fold_limit,
    judge_limit,
    judge_sample_ratio,
    late_alphas,
    ledger_of,
    limit_alphas,
    relative_alphas,
    start_limit,
)


def _folded(guardrail, blocks, *, limit=0.05, function="", alpha=0.005):
    evidence = start_limit(guardrail, limit=limit, function=function, alpha=alpha)
    for block in blocks:
        evidence = fold_limit(evidence, block)
    return evidence


def _minutes(a_block, shares, *, n=40, control=(0, 0), start=0, **fields):
    return [
        a_block(
            "limit",
            minute=start + minute,
            limit=0.05,
            treatment_n=n,
            treatment_y=round(n * share),
            control_n=control[0],
            control_y=control[1],
            **fields,
        )
        for minute, share in enumerate(shares)
    ]


def test_a_lasting_breach_is_shown_and_stays_shown(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical())
    evidence = _folded(guardrail, _minutes(a_block, [0.3] * 6, control=(200, 2)))
    analysis = judge_limit(evidence)
    assert analysis.standing is LimitStanding.BREACHED
    assert analysis.attributable
    assert analysis.is_critical
    assert analysis.treatment_share == pytest.approx(0.3)
    for block in _minutes(a_block, [0.0] * 60, start=6):
        evidence = fold_limit(evidence, block)
    assert judge_limit(evidence).standing is LimitStanding.BREACHED


def test_a_breach_shorter_than_its_duration_is_not_yet_one(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical(minutes=5))
    evidence = _folded(guardrail, _minutes(a_block, [0.3] * 3))
    assert evidence.log_e > evidence.threshold
    assert judge_limit(evidence).standing is LimitStanding.UNDECIDED


def test_one_spike_inside_the_window_is_no_lasting_breach(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical(minutes=6))
    evidence = _folded(guardrail, _minutes(a_block, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.9, 0.9]))
    assert evidence.log_e > evidence.threshold
    assert judge_limit(evidence).standing is not LimitStanding.BREACHED


def test_few_observations_widen_the_window(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical(minutes=5))
    evidence = _folded(guardrail, _minutes(a_block, [0.5] * 30, n=2))
    analysis = judge_limit(evidence)
    assert analysis.treatment_n == 30
    assert analysis.window_opened_at is not None
    assert analysis.window_opened_at < evidence.recent[-15].opened_at - guardrail.metric.lateness  # when it was shown
    assert analysis.standing is LimitStanding.BREACHED


def test_a_control_that_breaks_the_limit_as_well_excuses_the_treatment(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical())
    analysis = judge_limit(_folded(guardrail, _minutes(a_block, [0.3] * 6, control=(200, 60))))
    assert analysis.standing is LimitStanding.BREACHED
    assert not analysis.attributable


def test_a_control_slightly_above_does_not_excuse_a_treatment_far_above(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical())
    assert judge_limit(_folded(guardrail, _minutes(a_block, [0.5] * 6, control=(200, 12)))).attributable


def test_without_a_control_a_breach_is_the_treatment_s(a_guardrail, a_critical, a_block):
    assert judge_limit(_folded(a_guardrail(critical=a_critical()), _minutes(a_block, [0.5] * 6))).attributable


def test_an_outage_of_both_versions_is_nobody_s_doing_also_when_it_has_ended(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical())
    for n, control_n in ((20, 380), (80, 320), (200, 200), (380, 20)):
        evidence, said = start_limit(guardrail, limit=0.05, function="", alpha=0.01), set()
        for minute in range(300):
            rate = 0.2 if 30 <= minute < 60 else 0.0
            treated, control = (n, round(n * rate)), (control_n, round(control_n * rate))
            (block,) = _minutes(a_block, [treated[1] / n], n=n, control=control, start=minute)
            evidence = fold_limit(evidence, block)
            analysis = judge_limit(evidence)
            if analysis.standing is LimitStanding.BREACHED:
                said.add(analysis.attributable)
        assert said == {False}, (n, control_n)
        assert judge_limit(evidence).standing is LimitStanding.WITHIN


def test_a_version_that_goes_on_failing_after_an_outage_of_both_is_to_blame(a_guardrail, a_critical, a_block):
    evidence = _folded(a_guardrail(critical=a_critical()), _minutes(a_block, [0.5] * 10, control=(40, 20)))
    assert not judge_limit(evidence).attributable
    for block in _minutes(a_block, [0.5] * 5, control=(40, 0), start=10):
        evidence = fold_limit(evidence, block)
    assert judge_limit(evidence).attributable


def test_an_outage_of_both_does_not_excuse_the_new_version_s_own_later_breach(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical())
    blocks = _minutes(a_block, [0.3] * 10, control=(200, 60))
    blocks += _minutes(a_block, [0.0] * 200, control=(200, 0), start=10)
    evidence = _folded(guardrail, blocks)
    assert judge_limit(evidence).standing is not LimitStanding.BREACHED
    for block in _minutes(a_block, [0.5] * 10, control=(200, 2), start=210):
        evidence = fold_limit(evidence, block)
    analysis = judge_limit(evidence)
    assert analysis.standing is LimitStanding.BREACHED
    assert analysis.attributable


def test_a_breach_dates_from_when_things_happened(a_guardrail, a_critical, a_block, noon):
    guardrail = a_guardrail(critical=a_critical(minutes=5))
    blocks = _minutes(a_block, [0.0] * 30 + [0.5] * 10, control=(200, 2))
    evidence = _folded(guardrail, blocks)
    began_at = noon + timedelta(minutes=30) - guardrail.metric.lateness
    assert judge_limit(evidence).window_opened_at == began_at
    for block in _minutes(a_block, [0.5] * 60, control=(200, 2), start=40):
        evidence = fold_limit(evidence, block)
    assert judge_limit(evidence).window_opened_at == began_at


def test_a_healthy_version_is_shown_within_its_limit(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical())
    blocks = _minutes(a_block, [0.01] * 10, n=100)
    assert judge_limit(_folded(guardrail, blocks)).standing is LimitStanding.WITHIN
    assert judge_limit(_folded(guardrail, blocks[:1])).standing is LimitStanding.UNDECIDED


def test_a_p95_at_its_limit_has_a_twentieth_above_it(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(MetricKind.QUANTILE, critical=a_critical(5000.0, minutes=3))
    evidence = start_limit(guardrail, limit=5000.0, function="", alpha=0.005)
    assert evidence.share == pytest.approx(0.05)
    assert evidence.min_n == 76


def test_a_benchmark_recovers_and_a_critical_limit_does_not(a_guardrail, a_block):
    guardrail = a_guardrail(limit=0.05)
    evidence = _folded(guardrail, _minutes(a_block, [0.3] * 3))
    assert judge_limit(evidence).standing is LimitStanding.BREACHED
    for block in _minutes(a_block, [0.0] * 200, start=3):
        evidence = fold_limit(evidence, block)
    assert judge_limit(evidence).standing is LimitStanding.WITHIN


def test_a_limit_s_evidence_goes_on_after_a_restart(a_guardrail, a_critical, a_block):
    guardrail = a_guardrail(critical=a_critical())
    kept = restarted = start_limit(guardrail, limit=0.05, function="", alpha=0.005)
    for block in _minutes(a_block, [0.01, 0.1, 0.0, 0.2, 0.3, 0.1], control=(100, 3)):
        kept = fold_limit(kept, block)
        restarted = msgspec.json.decode(msgspec.json.encode(fold_limit(restarted, block)), type=LimitEvidence)
    assert restarted == kept


def test_a_block_without_observations_changes_nothing(a_guardrail, a_critical, a_block):
    evidence = _folded(a_guardrail(critical=a_critical()), _minutes(a_block, [0.1] * 2))
    assert fold_limit(evidence, a_block("limit", minute=9, limit=0.05)) == evidence


def test_the_whole_budget_is_spent_once(a_guardrail, a_critical):
    budget = ledger_of(0.05)
    assert budget.total == pytest.approx(0.05)
    assert (budget.relative, budget.late, budget.limits) == pytest.approx((0.035, 0.005, 0.01))
    first = a_guardrail(weight=2.0, limit=0.02, critical=a_critical(on=("apply", "resolve")))
    other = msgspec.structs.replace(a_guardrail(), metric=msgspec.structs.replace(first.metric, name="other"))
    assert relative_alphas(budget, [first, other]) == pytest.approx({"errors": 0.035 * 2 / 3, "other": 0.035 / 3})
    limits = limit_alphas(budget, [first, other])
    assert set(limits) == {("errors", 0.05, "apply"), ("errors", 0.05, "resolve"), ("errors", 0.02, "")}
    assert sum(limits.values()) == pytest.approx(0.01)
    epochs = [sum(late_alphas(budget, [first, other], epoch).values()) for epoch in range(5000)]
    assert sum(epochs) == pytest.approx(0.005, rel=1e-3)
    assert limit_alphas(budget, [other]) == {}


def test_a_phase_s_counts_replace_its_earlier_ones_and_phases_multiply():
    first = Assignment(phase=0, treatment=60, control=940, expected_share=0.05)
    grown = Assignment(phase=0, treatment=500, control=9500, expected_share=0.05)
    second = Assignment(phase=1, treatment=1600, control=8400, expected_share=0.16)
    together = fold_assignment(fold_assignment(fold_assignment(SampleRatioEvidence(), first), grown), second)
    alone = [fold_assignment(SampleRatioEvidence(), x).log_e for x in (grown, second)]
    assert together.log_e == pytest.approx(sum(alone))
    assert judge_sample_ratio(together).treatment == 1600
    assert not together.fired


def test_a_wrong_ratio_is_latched():
    lost = Assignment(phase=0, treatment=350, control=9500, expected_share=0.05)
    found = Assignment(phase=0, treatment=500, control=9500, expected_share=0.05)
    evidence = fold_assignment(SampleRatioEvidence(), lost)
    assert evidence.log_e >= log(1000)
    evidence = fold_assignment(evidence, found)
    assert evidence.log_e < 0
    assert judge_sample_ratio(evidence).fired


def test_a_phase_without_two_random_arms_says_nothing_of_the_ratio():
    assignment = Assignment(phase=3, treatment=1000, control=0, expected_share=None)
    assert judge_sample_ratio(fold_assignment(SampleRatioEvidence(), assignment)).expected_share is None
