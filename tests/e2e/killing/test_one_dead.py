"""Each of the two processes works while the other is dead (RULES I3; issue 2: 4)."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import msgspec

from ebbgate import Client
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import Role
from ebbgate.client import ControlClient
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.rollouts.state import RollbackOutcome, Status

CLOCK = SystemClock()
PLAN = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
min_units: 30
tick: 6m
phases:
  - {name: half, to: 50%, who: random, stay: 4h..9d}
  - {name: full, to: 100%, who: everyone, watch: 9d}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 20pp, window: 10m, lateness: 30m}
verify: {propagation: 1s, recovery: 1h, min_units: 30}
"""


def test_with_control_dead_flags_are_served_and_events_are_taken(
    roles: Any, control: ControlClient, connect: Callable[..., Client], eventually: Callable[..., None]
) -> None:
    token = control.tokens.create("server", "application", reason="to evaluate").secret
    rollout_id = control.rollouts.start(PLAN, release="v2.0.0", reason="before control dies").id
    roles.kill(Role.CONTROL)

    client = connect(roles.edge_url, token)
    assert client.wait_ready(15)
    expected = {f"user-{n}": unit_bucket(rollout_id, f"user-{n}") < 500_000 for n in range(200)}
    at = CLOCK.machine_now().isoformat()
    event = {"type": "event", "id": "raw-1", "unit": "user-1", "name": "click", "occurred_at": at, "sent_at": at}
    with httpx.Client(base_url=roles.edge_url, headers={"x-api-key": token}) as http:
        taken = http.post("/v1/events", content=msgspec.json.encode([event]))
        for key, is_new in expected.items():
            assert client.boolean_value("newWidgets", not is_new, {"targetingKey": key}) is is_new
            answer = http.post("/ofrep/v1/evaluate/flags/newWidgets", json={"context": {"targetingKey": key}})
            assert (answer.status_code, answer.json()["value"]) == (200, is_new)
            client.track("api_request", key)
    assert (taken.status_code, taken.json()) == (200, {"accepted": 1, "rejected": []})
    assert client.flush(15)

    roles.start(Role.CONTROL)
    eventually(lambda: control.observations.totals().events == 201, "what came meanwhile to be read")
    assert control.observations.totals().units == 200


def test_with_the_edge_dead_the_loop_and_the_api_work_and_the_edge_serves_what_was_decided_when_it_is_back(
    roles: Any, control: ControlClient, connect: Callable[..., Client], eventually: Callable[..., None]
) -> None:
    token = control.tokens.create("server", "application", reason="to evaluate").secret
    client = connect(roles.edge_url, token, name="app-1")
    control.rollouts.start(PLAN, release="v2.0.0", reason="before the edge dies")
    newest = control.flags.get("newWidgets").snapshot_version
    eventually(lambda: client.snapshot_version == newest)
    exposed = [
        f"user-{n}" for n in range(200) if client.boolean_value("newWidgets", False, {"targetingKey": f"user-{n}"})
    ]
    assert 60 < len(exposed) < 140
    assert client.flush(15)
    eventually(lambda: control.observations.totals().exposures == 200)
    roles.kill(Role.EDGE)

    assert control.rollouts.promote("newWidgets", reason="a person decides").status is Status.WATCHING
    assert control.rollouts.roll_back("newWidgets", reason="and changes their mind").status is Status.ROLLING_BACK
    eventually(lambda: control.rollouts.get("newWidgets").status is Status.ROLLED_BACK, "the loop", timeout_s=40.0)
    ended = control.rollouts.get("newWidgets").rollback
    assert ended is not None
    command = [sys.executable, "-m", "ebbgate", "rollout", "get", "newWidgets", "--json", "--url", roles.control_url]
    told = subprocess.run(
        command, env=os.environ | {"EBBGATE_TOKEN": roles.admin_token}, capture_output=True, text=True, timeout=60
    )
    assert msgspec.json.decode(told.stdout)["status"] == "rolled_back", told
    assert (ended.outcome, ended.stragglers) == (RollbackOutcome.UNVERIFIED, ("app-1",))
    assert client.boolean_value("newWidgets", False, {"targetingKey": exposed[0]}) is True  # it cannot know yet

    roles.start(Role.EDGE)
    eventually(lambda: client.snapshot_version == ended.off_version, "the flag-off", timeout_s=30.0)
    assert not any(client.boolean_value("newWidgets", True, {"targetingKey": key}) for key in exposed)
