"""A harmful release is always withdrawn: 200 seeds with returning users, drift and faults."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.simulation.people import Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import Faults, World

FAULTS = Faults(store_fails=0.05, control_restarts=0.05, late=0.02, twice=0.02)
HARMS = (Harm(error_rate=4.0), Harm(latency=2.0))


@pytest.mark.parametrize("seed", range(200))
def test_harm_is_taken_back_whatever_else_goes_wrong(
    seed: int, books_agree: Callable[[World, RolloutState], None]
) -> None:
    world = World(seed=seed, users=1500, faults=FAULTS, harm=HARMS[seed % len(HARMS)])
    state = world.start(short_plan())
    state = world.run(state.id, until=timedelta(days=8), step=HOUR)
    assert state.status is Status.ROLLED_BACK, world.replay_hint()
    assert all(flag.kill is not None for flag in world.flags.list("production")), world.replay_hint()
    books_agree(world, state)
