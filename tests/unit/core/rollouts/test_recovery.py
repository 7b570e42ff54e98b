"""RULES H3: a rollback is recovered, failed or unverified, and says which."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.metrics.analysis import Analysis, LimitStanding, Verdict
from ebbgate.core.metrics.blocks import RETURNED
from ebbgate.core.rollouts.recovery import Propagation, Recovery, judge_recovery, recovery_contrast
from ebbgate.core.rollouts.state import RollbackOutcome, RolloutState
from ebbgate.core.rollouts.steps import roll_back
from ebbgate.testing.rollouts import NOON, a_breach, a_rollout, an_analysis, hours

DEADLINE = NOON + hours(6)
ALL_FOLLOW = Propagation(confirmed=4, expected=4, unproven=0)


def taken_back(phase: int = 1) -> RolloutState:
    state = roll_back(a_rollout(phase=phase), reason="harm", actor="x", off_version=7, now=NOON, machine_now=NOON)
    assert state.rollback is not None
    rollback = msgspec.structs.replace(state.rollback, recovery_deadline_at=DEADLINE)
    return msgspec.structs.replace(state, rollback=rollback)


def an_errors_analysis(**changes: Any) -> Analysis:
    within = a_breach(standing=LimitStanding.WITHIN)
    fields: dict[str, Any] = {
        "treatment_n": 900,
        "control_n": 4000,
        "worsening": 0.0005,
        "safe_bound": 0.004,
        "interval": (-0.003, 0.004),
        "margin": 0.005,
        "limits": (within,),
    }
    return an_analysis(Verdict.HARM, **{**fields, **changes})


def judged(
    analysis: Analysis | None,
    *,
    propagation: Propagation = ALL_FOLLOW,
    at: datetime = NOON,
    harm: float = 0.0,
    state: RolloutState | None = None,
    returned: Analysis | None = None,
    exposed: int | None = None,
) -> Recovery:
    analyses = {"errors": analysis} if analysis is not None else {}
    came_back = {"errors": returned or analysis} if analysis is not None else {}
    return judge_recovery(
        state or taken_back(),
        analyses,
        {"errors": harm},
        propagation,
        returned=came_back,
        now=at,
        exposed_units=exposed,
    )


def test_inside_the_tolerance_and_followed_by_all_is_recovered() -> None:
    assert judged(an_errors_analysis()).outcome is RollbackOutcome.RECOVERED


def test_an_upper_bound_below_half_of_the_harm_that_was_shown_is_enough() -> None:
    wide = an_errors_analysis(safe_bound=0.02)
    assert judged(wide).outcome is None
    assert judged(wide, harm=0.05).outcome is RollbackOutcome.RECOVERED


def test_an_estimate_outside_the_tolerance_is_never_recovered() -> None:
    assert judged(an_errors_analysis(worsening=0.006, safe_bound=0.02), harm=0.05).outcome is None


def test_a_lower_bound_outside_the_tolerance_is_failed() -> None:
    assert judged(an_errors_analysis(worsening=0.05, interval=(0.02, 0.08))).outcome is RollbackOutcome.FAILED


def test_a_critical_limit_that_is_still_passed_is_failed() -> None:
    assert judged(an_errors_analysis(limits=(a_breach(),))).outcome is RollbackOutcome.FAILED


def test_a_critical_limit_must_be_proven_below() -> None:
    open_limit = an_errors_analysis(limits=(a_breach(standing=LimitStanding.UNDECIDED),))
    assert judged(open_limit).outcome is None
    assert judged(open_limit, at=DEADLINE).outcome is RollbackOutcome.UNVERIFIED


def test_too_few_units_by_the_deadline_are_unverified() -> None:
    few = an_errors_analysis(treatment_n=40)
    assert judged(few, at=DEADLINE - timedelta(seconds=1)).outcome is None
    late = judged(few, at=DEADLINE)
    assert late.outcome is RollbackOutcome.UNVERIFIED
    assert "errors" in late.reason


def test_one_evaluator_that_ignores_the_change_is_never_recovered() -> None:
    lagging = Propagation(confirmed=3, expected=4, unproven=0, stragglers=("app-3",))
    assert judged(an_errors_analysis(), propagation=lagging).outcome is None
    late = judged(an_errors_analysis(), propagation=lagging, at=DEADLINE)
    assert late.outcome is RollbackOutcome.UNVERIFIED
    assert "app-3" in late.reason


def test_a_sentence_names_three_stragglers_and_counts_the_others() -> None:
    names = tuple(f"app-{n}" for n in range(32))
    lagging = Propagation(confirmed=0, expected=32, unproven=0, stragglers=names)
    assert lagging.straggler_words == "app-0, app-1, app-2 and 29 more"
    assert Propagation(confirmed=0, expected=2, unproven=0, stragglers=names[:2]).straggler_words == "app-0, app-1"


def test_no_data_at_all_are_unverified_never_recovered() -> None:
    assert judged(None).outcome is None
    assert judged(None, at=DEADLINE).outcome is RollbackOutcome.UNVERIFIED


def test_where_nobody_had_the_new_version_there_is_nothing_to_recover_from() -> None:
    alone = Propagation(confirmed=0, expected=0, unproven=0)
    found = judged(None, propagation=alone, exposed=0)
    assert found.outcome is RollbackOutcome.RECOVERED
    assert found.reason.startswith("nobody had the new version: ")
    assert "no evaluator is connected" in found.reason
    assert "4/4 evaluators confirmed" in judged(None, exposed=0).reason
    assert judged(None, propagation=alone, exposed=1).outcome is None
    assert judged(None, propagation=alone, exposed=None).outcome is None


@pytest.mark.parametrize(
    "propagation",
    [
        Propagation(confirmed=3, expected=4, unproven=0, stragglers=("app-3",)),
        Propagation(confirmed=3, expected=3, unproven=1, unheard=("app-3",)),
        Propagation(confirmed=3, expected=3, unproven=1, lag_s_max=60.0),
    ],
)
def test_nobody_had_it_is_said_only_when_no_evaluator_may_still_serve_it(propagation: Propagation) -> None:
    assert judged(None, propagation=propagation, exposed=0).outcome is None


def test_harm_that_is_proven_outranks_that_nobody_had_the_new_version() -> None:
    harmed = an_errors_analysis(worsening=0.05, interval=(0.02, 0.08))
    assert judged(harmed, exposed=0).outcome is RollbackOutcome.FAILED


def test_a_plan_without_guardrails_can_show_no_recovery() -> None:
    state = taken_back()
    bare = msgspec.structs.replace(state, plan=msgspec.structs.replace(state.plan, guardrails=()))
    assert judged(None, state=bare).outcome is None
    assert judged(None, state=bare, at=DEADLINE).outcome is RollbackOutcome.UNVERIFIED


def test_after_everybody_was_exposed_only_absolute_limits_can_tell() -> None:
    state = taken_back(phase=3)
    within = an_errors_analysis(treatment_n=0, control_n=0, worsening=None, safe_bound=None, interval=None)
    assert judged(within, state=state).outcome is RollbackOutcome.RECOVERED
    assert judged(msgspec.structs.replace(within, limits=()), state=state).outcome is None


def test_those_who_really_saw_the_harm_must_agree() -> None:
    """Most of an interval that was open for an hour never came by: it would dilute a harm that stays."""
    diluted = an_errors_analysis()
    still_bad = an_errors_analysis(worsening=0.04, interval=(0.001, 0.08))
    assert judged(diluted, returned=still_bad).outcome is None
    assert judged(diluted, returned=still_bad, at=DEADLINE).outcome is RollbackOutcome.UNVERIFIED
    shown = an_errors_analysis(worsening=0.04, interval=(0.02, 0.08))
    assert judged(diluted, returned=shown).outcome is RollbackOutcome.FAILED
    few = an_errors_analysis(treatment_n=20)
    assert judged(diluted, returned=few).outcome is None


def test_recovery_compares_those_formerly_treated_with_those_never_treated() -> None:
    contrast = recovery_contrast(taken_back())
    assert contrast.returning_from is None
    assert recovery_contrast(taken_back(), phase=RETURNED).returning_from == 2
    assert (contrast.treatment.start, contrast.treatment.end, contrast.control.start) == (0, 200_000, 200_000)
    assert contrast.version_from == 7
    assert contrast.treatment_variant == contrast.control_variant == "off"
