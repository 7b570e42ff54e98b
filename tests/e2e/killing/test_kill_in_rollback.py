"""Kill -9 of control between a rollback's decision, its flag-off, and its proof (RULES H1 to H3, I2; issue 2: 4)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import Role
from ebbgate.core.rollouts.state import RollbackOutcome, Status

CLOCK = SystemClock()
PLAN = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
users: 800
min_units: 30
tick: 6m
phases:
  - {name: half, to: 50%, who: random, stay: 4h..2d}
  - {name: full, to: 100%, who: everyone, watch: 4h}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 20pp, window: 10m, lateness: 30m}
verify: {propagation: 30s, recovery: 8h, min_units: 30}
"""


def test_control_killed_between_the_decision_and_the_flag_off_takes_the_version_back_when_it_is_back(
    roles: Any, gather: Any, stores: Any, hashed: Any, administer: Any, eventually: Callable[..., None]
) -> None:
    roles.start(Role.EDGE)
    roles.start(Role.CONTROL)
    control = administer(roles)
    crowd = gather(control, roles.edge_url, is_harmful=True)
    found = stores(roles.directory)
    rollout_id = control.rollouts.start(PLAN, release="v3.0.0", reason="to be taken back").id
    begun_at = control.flags.get("newWidgets").snapshot_version
    eventually(lambda: crowd.client.snapshot_version == begun_at)
    roles.kill(Role.CONTROL)
    CLOCK.sleep(timedelta(seconds=9))  # everybody comes by, and what they do counts; the edge takes it all

    roles.start(Role.CONTROL, end_at="committed")
    roles.wait_killed(Role.CONTROL)
    state = found.rollout(rollout_id)
    assert state.status is Status.ROLLING_BACK
    assert state.rollback is not None
    assert crowd.client.snapshot_version == begun_at  # decided, and nobody has heard of it
    assert [d["decision"] for d in found.decisions(rollout_id)][-1] == "rollback"

    roles.start(Role.CONTROL, end_at="written")
    roles.wait_killed(Role.CONTROL)
    eventually(lambda: crowd.client.snapshot_version == state.rollback.off_version, "the flag-off to be pushed")
    assert not found.is_journaled(f"publish:production:{state.rollback.off_version}")  # done, and not yet noted

    roles.start(Role.CONTROL, end_at="ingested:3")
    roles.wait_killed(Role.CONTROL)
    assert not any(crowd.client.boolean_value("newWidgets", True, {"targetingKey": f"user-{n}"}) for n in range(800))

    roles.start(Role.CONTROL)
    eventually(lambda: found.rollout(rollout_id).status is Status.ROLLED_BACK, "the end", timeout_s=60.0)
    crowd.stop()
    crowd.settle(control, eventually)
    replayed = control.rollouts.replay(rollout_id)
    roles.stop()
    assert replayed.is_same, replayed.differences
    assert replayed.state_is_same
    ended = found.rollout(rollout_id)
    assert ended.rollback is not None
    assert ended.rollback.outcome is RollbackOutcome.RECOVERED, ended.rollback
    assert (ended.rollback.confirmed, ended.rollback.expected) == (1, 1)
    assert [action for action, _ in found.audit(f"rollout:{rollout_id}")] == [
        "rollout.start",
        "rollout.rollback",
        "rollback.propagated",
        "rollback.recovered",
    ]
    assert found.is_journaled(f"publish:production:{ended.rollback.off_version}")
    assert crowd.by_phase(ended) == hashed(ended)
    found.assert_told_once(rollout_id)
    found.assert_stored_once(crowd)
