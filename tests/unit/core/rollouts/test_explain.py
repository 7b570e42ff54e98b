from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.metrics.analysis import ClusteredRate, LateAnalysis, LateStanding, TrailStep, Verdict
from ebbgate.core.metrics.arrivals import ArrivalAnalysis, VolumeAnalysis
from ebbgate.core.metrics.blocks import Assignment
from ebbgate.core.rollouts.decision import Advance, Code, Decision, Hold, Rollback, Step
from ebbgate.core.rollouts.explain import DecisionView, Explanation, explain
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.look import LookInputs, RollbackFacts
from ebbgate.core.rollouts.recovery import Propagation
from ebbgate.core.rollouts.state import Status
from ebbgate.testing.rollouts import NOON, a_breach, a_plan, a_rollout, an_analysis, good_health, hours

HOLD = Hold(code=Code.TOO_YOUNG, reason="phase early is too young")


LOST = VolumeAnalysis(lost=True, treatment_n=2, control_n=90, expected=60.0, tail=1e-9)


def a_late_analysis(standing: LateStanding) -> LateAnalysis:
    return LateAnalysis(standing=standing, words=standing.value, treatment_n=40, control_n=50)


def unfit_arrivals() -> ArrivalAnalysis:
    return ArrivalAnalysis(
        metric="errors",
        treatment_n=500,
        control_n=500,
        treatment_late=0.2,
        control_late=0.01,
        treatment_dropped=0.03,
        control_dropped=0.0,
        late_differs=True,
        dropped_differs=True,
        late_log_e=20.0,
        dropped_log_e=9.0,
        threshold=8.0,
    )


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
    assert second == "New in this look: windows that closed in 30m of plan time, with the log read up to record 12,345."


def test_a_change_of_state_is_said() -> None:
    row = a_row(Rollback(code=Code.HARM, reason="errors got worse"), status_after=Status.ROLLING_BACK)
    assert "from running to rolling_back" in text_of(row, inputs())
    assert "the rollout went" not in text_of(a_row(Advance(code=Code.SAFE, reason="safe")), inputs())


def test_the_age_of_the_phase_stands_beside_what_the_plan_asks_for() -> None:
    assert "Phase early (2/4, 20%) was 1.25d old; it stays at least 3d and at most 5d." in text_of(a_row(), inputs())


def test_a_metric_is_told_with_its_verdict_units_and_evidence() -> None:
    fields: dict[str, Any] = {"treatment_n": 1_200, "control_n": 4_800, "harm_shown_at": NOON}
    analysis = an_analysis(Verdict.HARM, log_e=4.2, threshold=3.35, **fields)
    text = text_of(a_row(), inputs(analyses={"errors": analysis}))
    assert "errors: harm [harm, 1,200 new and 4,800 old units]." in text
    exact = "\n".join(explain(a_row(), inputs(analyses={"errors": analysis})).exact)
    assert "log E = 4.2, harm is shown at 3.35 and latched" in exact


JARGON = ("log e", "e-process", "sample ratio", "p-value", "alpha", "confidence", "null", "threshold", "crossed", "n =")


@pytest.mark.parametrize(
    ("why", "verdict"),
    [
        ("crossed", Verdict.HARM),
        ("late", Verdict.HARM),
        ("no_contrast", Verdict.NOT_APPLICABLE),
        ("no_margin", Verdict.UNDECIDED),
        ("no_data", Verdict.UNDECIDED),
        ("too_few", Verdict.UNDECIDED),
        ("no_bound", Verdict.UNDECIDED),
        ("proven", Verdict.SAFE),
        ("not_proven", Verdict.UNDECIDED),
    ],
)
def test_each_verdict_is_explained_without_a_word_of_statistics(why: str, verdict: Verdict) -> None:
    analysis = an_analysis(
        verdict,
        why=why,
        log_e=2.0,
        threshold=4.0,
        treatment_n=31,
        control_n=900,
        treatment_value=0.05,
        control_value=0.01,
        interval=(-0.01, 0.09),
        safe_bound=0.09,
        margin=0.005,
        harm_bound=0.02,
        newest_at=NOON + hours(29),
        late=a_late_analysis(LateStanding.SHOWN if why == "late" else LateStanding.NOT_SHOWN),
        clustered=ClusteredRate(
            treatment_n=31,
            control_n=900,
            treatment_value=0.06,
            control_value=0.02,
            estimate=0.04,
            interval=(0.0, 0.08),
            log_e=1.0,
        ),
        limits=(a_breach(),),
    )
    health = good_health(arrivals=(unfit_arrivals(),), volume=LOST, missing=("errors",), crossed_share=0.02)
    plain = text_of(a_row(), inputs(analyses={"errors": analysis}, health=health)).lower()
    assert not [word for word in JARGON if word in plain], plain
    assert "31 new and 900 old units, newest 1h old" in plain


def test_a_verdict_is_told_with_its_window_its_age_and_its_trail() -> None:
    trail = (
        TrailStep(phase=1, treatment_n=1_200, control_n=4_800, estimate=0.0031),
        TrailStep(phase=2, treatment_n=900, control_n=1_500, estimate=-0.0004),
    )
    analysis = an_analysis(
        why="proven", treatment_n=900, control_n=1_500, window=hours(1), newest_at=NOON + hours(29), trail=trail
    )
    text = text_of(a_row(), inputs(analyses={"errors": analysis}))
    assert "[safe, 900 new and 1,500 old units, each observed for 1h, newest 1h old]" in text
    assert (
        "Its trail, phase by phase: early 1,200 new and 4,800 old, +0.31pp; broad 900 new and 1,500 old, -0.04pp."
        in text
    )


def test_harm_beside_a_range_that_includes_no_change_is_accounted_for() -> None:
    harm = an_analysis(Verdict.HARM, why="crossed", interval=(-0.001, 0.04), treatment_value=0.03, control_value=0.01)
    text = text_of(a_row(), inputs(analyses={"errors": harm}))
    assert "-0.10pp to +4.00pp, includes no change at all" in text
    assert "The alarm decides." in text
    clear = msgspec.structs.replace(harm, interval=(0.01, 0.04))
    assert "The alarm decides." not in text_of(a_row(), inputs(analyses={"errors": clear}))


def test_what_decides_a_rate_is_said_beside_what_does_not() -> None:
    """RULES D3."""
    beside = ClusteredRate(
        treatment_n=90,
        control_n=90,
        treatment_value=0.06,
        control_value=0.02,
        estimate=0.04,
        interval=None,
        log_e=1.5,
    )
    explanation = explain(a_row(), inputs(analyses={"errors": an_analysis(clustered=beside)}))
    assert any("6.00% new against 2.00% old" in s and "first request of each user" in s for s in explanation.sentences)
    assert any("decides nothing" in line and "log_e = 1.5" in line for line in explanation.exact)


def test_that_late_harm_cannot_be_told_is_said() -> None:
    analysis = an_analysis(late=a_late_analysis(LateStanding.NO_CONTROL))
    assert "nobody is left who never had the new version" in text_of(a_row(), inputs(analyses={"errors": analysis}))


def test_a_step_of_a_rollback_is_explained_by_its_proof() -> None:
    proof = Propagation(confirmed=3, expected=4, unproven=0, stragglers=("app-2",))
    row = a_row(Step(code=Code.PROPAGATED, reason="3/4 confirmed"))
    text = text_of(row, inputs(rollback=RollbackFacts(proof=proof)))
    assert "3 of 4 evaluators confirm the old version" in text
    assert "These do not follow: app-2." in text
    by_hand = text_of(row, inputs(rollback=RollbackFacts(actor="ada")))
    assert "ada ended the rollback by hand" in by_hand


def test_a_metric_without_a_contrast_has_no_evidence_to_tell() -> None:
    text = text_of(a_row(), inputs(analyses={"errors": an_analysis(Verdict.NOT_APPLICABLE, threshold=3.35)}))
    assert "[not applicable" in text
    assert "log E" not in text


def test_a_breached_limit_says_whether_the_old_version_breaches_it_too() -> None:
    own = an_analysis(limits=(a_breach(function="apply_all"),))
    shared = an_analysis(limits=(a_breach(attributable=False),))
    expected = "errors: critical limit 5.00% of apply_all is breached (8.00% of 120 observations)."
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


@pytest.mark.parametrize(
    ("exclude", "told"),
    [
        ((), ""),
        (("bots", "testers"), "excluded: 1,204 units, of bots, testers; they are in no comparison and no limit."),
    ],
)
def test_how_many_units_the_plan_has_kept_out_is_said_apart(exclude: tuple[str, ...], told: str) -> None:
    state = a_rollout(plan=msgspec.structs.replace(a_plan(), exclude=exclude))
    seen = inputs(state=state, assignment=Assignment(phase=1, excluded=1_204))
    assert [s for s in explain(a_row(), seen).sentences if "excluded" in s] == ([told] if told else [])


def test_an_explanation_survives_the_wire_with_its_exact_numbers() -> None:
    seen = inputs(analyses={"errors": an_analysis(log_e=0.1 + 0.2)})
    explanation = explain(a_row(), seen)
    assert msgspec.json.decode(msgspec.json.encode(explanation), type=Explanation) == explanation
