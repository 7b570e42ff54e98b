"""What is shown of a rollout whose exposures another flag system makes (RULES C2, F6)."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from ebbgate.core.events import Exposure, Heartbeat, Record, TrackedEvent
from ebbgate.core.rollouts.plan import Mode, Plan
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World


@pytest.fixture
def watched() -> Plan:
    """One phase of another system's test."""
    plan = short_plan()
    last = msgspec.structs.replace(plan.phases[-1], exposure=0.5)
    return msgspec.structs.replace(
        plan, phases=(last,), audiences=(), mode=Mode.OBSERVE, is_external=True, watch=timedelta(days=9)
    )


@pytest.fixture
def came() -> Callable[[World, int], None]:
    """So many units come by, every third with the new version, as the other system tells."""

    def come(world: World, units: int) -> None:
        at = world.clock.plan_now()
        entries: list[Exposure | TrackedEvent | Heartbeat] = [Heartbeat(source="theirs", received_at=at)]
        for number in range(units):
            unit = f"visitor-{number}"
            entries.append(
                Exposure(
                    id=f"x{number}",
                    unit=unit,
                    environment="production",
                    flag_set="theirs",
                    flag="newWidgets",
                    variant="off" if number % 3 else "on",
                    snapshot_version=0,
                    occurred_at=at,
                    sent_at=at,
                    received_at=at,
                )
            )
        world.log.append_now(Record(received_at=at, machine_at=world.clock.machine_now(), entries=entries))
        world.clock.advance(HOUR)
        world.loop.tick()

    return come


def test_units_that_another_system_exposed_are_counted(watched: Plan, came: Callable[[World, int], None]) -> None:
    world = World(seed=1, users=1)
    state = world.start(watched)
    assert world.views.get(state.id).exposed_units is None  # no look yet
    came(world, 90)
    view = world.views.get(state.id)
    assert (view.exposed_units, view.is_external) == (30, True)
