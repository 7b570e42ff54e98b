"""RULES B4: a holdout has an end date, over the real services, in memory."""

from datetime import timedelta

import msgspec
import pytest

from ebbgate.control.audit import Actor
from ebbgate.control.holdouts import HoldoutFollower
from ebbgate.core.flags import Evaluator
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.simulation.plans import short_plan
from ebbgate.simulation.world import World

PERSON = Actor(name="devops", reason="all is well")


def held_out(world: World) -> int:
    """Of 2,000 keys, how many keep the old version."""
    evaluator = Evaluator(world.publisher.current["production"])
    keys = [f"user-{n}" for n in range(2_000)]
    got = [evaluator.evaluate("newWidgets", False, {"targetingKey": key}, "boolean", timestamp=0) for key in keys]
    return sum(details.variant == "off_holdout" for details in got)


def with_everybody(world: World) -> RolloutState:
    plan = msgspec.structs.replace(short_plan(), holdout=0.055, holdout_for=timedelta(days=60))
    state = world.start(plan)
    while not state.is_last_phase:
        state = world.rollouts.promote(state.id, actor=PERSON)
    return state


def test_after_its_time_everybody_gets_the_new_version_and_it_is_told_once() -> None:
    world = World(seed=3, users=50)
    follower = HoldoutFollower(world.store, world.clock, world.snapshots)
    state = with_everybody(world)
    assert 60 <= held_out(world) <= 140
    world.clock.advance(timedelta(days=59))
    follower.follow()
    assert held_out(world) > 0, "not before its end"
    world.clock.advance(timedelta(days=1))
    follower.follow()
    follower.follow()
    assert held_out(world) == 0
    assert world.rollouts.get(state.id).holdout_ended_at == world.clock.plan_now()
    with world.store.transaction() as tx:
        told = [row for row in tx.audit(subject=f"rollout:{state.id}") if "holdout" in row.action]
    assert [row.action for row in told] == ["rollout.end_holdout"]
    assert told[0].reason == "the holdout of 5.5% has ended"


def test_it_ends_also_after_the_rollout_has_succeeded() -> None:
    world = World(seed=3, users=50)
    state = with_everybody(world)
    assert world.rollouts.promote(state.id, actor=PERSON).status is Status.SUCCEEDED
    world.clock.advance(timedelta(days=61))
    HoldoutFollower(world.store, world.clock, world.snapshots).follow()
    assert held_out(world) == 0


def test_a_version_that_was_taken_back_is_let_alone() -> None:
    world = World(seed=3, users=50)
    state = with_everybody(world)
    world.rollouts.roll_back(state.id, actor=PERSON)
    world.clock.advance(timedelta(days=61))
    HoldoutFollower(world.store, world.clock, world.snapshots).follow()
    assert world.rollouts.get(state.id).holdout_ended_at is None


@pytest.mark.parametrize("status", [Status.ROLLED_BACK, Status.ABORTED])
def test_one_that_was_taken_back_or_aborted_is_not_read_again_each_tick(
    status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(seed=3, users=50)
    state = with_everybody(world)
    with world.store.transaction() as tx:
        tx.put_rollout(msgspec.structs.replace(state, status=status, revision=state.revision + 1))
    follower, read = HoldoutFollower(world.store, world.clock, world.snapshots), list[str]()
    look = follower._look
    monkeypatch.setattr(follower, "_look", lambda tx, one, now: read.append(one.id) or look(tx, one, now))
    for _ in range(3):
        follower.follow()
    assert read == [state.id]
