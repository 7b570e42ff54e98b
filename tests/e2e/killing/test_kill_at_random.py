"""Kill -9 of edge, of control, and of both, at ten random moments (RULES C4, H1, I1 to I3; issue 2: 4)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.settings import Role
from ebbgate.core.rollouts.state import FINAL, RolloutState, Status
from ebbgate.demo.server import LocalServer

CLOCK = SystemClock()
SEED = 20260301
BOTH = (Role.EDGE, Role.CONTROL)
VICTIMS = [(Role.EDGE,)] * 3 + [(Role.CONTROL,)] * 3 + [BOTH] * 4
# An edge that is killed often starts again after 5 s, 50 minutes of plan time, and is not up at once: what is done
# meanwhile is received so late, and is to count, since nobody enters a phase twice.
PLAN = """
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
users: 800
min_units: 30
tick: 6m
phases:
  - {name: tenth, to: 10%, who: random, stay: 2h..5d}
  - {name: half, to: 60%, who: random, stay: 2h..5d}
  - {name: full, to: 100%, who: everyone, watch: 5h}
guardrails:
  errors: {rate: api_error / api_request, worse_by: 20pp, window: 10m, lateness: 3h}
verify: {propagation: 20s, recovery: 4h, min_units: 30}
"""


def test_ten_kills_at_random_moments_change_nothing_but_the_time_it_takes(
    serve: Any, gather: Any, stores: Any, hashed: Any, administer: Any, eventually: Callable[..., None]
) -> None:
    quiet, killed = serve("quiet", scale=600.0), serve("killed", scale=600.0)
    controls = [administer(server) for server in (quiet, killed)]
    crowds = [gather(control, server.edge_url) for control, server in zip(controls, (quiet, killed), strict=True)]
    for control in controls:
        control.rollouts.start(PLAN, release="v2.0.0", reason="to be killed")

    kill_at_random(killed, stores(killed.data_dir))
    ended: list[RolloutState] = []
    for server, control, crowd in zip((quiet, killed), controls, crowds, strict=True):
        found = stores(server.data_dir)
        eventually(lambda found=found: found.rollout("newWidgets-1").status in FINAL, "the end", timeout_s=120.0)
        crowd.stop()
        crowd.settle(control, eventually)
        server.stop()
        found.assert_stored_once(crowd)
        found.assert_told_once("newWidgets-1")
        ended.append(found.rollout("newWidgets-1"))

    assert [state.status for state in ended] == [Status.SUCCEEDED, Status.SUCCEEDED]
    assert steps_of(ended[0]) == steps_of(ended[1])
    decided = [stores(server.data_dir).decisions("newWidgets-1") for server in (quiet, killed)]
    for decisions in decided:
        assert [d["decision"] for d in decisions if d["decision"] != "hold"] == ["advance"] * 3
    assert crowds[0].by_phase(ended[0]) == crowds[1].by_phase(ended[1]) == hashed(ended[0])


def kill_at_random(server: LocalServer, found: Any) -> None:
    """Ten kills, each some time after the last victims were started again; some are still starting, others at work."""
    random = Random(SEED)
    victims = list(VICTIMS)
    random.shuffle(victims)
    for roles in victims:
        threading.Event().wait(random.uniform(0.0, 5.0))
        assert found.rollout("newWidgets-1").status not in FINAL, "the rollout ended before the last kill"
        killed = {role: server.kill(role) for role in roles}
        for role, pid in killed.items():
            deadline = CLOCK.monotonic() + 20.0
            while server.pid(role) == pid:
                assert CLOCK.monotonic() < deadline, f"{role.value} is not started again"
                CLOCK.sleep(timedelta(milliseconds=10))


def steps_of(state: RolloutState) -> list[tuple[int, float, int, int]]:
    """Everything of the phases but their times and versions."""
    return [(p.index, p.attribute_share, p.hash_from, p.hash_to) for p in state.phases]
