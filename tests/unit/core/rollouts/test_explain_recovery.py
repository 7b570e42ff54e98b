"""After a rollback: what it was decided on, and whether the harm is gone, apart (RULES H3)."""

from typing import Any

import msgspec

from ebbgate.core.metrics.analysis import LimitStanding, Verdict
from ebbgate.core.metrics.blocks import RECOVERY, Assignment
from ebbgate.core.metrics.definition import MetricKind, Query
from ebbgate.core.rollouts.decision import Code, Decision, Hold, Rollback
from ebbgate.core.rollouts.explain import DecidedLook, DecisionView, Explanation, explain
from ebbgate.core.rollouts.look import LookInputs, RollbackFacts
from ebbgate.core.rollouts.state import RollbackState, RollbackStep, RolloutState, Status
from ebbgate.testing.rollouts import ERRORS, NOON, a_breach, a_plan, a_rollout, an_analysis, good_health, hours

SIZE = msgspec.structs.replace(
    ERRORS,
    metric=msgspec.structs.replace(ERRORS.metric, name="size", kind=MetricKind.BUILD, event="size_bytes"),
    limit=500_000.0,
)
MESH = Query(source="mesh", numerator="bad", denominator="all", arm="version")
ASKED = msgspec.structs.replace(ERRORS, metric=msgspec.structs.replace(ERRORS.metric, name="asked", query=MESH))
HARM = Rollback(code=Code.HARM, reason="errors got worse than tolerated: 4.00% against 1.00%")


def taken_back(**changes: Any) -> RolloutState:
    rollback = RollbackState(
        reason="it fails on Safari",
        actor="ada",
        step=RollbackStep.RECOVERY,
        started_at=NOON + hours(30),
        off_version=9,
        off_at=NOON,
        propagation_deadline_at=NOON,
    )
    plan = a_plan(guardrails=(ERRORS, SIZE, ASKED))
    return a_rollout(phase=1, plan=plan, status=Status.ROLLING_BACK, rollback=rollback, **changes)


def a_row(decision: Decision, sequence: int) -> DecisionView:
    return DecisionView(
        rollout_id="newWidgets-1",
        sequence=sequence,
        decision=decision,
        status_before=Status.RUNNING,
        status_after=Status.RUNNING,
        looked_at=NOON,
        machine_at=NOON,
        offset=1,
    )


def inputs(state: RolloutState, **changes: Any) -> LookInputs:
    fields: dict[str, Any] = {"now": NOON + hours(31), "health": good_health(), "goals": {}, "blocks": []}
    return LookInputs(state=state, assignment=Assignment(phase=RECOVERY), **{**fields, **changes})


def explained(decision: Decision = HARM, **recovery: Any) -> Explanation:
    """The third step of a rollback after look 12. recovery: of the units formerly treated."""
    state = taken_back()
    seen = {"treatment_n": 900, "control_n": 1_500, "treatment_value": 0.04, "control_value": 0.01, "log_e": 9.0}
    harm = an_analysis(Verdict.HARM, why="crossed", harm_shown_at=NOON, harm_bound=0.012, threshold=4.0, **seen)
    size = an_analysis(Verdict.NOT_APPLICABLE, metric="size", why="build", words="size is 480,000 B")
    within = a_breach(metric="size", standing=LimitStanding.WITHIN, is_critical=False, value=4.8e5, threshold=0.0)
    size = msgspec.structs.replace(size, treatment_n=1, limits=(within,))
    look = inputs(state, analyses={"errors": harm, "size": size})
    none = {"treatment_n": 0, "control_n": 0, "treatment_value": None, "control_value": None}
    after = msgspec.structs.replace(harm, **{**none, "words": "errors got worse than tolerated", **recovery})
    facts = RollbackFacts(look=12, returned={"errors": after}, harm_bounds={"errors": 0.012})
    asked = an_analysis(Verdict.UNDECIDED, metric="asked", why="no_data")
    analyses = {"errors": after, "size": size, "asked": asked}
    step = inputs(state, analyses=analyses, rollback=facts)
    row = a_row(Hold(code=Code.RECOVERING, reason="not enough data to prove errors"), 15)
    return explain(row, step, before=DecidedLook(decision=a_row(decision, 12), inputs=look))


def test_what_was_decided_on_and_recovery_stand_apart() -> None:
    said = explained().sentences
    decided = "\n".join(s for s in said if s.startswith("Look 12: "))
    recovery = [s for s in said if s.startswith("Recovery: ")]
    assert said[0] == "Decision 15 was hold (recovering): not enough data to prove errors"
    assert said[1] == f"It was taken back by look 12: {HARM.reason}"
    assert "chance hardly ever looks like this: 4.00% new, 1.00% old [harm, 900 new and 1,500 old units]" in decided
    assert "size is 480,000 B [not applicable]" in decided
    assert recovery == [
        "Recovery: errors, of those who could have had the new version against those who never could: nobody was "
        "observed yet.",
        "Recovery: Harm on errors had been shown, by 1.20pp or more; so those who had really come by before must "
        "agree.",
        "Recovery: errors, of those who had come by before alone: nobody was observed yet.",
        "Recovery: size is a number of the release, which the flag does not change: nothing is asked of it.",
        "Recovery: asked comes from mesh, which cannot tell who had the new version: nothing is asked of it.",
    ]
    assert not [s for s in said if "–" in s or "undecided" in s]
    assert not [s for s in said if "was 1.29d old; it stays" in s], "no phase runs any more"


def test_recovery_is_told_with_both_groups_and_what_is_allowed() -> None:
    numbers: dict[str, Any] = {"treatment_n": 700, "control_n": 800, "treatment_value": 0.011, "control_value": 0.01}
    text = "\n".join(explained(**numbers, safe_bound=0.004, margin=0.005).sentences)
    compared = "1.10% against 1.00% [700 and 800 units], at the very most 0.40pp worse, and 0.50pp is allowed."
    assert f"those who never could: {compared}" in text
    assert f"those who had come by before alone: {compared}" in text
    few = "\n".join(explained(**{**numbers, "treatment_n": 7}, safe_bound=0.4, margin=0.005).sentences)
    assert "1.10% against 1.00% [7 and 800 units], too few to tell: 100 of each are needed." in few


def test_who_took_it_back_is_named_where_no_look_did() -> None:
    said = explained(Hold(code=Code.TOO_YOUNG, reason="phase early is too young")).sentences
    assert said[1] == "It was taken back by ada: it fails on Safari"
    assert said[2] == "The last look before that, 12, had said: phase early is too young"


def test_nobody_to_compare_with_is_said() -> None:
    state = taken_back()
    everybody = msgspec.structs.replace(state.phases[-1], hash_to=1_000_000)
    state = msgspec.structs.replace(state, phases=(*state.phases[:-1], everybody))
    limit = a_breach(standing=LimitStanding.WITHIN, treatment_share=0.01)
    step = inputs(state, analyses={"errors": an_analysis(limits=(limit,))}, rollback=RollbackFacts())
    said = explain(a_row(HARM, 3), step).sentences
    nobody = "errors: there are no two groups to compare by lot, so that only its absolute limits can tell."
    assert f"Recovery: {nobody}" in said
    assert "Recovery: errors: critical limit 5.00% is within (1.00% of 120 observations)." in said


def test_the_exact_lines_say_latched_and_tested_only_where_it_is_so() -> None:
    exact = explained().exact
    errors, limit = next(line for line in exact if line.startswith("look 12, errors")), exact[2]
    assert "log E = 9, harm is shown at 4 and latched" in errors
    assert exact[1].startswith("look 12, size: not_applicable (build); not tested for harm")
    assert (
        limit
        == "look 12, size all against 0.05: within; not tested, read 120 times, value 480000.0; attributable: True"
    )
    assert any(line.startswith("recovery, errors: harm") for line in exact)
    assert any(line.startswith("recovery of those seen before, errors: harm") for line in exact)
    late = an_analysis(Verdict.HARM, why="late", harm_shown_at=NOON, threshold=4.0, log_e=2.0)
    open_ = an_analysis(Verdict.SAFE, why="proven", threshold=4.0, log_e=2.0)
    for analysis in (late, open_):
        line = explain(a_row(HARM, 1), inputs(a_rollout(phase=1), analyses={"errors": analysis})).exact[0]
        assert "log E = 2, harm is shown at 4;" in line
        assert "latched" not in line
