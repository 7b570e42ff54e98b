"""RULES F: what a look decides, and in which order."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.metrics.analysis import Analysis, SampleRatio, Verdict
from ebbgate.core.rollouts.decide import decide, in_mode
from ebbgate.core.rollouts.decision import Advance, Code, Decision, Hold, Pause, Review, Rollback
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.plan import Mode, Policy, Response, ReviewTerms
from ebbgate.core.rollouts.state import ReviewState, RolloutState, Status
from ebbgate.core.rollouts.steps import open_review, pause, resume
from ebbgate.testing.rollouts import NOON, a_breach, a_plan, a_rollout, an_analysis, good_health, hours

LATER = hours(80)


def look(
    state: RolloutState,
    analysis: Analysis | None = None,
    *,
    after: timedelta = LATER,
    health: Health | None = None,
) -> Decision:
    analyses = {"errors": analysis} if analysis is not None else {}
    return decide(state, analyses, health or good_health(), now=NOON + after)


def with_policy(**changes: Any) -> RolloutState:
    return a_rollout(plan=a_plan(when=msgspec.structs.replace(Policy(), **changes)))


SKEWED = SampleRatio(log_e=9.0, fired=True, treatment=900, control=8000, expected_share=0.158)


def test_every_guardrail_safe_and_old_enough_advances() -> None:
    assert look(a_rollout(), an_analysis()) == Advance(
        code=Code.SAFE, reason="every guardrail that can be judged in this phase is safe"
    )


def test_harm_rolls_back_even_before_the_shortest_stay() -> None:
    decision = look(a_rollout(), an_analysis(Verdict.HARM), after=timedelta(minutes=1))
    assert isinstance(decision, Rollback)
    assert decision.code is Code.HARM
    assert decision.metrics == ("errors",)


def test_harm_outranks_doubts_about_the_data() -> None:
    decision = look(a_rollout(), an_analysis(Verdict.HARM), health=good_health(sample_ratio=SKEWED, stale_for=None))
    assert isinstance(decision, Rollback)


def test_a_critical_limit_outranks_harm() -> None:
    decision = look(a_rollout(), an_analysis(Verdict.HARM, limits=(a_breach(),)))
    assert isinstance(decision, Rollback)
    assert decision.code is Code.CRITICAL_LIMIT


def test_safe_but_younger_than_the_shortest_stay_holds() -> None:
    decision = look(a_rollout(), an_analysis(), after=hours(71))
    assert isinstance(decision, Hold)
    assert decision.code is Code.TOO_YOUNG


def test_undecided_never_advances_a_phase_that_it_gates() -> None:
    decision = look(a_rollout(), an_analysis(Verdict.UNDECIDED))
    assert isinstance(decision, Hold)
    assert decision.code is Code.UNDECIDED


def test_a_missing_analysis_never_advances() -> None:
    assert isinstance(look(a_rollout()), Hold)


def test_undecided_for_longer_than_the_longest_stay_is_a_review() -> None:
    decision = look(a_rollout(), an_analysis(Verdict.UNDECIDED), after=hours(121))
    assert isinstance(decision, Review)
    assert decision.code is Code.TOO_LONG


def test_older_than_the_longest_stay_never_advances_silently() -> None:
    assert isinstance(look(a_rollout(), an_analysis(), after=hours(121)), Review)


@pytest.mark.parametrize(("response", "kind"), [(Response.ROLLBACK, Rollback), (Response.PAUSE, Pause)])
def test_the_plan_says_what_too_long_leads_to(response: Response, kind: type) -> None:
    decision = look(with_policy(too_long=response), an_analysis(Verdict.UNDECIDED), after=hours(121))
    assert isinstance(decision, kind)


def test_not_applicable_neither_passes_nor_holds() -> None:
    state = a_rollout(phase=0)
    decision = look(state, an_analysis(Verdict.NOT_APPLICABLE), after=hours(25))
    assert isinstance(decision, Advance)


def test_a_wrong_sample_ratio_holds_a_safe_rollout() -> None:
    decision = look(a_rollout(), an_analysis(), health=good_health(sample_ratio=SKEWED))
    assert isinstance(decision, Hold)
    assert decision.code is Code.SAMPLE_RATIO


def test_sources_without_heartbeat_hold_a_safe_rollout() -> None:
    for stale_for in (hours(1), None):
        decision = look(a_rollout(), an_analysis(), health=good_health(stale_for=stale_for))
        assert isinstance(decision, Hold)
        assert decision.code is Code.STALE_SOURCES


def test_a_missing_metric_holds_and_after_the_longest_stay_asks_a_person() -> None:
    health = good_health(missing=("errors",))
    held = look(a_rollout(), an_analysis(Verdict.UNDECIDED), health=health)
    assert isinstance(held, Hold)
    assert held.code is Code.MISSING_METRIC
    assert isinstance(look(a_rollout(), an_analysis(Verdict.UNDECIDED), health=health, after=hours(121)), Review)


@pytest.mark.parametrize(("response", "kind"), [(Response.PAUSE, Pause), (Response.REVIEW, Review)])
def test_the_plan_says_what_unfit_data_lead_to(response: Response, kind: type) -> None:
    decision = look(with_policy(no_data=response), an_analysis(), health=good_health(stale_for=hours(1)))
    assert isinstance(decision, kind)


def test_both_arms_bad_soon_after_a_step_blames_the_step() -> None:
    """RULES F4: by when it began, not by when it was shown."""
    breach = a_breach(attributable=False, window_opened_at=NOON + timedelta(minutes=10))
    decision = look(a_rollout(), an_analysis(limits=(breach,)), after=hours(2))
    assert isinstance(decision, Rollback)
    assert decision.code is Code.STARVATION


def test_both_arms_bad_since_before_the_step_do_not_blame_it() -> None:
    breach = a_breach(attributable=False, window_opened_at=NOON - hours(5))
    decision = look(a_rollout(), an_analysis(limits=(breach,)), after=hours(2))
    assert isinstance(decision, Hold)
    assert decision.code is Code.ENVIRONMENT


def test_both_arms_bad_long_after_a_step_holds_and_alerts() -> None:
    decision = look(a_rollout(), an_analysis(limits=(a_breach(attributable=False),)))
    assert isinstance(decision, Hold)
    assert decision.code is Code.ENVIRONMENT
    assert decision.notify


def test_a_missed_benchmark_opens_one_review_in_a_phase() -> None:
    missed = an_analysis(limits=(a_breach(is_critical=False),))
    state = a_rollout()
    review = look(state, missed)
    assert isinstance(review, Review)
    assert review.code is Code.OFF_TARGET
    seen = resume(open_review(state, review, now=NOON), reason="known")
    assert isinstance(look(seen, missed), Advance)


def test_units_in_both_arms_or_overexposure_ask_a_person() -> None:
    crossed = look(a_rollout(), an_analysis(), health=good_health(crossed_share=0.011))
    assert isinstance(crossed, Review)
    assert crossed.code is Code.CROSSED_UNITS
    over = look(a_rollout(), an_analysis(), health=good_health(exposed_share=0.215))
    assert isinstance(over, Review)
    assert over.code is Code.OVEREXPOSED
    inside = look(a_rollout(), an_analysis(), health=good_health(exposed_share=0.205))
    assert isinstance(inside, Advance)


def test_gates_go_on_while_paused_and_in_review() -> None:
    paused = pause(a_rollout(), reason="lunch")
    assert isinstance(look(paused, an_analysis(Verdict.HARM)), Rollback)
    held = look(paused, an_analysis())
    assert isinstance(held, Hold)
    assert held.code is Code.WAITING


def test_a_review_that_nobody_answers_does_what_the_plan_says() -> None:
    review = Review(code=Code.TOO_LONG, reason="slow", deadline=hours(4), then=Response.PAUSE)
    state = open_review(a_rollout(), review, now=NOON)
    assert isinstance(look(state, an_analysis(Verdict.UNDECIDED), after=hours(3)), Hold)
    assert isinstance(look(state, an_analysis(Verdict.UNDECIDED), after=hours(5)), Pause)
    back = open_review(a_rollout(), msgspec.structs.replace(review, then=Response.ROLLBACK), now=NOON)
    assert isinstance(look(back, an_analysis(Verdict.UNDECIDED), after=hours(5)), Rollback)


def test_a_phase_that_cannot_be_reversed_freezes_and_pages() -> None:
    plan = a_plan()
    phases = tuple(msgspec.structs.replace(p, reversible=p.name != "early") for p in plan.phases)
    state = a_rollout(phase=2, plan=msgspec.structs.replace(plan, phases=phases))
    decision = look(state, an_analysis(Verdict.HARM))
    assert isinstance(decision, Pause)
    assert decision.code is Code.IRREVERSIBLE
    frozen = look(pause(state, reason=decision.reason), an_analysis(Verdict.HARM))
    assert isinstance(frozen, Hold)
    assert frozen.notify


def test_the_watch_succeeds_only_when_it_has_ended() -> None:
    state = a_rollout(phase=3)
    assert state.status is Status.WATCHING
    held = look(state, an_analysis(Verdict.NOT_APPLICABLE), after=timedelta(days=29))
    assert isinstance(held, Hold)
    done = look(state, an_analysis(Verdict.NOT_APPLICABLE), after=timedelta(days=30))
    assert isinstance(done, Advance)
    assert done.code is Code.WATCHED


def test_an_early_phase_passes_on_little_evidence_of_harm_inside_the_margin() -> None:
    plan = a_plan()
    phases = tuple(msgspec.structs.replace(p, early=p.name == "early") for p in plan.phases)
    state = a_rollout(plan=msgspec.structs.replace(plan, phases=phases))
    fine = an_analysis(Verdict.UNDECIDED, log_e=0.3, worsening=0.001, margin=0.005, treatment_n=500, control_n=2000)
    assert isinstance(look(state, fine), Advance)
    assert isinstance(look(a_rollout(), fine), Hold)
    for worse in ({"log_e": 0.8}, {"worsening": 0.006}, {"treatment_n": 50}):
        assert isinstance(look(state, msgspec.structs.replace(fine, **worse)), Hold)


def test_observing_says_what_it_would_do() -> None:
    state = a_rollout(mode=Mode.OBSERVE)
    decision = in_mode(look(state, an_analysis(Verdict.HARM)), state, now=NOON + LATER)
    assert isinstance(decision, Hold)
    assert decision.code is Code.OBSERVING
    assert decision.reason.startswith("would rollback")


def test_recommending_asks_before_it_advances_or_rolls_back() -> None:
    state = a_rollout(mode=Mode.RECOMMEND)
    asked = in_mode(look(state, an_analysis(Verdict.HARM)), state, now=NOON + LATER)
    assert isinstance(asked, Review)
    assert asked.proposes == "rollback"
    waiting = open_review(state, asked, now=NOON)
    assert isinstance(in_mode(look(waiting, an_analysis(Verdict.HARM)), waiting, now=NOON), Hold)


def test_what_a_person_has_dismissed_is_not_asked_again_in_the_phase() -> None:
    state = a_rollout(mode=Mode.RECOMMEND)
    asked = in_mode(look(state, an_analysis(Verdict.HARM)), state, now=NOON + LATER)
    assert isinstance(asked, Review)
    dismissed = resume(open_review(state, asked, now=NOON), reason="we know")
    again = in_mode(look(dismissed, an_analysis(Verdict.HARM)), dismissed, now=NOON + LATER)
    assert isinstance(again, Hold)
    assert "was asked before" in again.reason


def test_f3_what_nobody_answered_is_not_said_to_have_been_seen() -> None:
    state = a_rollout(mode=Mode.RECOMMEND)
    asked = in_mode(look(state, an_analysis(Verdict.HARM)), state, now=NOON + LATER)
    assert isinstance(asked, Review)
    expired = pause(open_review(state, asked, now=NOON), reason="nobody answered the review in time")
    again = in_mode(look(expired, an_analysis(Verdict.HARM)), expired, now=NOON + LATER)
    assert isinstance(again, Hold)
    assert "seen" not in again.reason


def test_who_goes_on_over_a_recommendation_is_asked_again_after_the_longest_stay() -> None:
    state, harm = a_rollout(mode=Mode.RECOMMEND), an_analysis(Verdict.HARM)
    asked = in_mode(look(state, harm), state, now=NOON + LATER)
    assert isinstance(asked, Review)
    dismissed = resume(open_review(state, asked, now=NOON), reason="we know")
    young, old = hours(100), hours(121)
    assert isinstance(in_mode(look(dismissed, harm, after=young), dismissed, now=NOON + young), Hold)
    again = in_mode(look(dismissed, harm, after=old), dismissed, now=NOON + old)
    assert isinstance(again, Review)
    assert again.code is Code.TOO_LONG
    kept = resume(open_review(dismissed, again, now=NOON + old), reason="we still know")
    assert isinstance(in_mode(look(kept, harm, after=hours(122)), kept, now=NOON + hours(122)), Hold)


def test_too_long_in_a_mode_that_asks_recommends_the_rollback_that_the_plan_wants() -> None:
    plan = a_plan(when=msgspec.structs.replace(Policy(), too_long=Response.ROLLBACK))
    state, harm = a_rollout(plan=plan, mode=Mode.RECOMMEND), an_analysis(Verdict.HARM)
    asked = in_mode(look(state, harm), state, now=NOON + LATER)
    assert isinstance(asked, Review)
    dismissed = resume(open_review(state, asked, now=NOON), reason="we know")
    again = in_mode(look(dismissed, harm, after=hours(121)), dismissed, now=NOON + hours(121))
    assert isinstance(again, Review)
    assert (again.code, again.proposes) == (Code.TOO_LONG, "rollback")


def test_a_review_has_an_owner_and_a_deadline() -> None:
    review = Review(code=Code.HARM, reason="worse", deadline=hours(4), then=Response.PAUSE)
    state = open_review(a_rollout(), review, now=NOON)
    assert state.review == ReviewState(
        code="harm",
        key="harm:",
        reason="worse",
        owner="devops-lead",
        opened_at=NOON,
        deadline_at=NOON + hours(4),
        then=Response.PAUSE,
    )


def test_harm_may_lead_to_a_review_where_the_plan_says_so() -> None:
    terms = ReviewTerms(deadline=hours(2), then=Response.ROLLBACK)
    decision = look(with_policy(harm=Response.REVIEW, off_target=terms), an_analysis(Verdict.HARM))
    assert isinstance(decision, Review)
    assert decision.proposes == "rollback"
    assert decision.deadline == hours(2)


def test_both_arms_bad_do_not_hide_harm_that_is_shown() -> None:
    both = an_analysis(limits=(a_breach(attributable=False),))
    analyses = {"errors": both, "load": an_analysis(Verdict.HARM, metric="load")}
    decision = decide(a_rollout(), analyses, good_health(), now=NOON + hours(80))
    assert isinstance(decision, Rollback)
    assert decision.metrics == ("load",)


def test_harm_replaces_a_review_about_something_else() -> None:
    state = a_rollout(mode=Mode.RECOMMEND)
    asked = in_mode(look(state, an_analysis()), state, now=NOON + LATER)
    assert isinstance(asked, Review)
    assert asked.proposes == "advance"
    waiting = open_review(state, asked, now=NOON)
    graver = in_mode(look(waiting, an_analysis(Verdict.HARM), after=hours(1)), waiting, now=NOON + hours(1))
    assert isinstance(graver, Review)
    assert graver.proposes == "rollback"
    assert open_review(waiting, graver, now=NOON + hours(1)).review is not None


@pytest.mark.parametrize("mode", [Mode.RECOMMEND, Mode.ACT])
def test_a_review_about_harm_expires_like_any_other(mode: Mode) -> None:
    terms = ReviewTerms(deadline=hours(4), then=Response.ROLLBACK)
    plan = a_plan(when=msgspec.structs.replace(Policy(), harm=Response.REVIEW, off_target=terms))
    if mode is Mode.RECOMMEND:
        plan = a_plan(when=msgspec.structs.replace(Policy(), off_target=terms))
    state = a_rollout(plan=plan, mode=mode)
    harm = an_analysis(Verdict.HARM)
    asked = in_mode(look(state, harm), state, now=NOON + LATER)
    assert isinstance(asked, Review)
    waiting = open_review(state, asked, now=NOON)
    for after, kind in ((hours(3), Hold), (hours(5), Rollback)):
        decision = in_mode(look(waiting, harm, after=after), waiting, now=NOON + after)
        assert isinstance(decision, kind), decision


def test_harm_of_another_metric_is_asked_again_after_a_dismissal() -> None:
    state = a_rollout(mode=Mode.RECOMMEND)
    asked = in_mode(look(state, an_analysis(Verdict.HARM)), state, now=NOON + LATER)
    assert isinstance(asked, Review)
    dismissed = resume(open_review(state, asked, now=NOON), reason="known")
    analyses = {"errors": an_analysis(Verdict.HARM), "load": an_analysis(Verdict.HARM, metric="load")}
    decision = decide(dismissed, analyses, good_health(), now=NOON + LATER)
    again = in_mode(decision, dismissed, now=NOON + LATER)
    assert isinstance(again, Review)


def test_resume_resumes_after_a_review_of_too_long_and_after_one_that_expired() -> None:
    state = a_rollout()
    undecided = an_analysis(Verdict.UNDECIDED)
    asked = look(state, undecided, after=hours(121))
    assert isinstance(asked, Review)
    in_review = open_review(state, asked, now=NOON)
    for resumed in (
        resume(in_review, reason="wait for more"),
        resume(pause(in_review, reason="nobody answered"), reason="wait for more"),
    ):
        assert isinstance(look(resumed, undecided, after=hours(122)), Hold)


def test_a_watch_that_still_has_two_arms_must_end_proven() -> None:
    plan = a_plan()
    half = a_rollout(phase=2, plan=msgspec.structs.replace(plan, phases=plan.phases[:3]))
    assert half.status is Status.WATCHING
    assert isinstance(look(half, an_analysis(Verdict.UNDECIDED), after=timedelta(days=31)), Review)
    assert isinstance(look(half, an_analysis(), after=timedelta(days=31)), Advance)


def test_a_limit_that_is_passed_is_told_with_what_was_seen_and_without_statistics() -> None:
    by_users = look(a_rollout(), an_analysis(limits=(a_breach(function="apply_all"),)))
    assert by_users.reason == "critical limit passed: errors on apply_all beyond 5.00% (8.00% of 120 observations)"
    read = a_breach(value=0.07, treatment_share=None, treatment_n=3)
    by_source = look(a_rollout(), an_analysis(limits=(read,)))
    assert by_source.reason == "critical limit passed: errors is 7.00%, beyond 5.00%"
