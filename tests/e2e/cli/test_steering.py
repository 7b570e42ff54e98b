"""Rollouts and flags, steered over a URL alone (RULES I4)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_rollout_is_started_steered_and_told_over_the_url_alone(cli: Any) -> None:
    view = cli.start("steered", watch="10d")
    assert (view["id"], view["status"], view["phase"]) == ("steered-1", "running", "early")
    assert cli("rollout", "status", "steered").status == 6, "not decided yet"

    assert cli.document("rollout", "pause", "steered", "--reason", "lunch")["status"] == "paused"
    waited = cli("rollout", "status", "steered", "--timeout", "30s")
    assert (waited.status, "PAUSED" in waited.out) == (4, True), "a pause ends the waiting"
    assert cli.document("rollout", "resume", "steered", "--reason", "back")["status"] == "running"
    assert cli("rollout", "status", "steered", "--timeout", "1s").status == 5

    assert cli.document("rollout", "promote", "steered", "--reason", "sure")["phase"] == "full"
    assert cli.document("rollout", "abort", "steered", "--reason", "enough")["status"] == "aborted"
    assert cli("rollout", "status", "steered", "--timeout", "10s").status == 1
    assert cli.document("rollout", "retry", "steered", "--reason", "again")["id"] == "steered-2"
    assert cli("rollout", "retry", "steered", "--reason", "twice").status == 1
    assert cli.document("rollout", "abort", "steered-2", "--reason", "enough")["status"] == "aborted"

    actions = [entry["action"] for entry in cli.document("audit", "--subject", "rollout:steered-1")]
    assert actions == [f"rollout.{step}" for step in ("start", "pause", "resume", "promote", "abort")]


def test_a_rollout_that_nothing_speaks_against_succeeds_with_status_0(cli: Any) -> None:
    cli.start("smooth", stay="1h..20d", measured="")
    ran = cli("rollout", "status", "smooth", "--timeout", "40s")
    assert (ran.status, "SUCCEEDED" in ran.out) == (0, True), ran
    assert "✓ early 10% done" in cli("rollout", "get", "smooth").out
    decisions = [row["decision"]["decision"] for row in cli.document("rollout", "history", "smooth")]
    assert decisions.count("advance") == 2
    assert "advance → watching" in cli("rollout", "history", "smooth").out
    assert "Decision 1 was hold" in cli("rollout", "explain", "smooth", "--look", "1").out
    assert cli.document("rollout", "explain", "smooth")["inputs"]["state"]["id"] == "smooth-1"
    assert "The numbers behind it:" in cli("rollout", "explain", "smooth", "--exact").out
    replayed = cli("rollout", "replay", "smooth")
    assert (replayed.status, "all the same" in replayed.out) == (0, True), replayed


def test_a_watch_without_a_terminal_prints_lines_and_ends_with_the_rollout(
    cli: Any, visit: Callable[[str], None]
) -> None:
    cli.start("followed")
    visit("followed")
    watching = cli.open("rollout", "get", "followed", "--watch")
    assert watching.stdout is not None
    assert "followed-1 RUNNING early (1/2)" in watching.stdout.readline()
    back = cli("rollback", "followed", "--reason", "it is slow", "--watch")
    assert (back.status, "ROLLED BACK, unverified" in back.out) == (6, True), back
    lines = watching.communicate(timeout=60)[0].splitlines()
    assert watching.returncode == 6
    assert "ROLLING BACK" in lines[0]
    assert "ROLLED BACK, unverified" in lines[-1]
    history = cli("rollout", "history", "followed").out
    assert "step → rolled back" in history
    replayed = cli.document("rollout", "replay", "followed")
    assert (replayed["differing"], replayed["state_is_same"]) == (0, True), replayed
    assert not any("\x1b" in line for line in lines)


def test_the_clients_own_command_takes_a_rollout_back_and_lifts_the_switch_again(
    cli: Any, visit: Callable[[str], None]
) -> None:
    cli.start("switched")
    visit("switched")
    off = cli("set-feature-flag", "--feature=switched", "--status=disabled")
    assert off.status == 0
    assert "switched is OFF: everybody gets `off`" in off.out
    assert "rollout switched-1: rolling back" in off.out
    assert cli("rollout", "status", "switched", "--timeout", "30s").status == 6
    assert cli("set-feature-flag", "--feature=switched", "--status=enabled").status == 0
    assert cli.document("flag", "show", "switched")["kill"] is None


def test_flags_are_written_evaluated_killed_and_restored(cli: Any) -> None:
    definition = {
        "state": "ENABLED",
        "variants": {"red": "#f00", "blue": "#00f"},
        "defaultVariant": "red",
        "targeting": {"if": [{"in": [{"var": "email"}, ["a@example.com"]]}, "blue", None]},
    }
    (cli.home / "flag.json").write_text(json.dumps({"flags": {"colour": definition}}))
    put = cli("flag", "put", "colour", "flag.json", "--reason", "first", "--revision", "0", "--json")
    assert put.document()["definition"] == definition
    assert cli("flag", "put", "colour", "flag.json", "--reason", "late", "--revision", "0").status == 1

    assert cli.document("flag", "eval", "colour", "--unit", "u1", "-a", "email=a@example.com")["value"] == "#00f"
    assert cli.document("flag", "eval", "colour", "--unit", "u1")["variant"] == "red"
    assert "OFF: everybody gets `red`" in cli("flag", "kill", "colour", "--reason", "fire").out
    killed = cli.document("flag", "eval", "colour", "--context", '{"email": "a@example.com", "targetingKey": "u"}')
    assert killed["value"] == "#f00"
    assert cli.document("flag", "restore", "colour", "--reason", "out")["kill"] is None
    assert cli.document("flag", "opt-in", "colour", "u7")["opt_in"] == ["u7"]
    assert cli.document("flag", "opt-out", "colour", "u7")["opt_in"] == []
    assert "colour" in [flag["key"] for flag in cli.document("flag", "list")]

    bad = cli("flag", "put", "colour", "-", "--reason", "oops", stdin='{"state": "ENABLED", "variants": {}}')
    assert (bad.status, "at $.flags.colour.variants" in bad.err) == (2, True)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("to: 10%", "to: 500%"), "$.phases[0].to"),
        (("goal: +10%", "goal: +1O%"), "$.goals.clicks.goal"),
        (("watch: 2h", "watch: -2h"), "$.phases[1].watch"),
        (("who: random", "who: nobody"), "$.phases[0].who"),
        (("tick: 5m", "tock: 5m"), "$.tock"),
    ],
)
def test_a_bad_plan_is_one_answer_here_and_on_the_server(cli: Any, change: tuple[str, str], place: str) -> None:
    path = Path(cli.plan("broken"))
    path.write_text(path.read_text().replace(*change))
    here = cli("plan", "lint", str(path))
    there = cli("rollout", "start", str(path), "--release", "v2", "--reason", "try")
    for ran in (here, there):
        assert ran.status == 2, ran
        assert f"(at {place}" in ran.err
        assert len(ran.err.splitlines()) == 2
