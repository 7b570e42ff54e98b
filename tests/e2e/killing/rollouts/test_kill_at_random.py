"""Kill -9 of edge, of control, and of both, at ten random moments (RULES C4, H1, I1 to I3; issue 2: 4)."""

import threading
from collections.abc import Callable
from random import Random
from typing import Any

from ebbgate.bootstrap.settings import Role
from ebbgate.core.rollouts.state import FINAL, RolloutState, Status
from ebbgate.demo.server import LocalServer

SEED = 20260301
BOTH = (Role.EDGE, Role.CONTROL)
VICTIMS = [(Role.EDGE,)] * 3 + [(Role.CONTROL,)] * 3 + [BOTH] * 4


def test_ten_kills_at_random_moments_change_nothing_but_the_time_it_takes(
    serve: Any, begin: Any, plan: Any, hashed: Any, administer: Any, eventually: Callable[..., None]
) -> None:
    # An edge that is killed often starts again after 5 s, 50 minutes of plan time, and is not up at once: what is done
    # meanwhile is received so late, and is to count, since nobody enters a phase twice.
    text = plan(
        "name: tenth, to: 10%, who: random, stay: 2h..5d",
        "name: half, to: 60%, who: random, stay: 2h..5d",
        "name: full, to: 100%, who: everyone, watch: 5h",
        lateness="3h",
        propagation="20s",
        recovery="4h",
    )
    servers = [serve(name, scale=600.0) for name in ("quiet", "killed")]
    quiet, killed = (begin(server, administer(server), server.data_dir, text) for server in servers)

    kill_at_random(servers[1], killed, eventually)
    ended: list[RolloutState] = []
    for rollout in (quiet, killed):
        eventually(lambda one=rollout: one.found.rollout(one.id).status in FINAL, "the end", timeout_s=240.0)
        ended.append(rollout.end(eventually))

    assert [state.status for state in ended] == [Status.SUCCEEDED, Status.SUCCEEDED]
    assert steps_of(ended[0]) == steps_of(ended[1])
    for rollout in (quiet, killed):
        decisions = [row["decision"] for row in rollout.found.decisions(rollout.id)]
        assert [decision for decision in decisions if decision != "hold"] == ["advance"] * 3
    assert quiet.crowd.by_phase(ended[0]) == killed.crowd.by_phase(ended[1]) == hashed(ended[0])


def kill_at_random(server: LocalServer, rollout: Any, eventually: Callable[..., None]) -> None:
    """Ten kills, each some time after the last victims were started again; some are still starting, others at work."""
    random = Random(SEED)
    victims = list(VICTIMS)
    random.shuffle(victims)
    for roles in victims:
        threading.Event().wait(random.uniform(0.0, 5.0))
        assert rollout.found.rollout(rollout.id).status not in FINAL, "the rollout ended before the last kill"
        killed = {role: server.kill(role) for role in roles}
        for role, pid in killed.items():
            started = lambda role=role, pid=pid: server.pid(role) != pid  # noqa: E731
            eventually(started, f"{role.value} to be started again")


def steps_of(state: RolloutState) -> list[tuple[int, float, int, int]]:
    """Everything of the phases but their times and versions."""
    return [(p.index, p.attribute_share, p.hash_from, p.hash_to) for p in state.phases]
