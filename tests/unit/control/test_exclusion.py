"""Bots and test users are kept out by audience (docs/adr/0017), over the real services, in memory."""

import msgspec
import pytest

from ebbgate.control.audit import Actor
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.recovery import recovery_contrast
from ebbgate.core.rollouts.state import contrast_of
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World

PERSON = Actor(name="devops", reason="all is well")


@pytest.fixture
def plan() -> Plan:
    """Nobody internal takes part."""
    return msgspec.structs.replace(short_plan(), exclude=("internal",), phases=short_plan().phases[1:])


def pass_hours(world: World, hours: int) -> None:
    for _ in range(hours):
        world.pass_time(HOUR)


def came(world: World, version_from: int) -> dict[str, str]:
    """Who came by since that snapshot, and the newest variant of each."""
    return {key: variant for (key, version), variant in world.seen.items() if version >= version_from}


def test_excluded_units_keep_the_old_version_until_everybody_has_the_new_one(plan: Plan) -> None:
    world = World(seed=5, users=300)
    internal = {person.key for person in world.everybody if person.is_internal}
    state = world.start(plan)
    pass_hours(world, 6)
    first = came(world, 1)
    assert {first[key] for key in first.keys() & internal} == {"off_excluded"}
    seen = world.events.assignment(contrast_of(state))
    assert (seen.treatment + seen.control, seen.audience) == (len(first.keys() - internal), 0)
    assert world.views.get(state.id).excluded_units == len(first.keys() & internal) > 0

    for _ in range(2):
        state = world.rollouts.promote(state.id, actor=PERSON)
    pass_hours(world, 6)
    last = came(world, state.record.snapshot_version)
    assert {last[key] for key in last.keys() & internal} == {"on_excluded"}
    seen = world.events.assignment(contrast_of(state))
    assert seen.treatment + seen.veterans == len(last.keys() - internal)
    treated = {key for (key, _), variant in world.seen.items() if variant == "on"}
    assert world.views.get(state.id).exposed_units == len(treated)

    state = world.rollouts.roll_back(state.id, actor=PERSON)
    assert state.rollback is not None
    pass_hours(world, 4)
    after = came(world, state.rollback.off_version)
    assert set(after.values()) == {"off"}
    assert after.keys() & internal
    known = {key for (key, version) in world.seen if version < state.rollback.off_version}
    unknown = (after.keys() & internal) - known  # who never came before cannot be told from anybody else
    seen = world.events.assignment(recovery_contrast(world.rollouts.get(state.id)))
    assert seen.treatment + seen.control == len((after.keys() - internal) | unknown)


def test_a_plan_that_excludes_nobody_counts_nobody_apart() -> None:
    world = World(seed=5, users=20)
    assert world.views.get(world.start(short_plan()).id).excluded_units is None
