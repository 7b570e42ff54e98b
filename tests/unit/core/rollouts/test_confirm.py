"""Harm that is confirmed before it is acted on: the commander is paged, and it is acted alone after the deadline."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.alerts import Severity, Topic, message_of
from ebbgate.core.errors import PlanError
from ebbgate.core.metrics.analysis import Analysis, Verdict
from ebbgate.core.rollouts.decide import decide, in_mode
from ebbgate.core.rollouts.decision import Code, Hold, Pause, Review, Rollback
from ebbgate.core.rollouts.plan import Mode, Policy, Response, ReviewTerms
from ebbgate.core.rollouts.plan_file_policy import read_policy
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.core.rollouts.steps import open_review, resume
from ebbgate.testing.rollouts import NOON, a_breach, a_plan, a_rollout, an_analysis, good_health, hours

TERMS = ReviewTerms(deadline=timedelta(minutes=15), then=Response.ROLLBACK)
SOON, LATE = NOON + hours(2), NOON + hours(2) + timedelta(minutes=15)
HARM = {"errors": an_analysis(Verdict.HARM)}
BREACH = {"errors": an_analysis(limits=(a_breach(),))}


def confirming(mode: Mode = Mode.ACT, **when: Any) -> RolloutState:
    policy = Policy(**{"harm": Response.REVIEW, "harm_terms": TERMS, **when})
    return a_rollout(plan=a_plan(when=policy), mode=mode)


def reviewed(state: RolloutState, analyses: dict[str, Analysis]) -> RolloutState:
    decision = decide(state, analyses, good_health(), now=SOON)
    assert isinstance(decision, Review)
    return open_review(state, decision, now=SOON)


def test_the_commander_is_asked_and_told_what_happens_without_an_answer() -> None:
    state = reviewed(confirming(), HARM)
    assert state.review is not None
    assert (state.review.owner, state.review.proposes, state.review.then) == (
        "devops-lead",
        "rollback",
        Response.ROLLBACK,
    )
    assert state.review.deadline_at == LATE


@pytest.mark.parametrize("mode", [Mode.ACT, Mode.RECOMMEND])
def test_after_the_deadline_it_is_acted_alone_in_every_mode_that_acts(mode: Mode) -> None:
    state = reviewed(confirming(mode), HARM)
    before = decide(state, HARM, good_health(), now=LATE - timedelta(seconds=1))
    assert isinstance(before, Hold)
    after = in_mode(decide(state, HARM, good_health(), now=LATE), state, now=LATE)
    assert isinstance(after, Rollback)
    assert after.code is Code.REVIEW_EXPIRED


def test_who_resumes_has_answered() -> None:
    state = resume(reviewed(confirming(), HARM), reason="I know of it")
    assert not isinstance(decide(state, HARM, good_health(), now=LATE), Rollback | Review)


def test_a_critical_limit_takes_back_at_once_also_while_harm_is_being_confirmed() -> None:
    state = reviewed(confirming(), HARM)
    both = {"errors": an_analysis(Verdict.HARM, limits=(a_breach(),))}
    decision = decide(state, both, good_health(), now=SOON)
    assert isinstance(decision, Rollback)
    assert decision.code is Code.CRITICAL_LIMIT


def test_a_critical_limit_can_be_confirmed_as_well() -> None:
    state = reviewed(confirming(critical=Response.REVIEW, critical_terms=TERMS), BREACH)
    assert isinstance(decide(state, BREACH, good_health(), now=LATE), Rollback)


def test_what_cannot_be_reversed_is_frozen_at_the_deadline() -> None:
    """RULES F7."""
    plan = a_plan(when=Policy(harm=Response.REVIEW, harm_terms=TERMS))
    fixed = tuple(msgspec.structs.replace(phase, reversible=False) for phase in plan.phases)
    state = reviewed(a_rollout(plan=msgspec.structs.replace(plan, phases=fixed)), HARM)
    decision = decide(state, HARM, good_health(), now=LATE)
    assert isinstance(decision, Pause)
    assert decision.code is Code.IRREVERSIBLE


def test_a_review_that_proposes_a_rollback_is_a_page_and_any_other_is_not() -> None:
    row = {"action": "rollout.review", "actor": "ebbgate", "reason": "errors rose", "phase": "early"}
    page = message_of(topic="rollout", subject="w-1", payload={**row, "proposes": "rollback"})
    other = message_of(topic="rollout", subject="w-1", payload={**row, "proposes": None})
    assert page is not None
    assert (page.topic, page.severity) == (Topic.PAGE, Severity.CRITICAL)
    assert other is not None
    assert other.topic is Topic.REVIEW


def test_the_plan_says_it_in_the_words_of_every_review() -> None:
    policy = read_policy({"harm": "review in 15m, then rollback", "critical": "pause"}, "$.when")
    assert (policy.harm, policy.harm_terms) == (Response.REVIEW, TERMS)
    assert (policy.critical, policy.critical_terms) == (Response.PAUSE, None)
    assert read_policy({"harm": "review"}, "$.when").harm_terms is None
    with pytest.raises(PlanError) as caught:
        read_policy({"critical": "review in 15 minutes"}, "$.when")
    assert caught.value.path == "$.when.critical"
