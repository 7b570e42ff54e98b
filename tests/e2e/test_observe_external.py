"""A flag of another system: its exposures come to /v1/events, and people see verdicts; nothing of ours is switched."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import httpx

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.client import ControlClient
from ebbgate.demo.server import LocalServer

PLAN = """\
app: shop
flag: theirs.checkout
mode: observe
exposures: external
variants: {treatment: blue, control: green}
phases: [{name: their test, to: 50%, watch: 60d}]
guardrails:
  errors: {rate: fail / call, window: 1h, lateness: 5m, worse_by: 1pp}
tick: 5m
"""


def entry(kind: str, id_: str, unit: str, **fields: Any) -> dict[str, Any]:
    now = SystemClock().machine_now().isoformat()
    return {"type": kind, "id": id_, "unit": unit, "occurred_at": now, "sent_at": now, **fields}


def test_exposures_of_another_system_get_verdicts_and_no_actions(
    serve: Callable[..., LocalServer],
    administer: Callable[[LocalServer], ControlClient],
    eventually: Callable[..., None],
) -> None:
    server = serve(scale=3600.0)
    control = administer(server)
    started = control.rollouts.start(PLAN, release="2.0.0", reason="judge what they do")
    headers = {"authorization": f"Bearer {server.admin_token}"}
    chance, exposures, events = Random(1), [], []
    for number in range(800):
        unit, variant = f"visitor-{number}", chance.choice(("blue", "green"))
        shown = {"environment": "production", "flag_set": "theirs", "flag": "theirs.checkout", "variant": variant}
        exposures.append(entry("exposure", f"x{number}", unit, snapshot_version=0, source="observe", **shown))
        events.append(entry("event", f"c{number}", unit, name="call"))
        if chance.random() < (0.3 if variant == "blue" else 0.02):
            events.append(entry("event", f"f{number}", unit, name="fail"))
    with httpx.Client(base_url=server.edge_url, headers=headers) as edge:
        for batch in (exposures, events):
            assert edge.post("/v1/events", json=batch).json()["accepted"] == len(batch)
    eventually(lambda: _verdicts(control, started.id) == {"errors": "harm"}, "harm")

    view = control.rollouts.get(started.id)
    assert (view.status.value, view.rollback) == ("watching", None)
    assert view.exposed_units == sum(entry["variant"] == "blue" for entry in exposures)
    assert view.decision is not None
    assert "would rollback" in view.decision.reason
    assert control.flags.list() == []
    environ = {**os.environ, "EBBGATE_CONTROL_URL": server.control_url, "EBBGATE_TOKEN": server.admin_token}
    command = [sys.executable, "-m", "ebbgate", "rollout", "status", started.id]
    shown = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=120, check=False)
    assert "errors" in shown.stdout
    assert "harm" in shown.stdout
    refused = subprocess.run(
        [*command[:3], "rollback", started.id, "--reason", "too many errors", "--json"],
        capture_output=True,
        text=True,
        env=environ,
        timeout=120,
        check=False,
    )
    assert "another system" in json.loads(refused.stdout)["error"]["message"]
    assert control.rollouts.get(started.id).status.value == "watching"


def _verdicts(control: ControlClient, rollout: str) -> dict[str, str]:
    return {analysis.metric: analysis.verdict.value for analysis in control.rollouts.get(rollout).analyses}
