"""Kill -9 of control at every named step of the loop, while the edge goes on (RULES H1, I2, I3; issue 2: 4)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import Role
from ebbgate.client import ControlClient
from ebbgate.control.looker import STEPS
from ebbgate.core.rollouts.state import Status

CLOCK = SystemClock()
PLAN = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
users: 800
min_units: 30
tick: 5m
phases:
  - {name: tenth, to: 10%, who: random, stay: 1h..2d}
  - {name: quarter, to: 25%, who: random, stay: 1h..2d}
  - {name: third, to: 35%, who: random, stay: 1h..2d}
  - {name: more, to: 60%, who: random, stay: 1h..2d}
  - {name: most, to: 80%, who: random, stay: 1h..2d}
  - {name: full, to: 100%, who: everyone, watch: 1h}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 20pp, window: 10m, lateness: 15m}
verify: {propagation: 20s, recovery: 4h, min_units: 30}
"""
CHANGES = 6
"""How often the plan changes state by itself: to five more phases, and to success."""


def test_control_killed_at_every_step_of_the_loop_decides_once_and_ends_as_it_would_have(
    roles: Any, gather: Any, stores: Any, hashed: Any, administer: Any, eventually: Callable[..., None]
) -> None:
    roles.start(Role.EDGE)
    roles.start(Role.CONTROL)
    control = administer(roles)
    crowd = gather(control, roles.edge_url)
    rollout_id = control.rollouts.start(PLAN, release="v2.0.0", reason="to be killed").id
    found = stores(roles.directory)
    assert len(STEPS) == CHANGES, "each step of the loop is to be hit while a change of state is decided"

    for step in STEPS:
        kill_at(step, roles, control, found, rollout_id)
    crowd.stop()
    crowd.settle(control, eventually)
    replayed = control.rollouts.replay(rollout_id)  # after as many restarts as there are steps
    roles.stop()
    assert replayed.is_same, replayed.differences
    assert replayed.state_is_same

    state = found.rollout(rollout_id)
    assert state.status is Status.SUCCEEDED
    assert [record.hash_to for record in state.phases] == [100_000, 250_000, 350_000, 600_000, 800_000, 1_000_000]
    decisions = [decision["decision"] for decision in found.decisions(rollout_id)]
    assert decisions.count("advance") == CHANGES
    assert crowd.by_phase(state) == hashed(state)
    found.assert_told_once(rollout_id)
    found.assert_stored_once(crowd)


def kill_at(step: str, roles: Any, control: ControlClient, found: Any, rollout_id: str) -> None:
    """Let the next change of state become due while control is dead; kill control at its step; start it again.

    The killed look is the first after the start, so it is the one that changes the state.
    """
    view = control.rollouts.get(rollout_id)
    phase = found.rollout(rollout_id).phase
    stay = found.rollout(rollout_id).plan.watch if view.status is Status.WATCHING else phase.stay_min
    entered_at = next(p.entered_at for p in reversed(view.phases) if p.entered_at is not None)
    roles.kill(Role.CONTROL)
    CLOCK.sleep((entered_at + stay - view.now) / 600 + timedelta(seconds=0.5))
    before = found.decisions(rollout_id)
    roles.start(Role.CONTROL, end_at="written:2" if step == "written" else step)  # at its start it writes one as well
    roles.wait_killed(Role.CONTROL)
    after = found.decisions(rollout_id)
    assert len(after) - len(before) == (1 if step in ("committed", "written", "published") else 0), step

    roles.start(Role.CONTROL)
    deadline = CLOCK.monotonic() + 20.0
    while len(found.decisions(rollout_id)) == len(before):
        assert CLOCK.monotonic() < deadline, f"no decision after a kill at {step}"
        CLOCK.sleep(timedelta(milliseconds=20))
    [first] = found.decisions(rollout_id)[len(before) :][:1]
    assert first["decision"] == "advance", (step, first)
