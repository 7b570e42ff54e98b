from datetime import timedelta
from typing import Any

import msgspec

from ebbgate.core.metrics.analysis import Verdict
from ebbgate.core.metrics.blocks import Assignment
from ebbgate.core.rollouts.decision import Advance, Code, Decision, Hold, Rollback
from ebbgate.core.rollouts.explain import DecisionView, Explanation, explain
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.look import LookInputs
from ebbgate.core.rollouts.state import Status
from ebbgate.testing.rollouts import NOON, a_breach, a_rollout, an_analysis, good_health, hours

HOLD = Hold(code=Code.TOO_YOUNG, reason="phase early is too young")


def a_row(decision: Decision = HOLD, **changes: Any) -> DecisionView:
    fields: dict[str, Any] = {
        "rollout_id": "newWidgets-1",
        "sequence": 7,
        "decision": decision,
        "status_before": Status.RUNNING,
        "status_after": Status.RUNNING,
        "looked_at": NOON + hours(30),
        "machine_at": NOON + hours(30),
        "offset": 12_345,
        "summarised_from": NOON + hours(29),
        "summarised_to": NOON + hours(29.5),
    }
    return DecisionView(**{**fields, **changes})


def inputs(**changes: Any) -> LookInputs:
    fields: dict[str, Any] = {
        "state": a_rollout(phase=1),
        "now": NOON + hours(30),
        "health": good_health(),
        "assignment": Assignment(phase=1),
        "analyses": {},
        "goals": {},
        "blocks": [],
    }
    return LookInputs(**{**fields, **changes})


def text_of(row: DecisionView, seen: LookInputs) -> str:
    return "\n".join(explain(row, seen).sentences)


def test_the_decision_its_reason_and_the_span_come_first() -> None:
    first, second, *_ = explain(a_row(), inputs()).sentences
    assert first == "Decision 7 was hold (too_young): phase early is too young"
    assert second == "New in this look: windows that closed in 30m of plan time, with the log read up to 12,345."


def test_a_change_of_state_is_said() -> None:
    row = a_row(Rollback(code=Code.HARM, reason="errors got worse"), status_after=Status.ROLLING_BACK)
    assert "from running to rolling_back" in text_of(row, inputs())
    assert "the rollout went" not in text_of(a_row(Advance(code=Code.SAFE, reason="safe")), inputs())


def test_the_age_of_the_phase_stands_beside_what_the_plan_asks_for() -> None:
    assert "Phase early (2/4, 20%) was 1.25d old; it stays at least 3d and at most 5d." in text_of(a_row(), inputs())


def test_a_metric_is_told_with_its_verdict_units_and_evidence() -> None:
    analysis = an_analysis(Verdict.HARM, log_e=4.2, threshold=3.35, treatment_n=1_200, control_n=4_800)
    text = text_of(a_row(), inputs(analyses={"errors": analysis}))
    assert "errors: harm [harm, 1,200 new and 4,800 old units]." in text
    assert "log E = 4.2; harm is shown at 3.35." in text


def test_a_metric_without_a_contrast_has_no_evidence_to_tell() -> None:
    text = text_of(a_row(), inputs(analyses={"errors": an_analysis(Verdict.NOT_APPLICABLE, threshold=3.35)}))
    assert "[not applicable" in text
    assert "log E" not in text


def test_a_breached_limit_says_whether_the_old_version_breaches_it_too() -> None:
    own = an_analysis(limits=(a_breach(function="apply_all"),))
    shared = an_analysis(limits=(a_breach(attributable=False),))
    expected = "errors: critical limit 0.05 of apply_all is breached (8.00% of 120 observations)."
    assert expected in text_of(a_row(), inputs(analyses={"errors": own}))
    assert "the old version breaches it too" in text_of(a_row(), inputs(analyses={"errors": shared}))


def test_data_that_cannot_be_trusted_are_named() -> None:
    ratio = good_health().sample_ratio
    assert ratio is not None
    health = Health(
        sample_ratio=msgspec.structs.replace(ratio, fired=True),
        stale_for=timedelta(minutes=3),
        missing=("errors",),
        crossed_share=0.02,
    )
    text = text_of(a_row(), inputs(health=health, assignment=Assignment(phase=1, veterans=400, crossed=12)))
    assert "does not fit the hash" in text
    assert "heartbeat of the log was 3m old" in text
    assert "No data yet where there should be: errors." in text
    assert "2.00% of units were seen in both arms; up to 1% is tolerated." in text
    assert "Not compared: 400 units exposed in an earlier phase, 12 units seen in both arms." in text


def test_an_explanation_survives_the_wire_with_its_exact_numbers() -> None:
    seen = inputs(analyses={"errors": an_analysis(log_e=0.1 + 0.2)})
    explanation = explain(a_row(), seen)
    assert msgspec.json.decode(msgspec.json.encode(explanation), type=Explanation) == explanation
