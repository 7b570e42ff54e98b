"""What a server has heard, and what can be found out from it before a rollout (RULES E7)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest


def test_what_arrives_is_told_and_so_is_what_does_not(
    cli: Any, server: Any, application: Callable[[str], httpx.Client], eventually: Callable[..., None]
) -> None:
    assert cli.document("evaluators") == []
    cli.start("heard")
    edge = application("shop")
    for number in range(130):  # more than the plan's `min_units`, from which on silence means something
        asked = {"context": {"targetingKey": f"user-{number}"}}
        assert edge.post("/ofrep/v1/evaluate/flags/heard", json=asked).status_code == 200
    now = cli.document("arrivals")["watermark"]
    click = {"type": "event", "id": "c1", "unit": "user-1", "name": "clicks", "occurred_at": now, "sent_at": now}
    assert edge.post("/v1/events", json=[click]).json()["accepted"] == 1
    eventually(lambda: "! heard-1: no `click`; seen: `clicks`" in cli("arrivals").out, "what is missing")
    arrivals = cli.document("arrivals")
    assert {name["name"]: name["count"] for name in arrivals["names"]} == {"clicks": 1}
    assert "! no `click`; seen: `clicks`" in cli("rollout", "get", "heard").out
    assert "`api_request` never arrives" in cli("doctor", "--edge-url", server.edge_url).out
    # The edge reports usage every ten seconds.
    eventually(lambda: "(ofrep)" in cli("evaluators").out, "the edge's report")
    cli("rollout", "abort", "heard", "--reason", "seen")


def test_past_days_of_the_server_answer_what_a_plan_can_find_out(
    cli: Any, application: Callable[[str], httpx.Client], eventually: Callable[..., None]
) -> None:
    """RULES E7: `plan power` and `plan simulate` from the events that are there already, or from a file of them."""
    rate = "{rate: api_error / api_request, worse_by: 1pp, window: 1h, lateness: 10m}"
    plan, saved = cli.plan("past", measured=f"guardrails: {{errors: {rate}}}\n"), cli.home / "past.json"
    edge = application("past")
    assert cli("plan", "power", plan).out.count("? unknown") == 1
    asked = ("plan", "simulate", plan, "--from-server", "--days", "5", "--runs", "10", "--save", str(saved), "--json")

    def send(units: range) -> None:
        now, entries = cli.document("arrivals")["watermark"], []
        for unit in units:
            common = {"type": "event", "unit": f"past-{unit}", "occurred_at": now, "sent_at": now}
            entries.append({**common, "id": f"past-r{unit}", "name": "api_request"})
            if unit % 20 == 0:
                entries.append({**common, "id": f"past-e{unit}", "name": "api_error", "of": f"past-r{unit}"})
        assert edge.post("/v1/events", json=entries).status_code == 200

    def is_known() -> bool:  # units of other tests have no errors; these have, once their windows have closed
        ran = cli(*asked)
        return bool(ran.status == 0 and len(ran.document()["scenarios"]) == 2)

    send(range(200))
    eventually(is_known, "windows that have closed", timeout_s=120)
    assert '"unit": "past' not in saved.read_text()  # no key leaves the server
    report = cli.document(*asked[:-1])
    assert [scenario["runs"] for scenario in report["scenarios"]] == [10, 10]
    again = cli.document("plan", "simulate", plan, "--history", str(saved), "--runs", "10", "--harm", "errors=900%")
    assert again["units"] == report["units"]
    table = cli.document("plan", "power", plan, "--from-server", "--days", "5")
    measured = table["traffic"]["metrics"]["errors"]
    assert measured["n"] == 200
    assert measured["value"] == pytest.approx(0.05)
    assert table["guardrails"][0]["changes"]
    wrong = cli("plan", "simulate", plan)
    assert (wrong.status, "--history" in wrong.err) == (2, True)
