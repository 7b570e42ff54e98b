"""RULES H2, H3: what a rollback did, what it waits for, until when, and how a person ends it."""

from datetime import timedelta
from typing import Any

import msgspec

from ebbgate.core.clock import ClockMapping
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackStep, RolloutState
from ebbgate.core.rollouts.steps import roll_back
from ebbgate.core.rollouts.way_back import way_back
from ebbgate.testing.rollouts import NOON, a_rollout, hours

SAME = ClockMapping(origin_at=NOON, plan_origin_at=NOON)
SETTLE = 'To end it now, as unverified: ebbgate rollout settle newWidgets-1 --reason "..."'


def taken_back(**changes: Any) -> RolloutState:
    state = roll_back(a_rollout(phase=1), reason="harm", actor="x", off_version=7, now=NOON, machine_now=NOON)
    assert state.rollback is not None
    fields = {
        "step": RollbackStep.RECOVERY,
        "confirmed": 3,
        "expected": 3,
        "unproven": 0,
        "served_at": NOON + timedelta(seconds=2),
        "recovery_deadline_at": NOON + hours(6),
    }
    return msgspec.structs.replace(state, rollback=msgspec.structs.replace(state.rollback, **{**fields, **changes}))


def test_a_rollback_that_waits_for_the_metrics_says_all_of_it() -> None:
    told = "waiting for the metrics: not enough data to prove errors"
    assert way_back(taken_back(), mapping=SAME, waiting=told, incident="INC-1") == (
        "The old version is served to everybody since 12:00:02 UTC (3/3 evaluators).",
        "Waiting for proof that the metrics are back: not enough data to prove errors; until 2026-03-02 18:00:00 UTC,"
        " then it is unverified.",
        SETTLE,
        "Incident: INC-1 (ebbgate incident show INC-1)",
    )


def test_a_deadline_of_plan_time_is_told_in_machine_time_too() -> None:
    faster = ClockMapping(origin_at=NOON, plan_origin_at=NOON, scale=60.0)
    waiting = way_back(taken_back(), mapping=faster)[1]
    assert "until 2026-03-02 18:00 of plan time (2026-03-02 12:06:00 UTC)" in waiting


def test_everybody_is_said_only_where_everybody_confirmed() -> None:
    lagging = way_back(taken_back(confirmed=2, stragglers=("app-3",), served_at=None), mapping=SAME)[0]
    assert lagging == "The flag is off since 12:00:00 UTC; 2/3 evaluators serve the old version, not yet: app-3."
    polling = way_back(taken_back(unproven=1), mapping=SAME)[0]
    assert "served to whoever confirms since 12:00:02 UTC (3/3 evaluators; 1 more cannot confirm)" in polling
    alone = way_back(taken_back(confirmed=0, expected=0), mapping=SAME)[0]
    assert "no evaluator is connected" in alone


def test_each_step_names_its_own_deadline() -> None:
    first = way_back(taken_back(step=RollbackStep.PROPAGATION, expected=None), mapping=SAME)
    assert first[0] == "The flag is off since 12:00:00 UTC; no evaluator was asked yet."
    assert first[1] == "Waiting for the evaluators to confirm, until 12:01:00 UTC."
    second = taken_back(step=RollbackStep.REDEPLOY, redeploy_to="dash@v1.0.0", redeploy_from_at=NOON)
    assert way_back(second, mapping=SAME)[1] == "Waiting for dash@v1.0.0 to answer; somebody is paged at 12:10:00 UTC."


def test_after_the_end_the_incident_and_who_has_the_old_version_are_still_told() -> None:
    ended = taken_back(step=RollbackStep.DONE, outcome=RollbackOutcome.UNVERIFIED)
    assert way_back(ended, mapping=SAME, incident="INC-1") == (
        "The old version is served to everybody since 12:00:02 UTC (3/3 evaluators).",
        "Incident: INC-1 (ebbgate incident show INC-1)",
    )
    assert way_back(a_rollout(), mapping=SAME) == ()
