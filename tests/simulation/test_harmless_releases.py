"""RULES E3: of 200 harmless releases at most 10 are withdrawn (5 %), whoever looks how often."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import Faults, World

FAULTS = Faults(store_fails=0.05, control_restarts=0.05, late=0.02, twice=0.02)
ENDS: Counter[Status] = Counter()


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_at_most_ten_of_two_hundred_harmless_releases_are_withdrawn(
    first: int, books_agree: Callable[[World, RolloutState], None]
) -> None:
    for seed in range(first, first + 20):
        world = World(seed=seed, users=1500, faults=FAULTS)
        state = world.start(short_plan())
        state = world.run(state.id, until=timedelta(days=5), step=HOUR)
        books_agree(world, state)
        ENDS[state.status] += 1
    assert ENDS[Status.ROLLED_BACK] <= 10, ENDS
    # The rate means something only if the releases really went the whole way.
    assert ENDS[Status.SUCCEEDED] >= 0.75 * ENDS.total(), ENDS
