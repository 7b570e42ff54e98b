from typing import Any

import msgspec

from ebbgate.core.rollouts import init_template
from ebbgate.core.rollouts.plan import Mode
from ebbgate.core.rollouts.state import Status

PLAN = init_template("dashboard", "newWidgets") + "overlays:\n  fast: {tick: 5m}\n"


def test_a_rollout_is_started_from_the_text_of_a_plan(desk: Any) -> None:
    body = {"plan": PLAN, "overlay": "fast", "release": " v1.4.0 ", "reason": "release day", "mode": "act"}
    answer = desk.call("POST", "/api/v1/rollouts", body)
    assert answer.status_code == 201
    view = answer.json()
    assert (view["id"], view["status"], view["mode"], view["release"]) == ("newWidgets-1", "running", "act", "v1.4.0")
    assert view["overlay"] == "fast"
    assert desk.client().rollouts.plan("newWidgets").tick.total_seconds() == 300


def test_a_first_rollout_only_recommends_unless_told_otherwise(desk: Any) -> None:
    view = desk.client().rollouts.start(PLAN, release="v1", reason="first")
    assert view.mode is Mode.RECOMMEND


def test_an_environment_that_no_snapshot_could_be_written_for_is_refused(desk: Any) -> None:
    plan = PLAN + "environment: prod:eu\n"
    answer = desk.call("POST", "/api/v1/rollouts", {"plan": plan, "release": "v1", "reason": "first"})
    assert answer.status_code == 422
    assert answer.json()["path"] == "$.environment"
    assert desk.client().rollouts.list() == []


def test_the_list_is_newest_first(desk: Any) -> None:
    client = desk.client()
    client.rollouts.start(PLAN, release="v1", reason="first")
    client.rollouts.abort("newWidgets", reason="no")
    client.rollouts.retry("newWidgets", reason="yes")
    assert [(line.id, line.status) for line in client.rollouts.list()] == [
        ("newWidgets-2", Status.RUNNING),
        ("newWidgets-1", Status.ABORTED),
    ]
    assert client.rollouts.get("newWidgets").id == "newWidgets-2"
    assert client.rollouts.get("newWidgets-1").status is Status.ABORTED


def test_a_rollout_goes_through_every_action_of_people(desk: Any) -> None:
    rollouts = desk.client().rollouts
    desk.start()
    assert rollouts.pause("newWidgets", reason="wait").status is Status.PAUSED
    assert rollouts.resume("newWidgets", reason="go").status is Status.RUNNING
    assert rollouts.promote("newWidgets", reason="enough").phase == "early"
    rolled_back = rollouts.roll_back("newWidgets", reason="it hurts")
    assert rolled_back.status is Status.ROLLING_BACK
    assert rolled_back.rollback.actor == "the operator"
    assert rolled_back.rollback.reason == "it hurts"


def test_decisions_are_read_page_by_page(desk: Any) -> None:
    rollouts = desk.client().rollouts
    desk.start()
    desk.live(5)
    first = rollouts.decisions("newWidgets", limit=3)
    rest = rollouts.decisions("newWidgets", after=first[-1].sequence)
    assert [d.sequence for d in first] == [1, 2, 3]
    assert [d.sequence for d in first + rest] == list(range(1, rollouts.get("newWidgets").looks + 1))


def test_a_decision_is_explained_with_the_inputs_that_it_rested_on(desk: Any) -> None:
    from ebbgate.control.decisions import inputs_of

    rollouts = desk.client().rollouts
    desk.start()
    desk.live(4)
    newest, second = rollouts.explain("newWidgets"), rollouts.explain("newWidgets", sequence=2)
    with desk.store.transaction() as tx:
        rows = tx.decisions("newWidgets-1")
        stored = inputs_of(tx, rows[1])
    assert newest.decision.sequence == rows[-1].sequence
    assert second.decision.decision == rows[1].decision
    assert msgspec.json.encode(second.inputs) == msgspec.json.encode(stored), "the exact numbers"
    assert "stays at least 1d" in " ".join(second.sentences)


def test_what_was_never_decided_cannot_be_explained(desk: Any) -> None:
    desk.start()
    assert "wait" in desk.call("GET", "/api/v1/rollouts/newWidgets/explain").json()["hint"]
    desk.live(1)
    answer = desk.call("GET", "/api/v1/rollouts/newWidgets/explain?sequence=99")
    assert answer.status_code == 404
    assert answer.json()["hint"] == "there are 1 so far"


def test_starting_over_a_running_rollout_is_a_conflict(desk: Any) -> None:
    desk.start()
    answer = desk.call("POST", "/api/v1/rollouts", {"plan": PLAN, "release": "v2", "reason": "again"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"


def test_a_rollback_s_step_is_explained_with_the_look_before_it_and_recovery_apart(desk: Any) -> None:
    rollouts = desk.client().rollouts
    desk.start()
    desk.live(4)
    last = rollouts.explain("newWidgets").decision.sequence
    rollouts.roll_back("newWidgets", reason="it fails on Safari")
    desk.live(2)
    said = rollouts.explain("newWidgets").sentences
    assert any(sentence.endswith(": it fails on Safari") for sentence in said)
    assert any(sentence.startswith(f"The last look before that, {last}, had said: ") for sentence in said)
    assert any(sentence.startswith(f"Look {last}: errors") for sentence in said)
    assert any(sentence.startswith("Recovery: errors") for sentence in said)
