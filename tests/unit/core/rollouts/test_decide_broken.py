"""A guardrail that cannot be computed never lets a rollout go on (RULES E7, F2): its analysis and the decision."""

from datetime import UTC, datetime
from math import inf, nan

import msgspec
import pytest

from ebbgate.core.metrics import Analysis, MetricEvidence, Verdict
from ebbgate.core.metrics.analysis import LimitStanding
from ebbgate.core.metrics.broken import Broken, lost_of, sound, unconcluded, unjudged
from ebbgate.core.metrics.evidence import NotFiniteError
from ebbgate.core.rollouts.decide import decide
from ebbgate.core.rollouts.decision import Advance, Code, Hold, Pause, Review, Rollback
from ebbgate.core.rollouts.health import BrokenMetric, Health
from ebbgate.core.rollouts.plan import Response
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.testing.rollouts import NOON, a_breach, a_plan, a_rollout, an_analysis, good_health, hours

LOST = Broken(metric="errors", phase=1, at=datetime(2026, 3, 2, 12, tzinfo=UTC), what="OverflowError: too large")
BROKEN = good_health(broken=(BrokenMetric(metric="errors", words="errors cannot be computed: too large"),))


def a_watch() -> RolloutState:
    plan = a_plan()
    return a_rollout(phase=len(plan.phases) - 1, plan=plan, status=Status.WATCHING)


def test_f2_a_gating_guardrail_that_is_broken_holds_whatever_else_is_safe() -> None:
    for health, kind in ((BROKEN, Hold), (good_health(), Advance)):
        decision = decide(a_rollout(), {"errors": an_analysis()}, health, now=NOON + hours(90))
        assert isinstance(decision, kind)
    held = decide(a_rollout(), {"errors": an_analysis()}, BROKEN, now=NOON + hours(90))
    assert isinstance(held, Hold)
    assert (held.code, held.metrics, held.notify) == (Code.BROKEN_METRIC, ("errors",), True)
    assert held.reason == "errors cannot be computed: too large"


def test_f2_beyond_the_longest_stay_a_person_is_asked_and_the_plan_s_answer_to_missing_data_holds() -> None:
    late = decide(a_rollout(), {"errors": an_analysis()}, BROKEN, now=NOON + hours(121))
    assert isinstance(late, Review)
    plan = a_plan()
    paused = msgspec.structs.replace(plan, when=msgspec.structs.replace(plan.when, no_data=Response.PAUSE))
    assert isinstance(decide(a_rollout(plan=paused), {}, BROKEN, now=NOON + hours(90)), Pause)


def test_harm_outranks_what_cannot_be_computed() -> None:
    analyses = {"errors": an_analysis(Verdict.HARM)}
    assert isinstance(decide(a_rollout(), analyses, BROKEN, now=NOON + hours(90)), Rollback)


def test_a_guardrail_that_neither_gates_nor_is_critical_is_named_and_holds_nothing() -> None:
    plan = a_plan()
    loose = tuple(msgspec.structs.replace(g, worse_by=None, critical=None) for g in plan.guardrails)
    state = a_rollout(plan=msgspec.structs.replace(plan, guardrails=loose))
    assert isinstance(decide(state, {"errors": an_analysis()}, BROKEN, now=NOON + hours(90)), Advance)


def test_a_watch_does_not_end_over_a_broken_guardrail_and_a_person_is_asked_then() -> None:
    state = a_watch()
    during, after = (state.record.entered_at + state.plan.watch + hours(n) for n in (-1, 1))
    assert isinstance(decide(state, {"errors": an_analysis()}, BROKEN, now=during), Hold)
    asked = decide(state, {"errors": an_analysis()}, BROKEN, now=after)
    assert isinstance(asked, Review)
    assert asked.code is Code.BROKEN_METRIC
    assert isinstance(decide(state, {"errors": an_analysis()}, good_health(), now=after), Advance)


@pytest.mark.parametrize("number", [nan, inf, -inf])
def test_an_analysis_with_a_number_that_is_none_is_refused_wherever_it_stands(number: float) -> None:
    parts = (an_analysis(), msgspec.structs.replace(an_analysis(), interval=(0.0, number)))
    for found in (
        an_analysis(safe_bound=number),
        an_analysis(limits=(a_breach(log_e=number),)),
        an_analysis(parts=parts),
    ):
        with pytest.raises(NotFiniteError):
            sound(found)
    whole: Analysis = sound(an_analysis())
    assert whole == an_analysis()


def test_what_lost_a_part_of_a_phase_concludes_nothing_but_harm() -> None:
    within = a_breach(standing=LimitStanding.WITHIN)
    found = unconcluded(an_analysis(limits=(within, a_breach()), worsening=0.0, safe_bound=0.001), LOST)
    assert (found.verdict, found.why) == (Verdict.UNDECIDED, "broken")
    assert found.words.startswith("errors cannot be computed since 2026-03-02 12:00 UTC: OverflowError: too large")
    assert (found.worsening, found.safe_bound, found.interval) == (None, None, None)
    assert [limit.standing for limit in found.limits] == [LimitStanding.UNDECIDED, LimitStanding.BREACHED]
    harmed = an_analysis(Verdict.HARM)
    assert unconcluded(harmed, LOST) == harmed


def test_harm_that_was_shown_stays_shown_though_its_evidence_can_no_longer_be_judged() -> None:
    shown = MetricEvidence(metric="errors", harm_shown_at=NOON, harm_bound=nan, log_e=nan)
    found = unjudged("errors", shown, None, (a_breach(),), LOST)
    assert (found.verdict, found.why, found.harm_bound, len(found.limits)) == (Verdict.HARM, "crossed", None, 1)
    assert sound(found) == found
    assert unjudged("errors", None, None, (), LOST).verdict is Verdict.UNDECIDED


def test_what_follows_from_a_metric_is_the_metric_s_loss_and_phases_are_apart() -> None:
    part = msgspec.structs.replace(LOST, metric="errors[checkout]")
    assert lost_of((part,), "errors", 1) == part
    assert lost_of((part,), "errors", 2) is None
    assert lost_of((part,), "err", 1) is None


def test_health_of_earlier_decisions_reads_as_before() -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode({"active_units": 3}), type=Health).broken == ()
