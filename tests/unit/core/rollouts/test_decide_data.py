"""RULES D4, D5, E3, F2, G2: what unfit data and late harm lead to, and who is compared for late harm."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.metrics.analysis import Analysis, Verdict
from ebbgate.core.metrics.arrivals import ArrivalAnalysis, VolumeAnalysis
from ebbgate.core.rollouts.decide import decide
from ebbgate.core.rollouts.decision import Advance, Code, Decision, Hold, Pause, Review, Rollback
from ebbgate.core.rollouts.late_units import late_units
from ebbgate.core.rollouts.plan import Policy, Response
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.core.rollouts.steps import open_review, resume
from ebbgate.testing.rollouts import NOON, a_plan, a_rollout, an_analysis, good_health, hours

LATER = hours(80)
LATE_HARM = an_analysis(Verdict.HARM, why="late", words="late harm: errors got worse")
LOST = VolumeAnalysis(lost=True, treatment_n=2, control_n=240, expected=60.0, tail=1e-9)


def arrivals(**changes: Any) -> ArrivalAnalysis:
    fields: dict[str, Any] = {
        "metric": "errors",
        "treatment_n": 500,
        "control_n": 500,
        "treatment_late": 0.2,
        "control_late": 0.01,
        "treatment_dropped": 0.0,
        "control_dropped": 0.0,
        "late_differs": False,
        "dropped_differs": False,
        "late_log_e": 0.0,
        "dropped_log_e": 0.0,
        "threshold": 8.0,
    }
    return ArrivalAnalysis(**{**fields, **changes})


def look(
    state: RolloutState | None = None, analysis: Analysis | None = None, *, after: timedelta = LATER, **health: Any
) -> Decision:
    found = analysis or an_analysis()
    return decide(state or a_rollout(), {"errors": found}, good_health(**health), now=NOON + after)


def test_e3_late_harm_takes_the_version_back_under_its_own_code() -> None:
    decision = look(analysis=LATE_HARM)
    assert isinstance(decision, Rollback)
    assert (decision.code, decision.metrics) == (Code.LATE_HARM, ("errors",))
    assert decision.reason == "late harm: errors got worse"


def test_e3_late_harm_beside_harm_is_called_harm() -> None:
    analyses = {"errors": LATE_HARM, "load": an_analysis(Verdict.HARM, metric="load", why="crossed")}
    decision = decide(a_rollout(), analyses, good_health(), now=NOON + hours(80))
    assert decision.code is Code.HARM
    assert decision.metrics == ("errors", "load")


def test_e3_late_harm_in_the_watch_is_taken_back_though_nothing_else_is_compared() -> None:
    decision = look(a_rollout(phase=3), LATE_HARM, after=timedelta(days=9))
    assert isinstance(decision, Rollback)
    assert decision.code is Code.LATE_HARM


@pytest.mark.parametrize(
    ("phase", "holdout", "expected"),
    [
        (0, 0.0, (False, True, False)),  # named audiences alone: nobody was drawn yet
        (1, 0.0, (False, True, False)),
        (2, 0.0, (True, True, False)),
        (3, 0.0, (True, False, True)),  # everybody has it, and nobody is left
        (3, 0.05, (True, True, True)),
    ],
)
def test_e3_the_plan_says_who_is_compared_for_late_harm(
    phase: int, holdout: float, expected: tuple[bool, bool, bool]
) -> None:
    units = late_units(a_rollout(phase=phase, plan=a_plan(holdout=holdout)))
    assert (units.has_treated, units.has_control, units.with_new) == expected


def test_d4_late_shares_that_differ_hold_a_safe_rollout_and_say_both() -> None:
    decision = look(arrivals=(arrivals(late_differs=True),))
    assert isinstance(decision, Hold)
    assert (decision.code, decision.metrics, decision.notify) == (Code.LATE_EVENTS, ("errors",), True)
    assert "errors 20.0% new, 1.0% old" in decision.reason


def test_d5_dropped_shares_that_differ_hold_a_safe_rollout() -> None:
    decision = look(arrivals=(arrivals(dropped_differs=True, treatment_dropped=0.009, control_dropped=0.001),))
    assert isinstance(decision, Hold)
    assert decision.code is Code.DROPPED_VALUES


def test_d5_more_than_a_hundredth_of_dropped_values_asks_a_person_once() -> None:
    found = (arrivals(treatment_dropped=0.02, control_dropped=0.02),)
    state = a_rollout()
    asked = look(state, arrivals=found)
    assert isinstance(asked, Review)
    assert asked.code is Code.DROPPED_VALUES
    seen = resume(open_review(state, asked, now=NOON), reason="known")
    assert isinstance(look(seen, arrivals=found), Advance)


def test_g2_a_lost_volume_holds_and_after_the_longest_stay_asks_a_person() -> None:
    held = look(volume=LOST)
    assert isinstance(held, Hold)
    assert (held.code, held.notify) == (Code.VOLUME_LOST, True)
    assert isinstance(look(volume=LOST, after=hours(121)), Review)


def test_f2_harm_outranks_doubts_about_arrivals() -> None:
    decision = look(analysis=LATE_HARM, arrivals=(arrivals(late_differs=True),), volume=LOST)
    assert isinstance(decision, Rollback)


def test_f2_the_plan_says_what_doubtful_arrivals_lead_to() -> None:
    for response, kind in ((Response.PAUSE, Pause), (Response.REVIEW, Review), (Response.ROLLBACK, Hold)):
        state = a_rollout(plan=a_plan(when=msgspec.structs.replace(Policy(), no_data=response)))
        assert isinstance(look(state, arrivals=(arrivals(late_differs=True),)), kind)
