"""RULES E3: late harm, one e-process for each day, days combined by fixed parts of the budget and never multiplied."""

from datetime import timedelta
from math import fsum, log

import msgspec
import pytest

from ebbgate.core.metrics import MetricKind, ledger_of, start
from ebbgate.core.metrics.analysis import LateStanding, Verdict
from ebbgate.core.metrics.judge import judge
from ebbgate.core.metrics.late import EPOCH, LateBlock, LateEvidence, fold_late, judge_late, late_spans
from ebbgate.core.metrics.ledger import late_alphas

DAY = timedelta(days=1)


def folded(guardrail, *blocks):
    evidence = LateEvidence(metric="errors")
    for day, block in blocks:
        evidence = fold_late(
            guardrail,
            evidence,
            LateBlock(day=day, block=block),
            alpha_of=lambda epoch: late_alphas(ledger_of(0.05), [guardrail], epoch)["errors"],
        )
    return evidence


def judged(guardrail, evidence, **changes):
    return judge_late(guardrail, evidence, **{"has_treated": True, "has_control": True, **changes})


def test_e3_each_day_of_a_phase_is_an_epoch_of_its_own(a_guardrail, noon):
    metric = a_guardrail().metric  # counted 5 minutes after it happened
    spans = late_spans(metric, entered_at=noon, opened_at=noon + timedelta(hours=20), closed_at=noon + 2.5 * DAY)
    origin = noon + metric.lateness
    assert EPOCH == DAY
    assert [(span.day, span.epoch_at) for span in spans] == [(0, origin), (1, origin + DAY), (2, origin + 2 * DAY)]
    assert [(span.opened_at, span.closed_at) for span in spans] == [
        (noon + timedelta(hours=20), origin + DAY),
        (origin + DAY, origin + 2 * DAY),
        (origin + 2 * DAY, noon + 2.5 * DAY),
    ]
    assert late_spans(metric, entered_at=noon, opened_at=noon, closed_at=noon + timedelta(minutes=4)) == []


def test_e3_the_parts_of_all_days_are_one_tenth_of_alpha(a_guardrail):
    guardrails = [a_guardrail()]
    parts = [late_alphas(ledger_of(0.05), guardrails, epoch)["errors"] for epoch in range(20_000)]
    assert fsum(parts) == pytest.approx(0.005, rel=1e-4)
    assert fsum(parts) < 0.005


def test_e3_days_are_never_multiplied(a_guardrail, a_block):
    """The same slight excess day after day is the same people coming back: no day alone shows it, so none does."""
    slight = {"treatment_n": 400, "treatment_y": 14, "control_n": 800, "control_y": 12}
    evidence = folded(a_guardrail(), *((day, a_block(minute=1440 * day, **slight)) for day in range(30)))
    assert evidence.harm_shown_at is None
    assert fsum([*(past.log_e for past in evidence.past), evidence.current.log_e]) > 20, "multiplied, they would"
    thresholds = [past.threshold for past in evidence.past]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] == pytest.approx(-log(late_alphas(ledger_of(0.05), [a_guardrail()], 0)["errors"]))


def test_e3_late_harm_shown_on_one_day_stays_shown(a_guardrail, a_block):
    guardrail = a_guardrail()
    bad = a_block(minute=1440, treatment_n=400, treatment_y=90, control_n=800, control_y=12)
    good = a_block(minute=2880, treatment_n=400, treatment_y=4, control_n=800, control_y=12)
    evidence = folded(guardrail, (1, bad), (2, good))
    assert (evidence.harm_shown_at, evidence.harm_epoch) == (bad.closed_at, 0)
    assert evidence.harm_bound is not None
    analysis = judged(guardrail, evidence)
    assert analysis.standing is LateStanding.SHOWN
    assert analysis.words.startswith("late harm: errors got worse")
    assert analysis.harm_bound == evidence.harm_bound


def test_e3_late_harm_alone_is_a_verdict_of_harm_that_says_so(a_guardrail, a_block):
    guardrail = a_guardrail()
    evidence = folded(guardrail, (1, a_block(treatment_n=400, treatment_y=90, control_n=800, control_y=12)))
    relative = start(guardrail, alpha=0.01)
    analysis = judge(guardrail, relative, phase=1, has_contrast=False, late=judged(guardrail, evidence))
    assert (analysis.verdict, analysis.why) == (Verdict.HARM, "late")
    assert "late harm" in analysis.words
    assert analysis.harm_shown_at == evidence.harm_shown_at


def test_e3_where_nobody_is_left_to_compare_with_that_is_said_and_never_from_missing_data(a_guardrail):
    guardrail = a_guardrail()
    assert judged(guardrail, None, has_control=False).standing is LateStanding.NO_CONTROL
    assert "nobody is left" in judged(guardrail, None, has_control=False).words
    assert judged(guardrail, None, has_treated=False).standing is LateStanding.NOBODY_YET
    assert judged(guardrail, None).standing is LateStanding.NO_DATA


def test_e3_late_evidence_goes_on_after_a_restart_as_if_there_had_been_none(a_guardrail, a_block):
    guardrail = a_guardrail(MetricKind.RATE)
    blocks = [
        (n // 3, a_block(minute=480 * n, treatment_n=90, treatment_y=n, control_n=90, control_y=2)) for n in range(9)
    ]
    whole = folded(guardrail, *blocks)
    evidence = LateEvidence(metric="errors")
    for day, block in blocks:
        evidence = fold_late(
            guardrail,
            msgspec.msgpack.decode(msgspec.msgpack.encode(evidence), type=LateEvidence),
            LateBlock(day=day, block=block),
            alpha_of=lambda epoch: late_alphas(ledger_of(0.05), [guardrail], epoch)["errors"],
        )
    assert evidence == whole
    assert [past.day for past in whole.past] == [0, 1]
