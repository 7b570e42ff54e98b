"""RULES H3 over whole rollouts: `recovered` is never said where it is not so."""

from datetime import timedelta

import pytest

from ebbgate.core.rollouts.state import RollbackOutcome, RolloutState, Status
from ebbgate.simulation.people import Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import Faults, World


def ended(world: World) -> RolloutState:
    state = world.start(short_plan())
    state = world.run(state.id, until=timedelta(days=8), step=HOUR)
    assert state.status is Status.ROLLED_BACK, world.replay_hint()
    return state


@pytest.mark.parametrize("seed", range(15))
def test_evaluators_that_ignore_the_flag_off_are_never_called_recovered(seed: int) -> None:
    world = World(seed=seed, harm=Harm(error_rate=4.0), faults=Faults(deaf=1.0))
    rollback = ended(world).rollback
    assert rollback is not None
    assert rollback.outcome is RollbackOutcome.UNVERIFIED, world.replay_hint()
    assert len(rollback.stragglers) == 4


@pytest.mark.parametrize("seed", range(15))
def test_harm_that_stays_is_never_called_recovered(seed: int) -> None:
    world = World(seed=seed, users=3000, harm=Harm(error_rate=6.0, persists=True))
    rollback = ended(world).rollback
    assert rollback is not None
    assert rollback.outcome is not RollbackOutcome.RECOVERED, world.replay_hint()


def test_harm_that_goes_with_the_flag_is_mostly_called_recovered() -> None:
    outcomes = []
    for seed in range(10):
        rollback = ended(World(seed=seed, users=5000, harm=Harm(error_rate=6.0))).rollback
        assert rollback is not None
        outcomes.append(rollback.outcome)
    assert RollbackOutcome.FAILED not in outcomes
    assert outcomes.count(RollbackOutcome.RECOVERED) >= 7, outcomes
