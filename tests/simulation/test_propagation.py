"""The proof of propagation over a whole rollback (RULES H2, B7)."""

from typing import Any

from ebbgate.control.audit import Actor
from ebbgate.core.events import EvaluatorReport
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World

ACTOR = Actor(name="ops", reason="test")


def report(world: World, name: str, state: Any, version: int | None = None, environment: str = "production") -> None:
    now = world.clock.machine_now()
    fields: dict[str, Any] = {"evaluator": name, "name": name, "kind": "sdk", "state": state, "reported_at": now}
    world._append([EvaluatorReport(**fields, snapshot_version=version, environment=environment)])


def begun(world: World) -> RolloutState:
    state = world.start(short_plan())
    for _ in range(2):
        world.pass_time(HOUR)
    return state


def test_an_application_that_lost_its_server_is_named_while_its_lease_runs() -> None:
    world = World(seed=1, users=100)
    state = begun(world)
    report(world, "host-7", "confirmed", 1)
    report(world, "host-7", "disconnected")
    report(world, "elsewhere", "confirmed", 1, "staging")
    world.loop.tick()
    proof = world.rollbacks.propagation(state, 2)
    assert (proof.unheard, proof.stragglers, proof.lag_s_max) == (("host-7",), (), 900.0)
    world.pass_time(HOUR)
    assert world.rollbacks.propagation(state, 2).unproven == 0


def test_an_application_that_died_with_the_edge_does_not_hold_up_a_rollback() -> None:
    world = World(seed=1, users=100)
    state = begun(world)
    report(world, "host-7", "confirmed", 1)
    world.pass_time(HOUR)
    world.rollouts.roll_back(state.id, actor=ACTOR)
    for _ in range(2):
        world.pass_time(HOUR)
    rollback = world.rollouts.get(state.id).rollback
    assert rollback is not None
    assert (rollback.confirmed, rollback.expected, rollback.stragglers) == (4, 4, ())


def test_push_times_are_of_those_that_were_connected_at_the_flag_off() -> None:
    world = World(seed=1, users=100)
    state = begun(world)
    world.rollouts.roll_back(state.id, actor=ACTOR)
    world.pass_time(HOUR)
    rollback = world.rollouts.get(state.id).rollback
    assert rollback is not None
    before = world.views.get(state.id).push
    report(world, "new-host", "confirmed", rollback.off_version)  # started an hour after the flag-off
    report(world, "elsewhere", "confirmed", rollback.off_version + 1, "staging")
    world.loop.tick()
    assert world.views.get(state.id).push == before
    assert before is not None
    assert before.confirmed == 4
    assert before.ms_max == 0.0


def test_exposed_units_are_those_of_the_rollout_and_not_of_the_next() -> None:
    world = World(seed=1, users=400)
    state = begun(world)
    world.rollouts.roll_back(state.id, actor=ACTOR)
    ended = world.run(state.id, until=HOUR * 200, step=HOUR)
    counted = world.views.get(ended.id).exposed_units
    world.flags.restore("production", "newWidgets", actor=ACTOR)
    following = world.start(short_plan())
    for _ in range(8):
        world.pass_time(HOUR)
    assert following.id != ended.id
    assert world.views.get(following.id).exposed_units
    assert world.views.get(ended.id).exposed_units == counted
