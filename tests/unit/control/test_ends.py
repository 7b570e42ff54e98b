"""How rollouts end, and what people may do to them: over the real services, in memory."""

from datetime import timedelta

import msgspec
import pytest

from ebbgate.control.audit import Actor
from ebbgate.control.replay import ReplayService
from ebbgate.core.errors import BadRequestError, ConflictError, StoreUnavailableError, TransitionError
from ebbgate.core.events import Entry, Exposure, Heartbeat, Record
from ebbgate.core.flags import Evaluator, Snapshot
from ebbgate.core.rollouts.plan import Mode
from ebbgate.core.rollouts.state import RollbackOutcome, RolloutState, Status
from ebbgate.simulation.people import Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World

PERSON = Actor(name="devops", reason="3 a.m.")


def a_world(**changes: object) -> World:
    return World(seed=3, users=300, **changes)  # type: ignore[arg-type]


def share_on(world: World, environment: str = "production") -> float:
    """Share of keys that get the new version from the newest snapshot."""
    evaluator = Evaluator(world.publisher.current[environment])
    keys = [f"user-{n}" for n in range(300)]
    got = [evaluator.evaluate("newWidgets", False, {"targetingKey": key}, "boolean", timestamp=0) for key in keys]
    return sum(details.value is True for details in got) / len(got)


def succeeded(world: World) -> RolloutState:
    state = world.start(short_plan())
    for _ in range(4):
        state = world.rollouts.promote(state.id, actor=PERSON)
    assert state.status is Status.SUCCEEDED
    assert share_on(world) == 1.0
    return state


def test_a_rollback_before_the_first_look_is_carried_out_like_any_other() -> None:
    world = a_world()
    state = world.start(short_plan())
    world.rollouts.roll_back(state.id, actor=PERSON)
    state = world.run(state.id, until=timedelta(days=3), step=HOUR)
    assert state.status is Status.ROLLED_BACK
    assert world.loop.failures == 0


def nobody_came() -> tuple[World, RolloutState]:
    """A rollout that was taken back before anybody came by, with no evaluator connected."""
    world = World(seed=3, users=0, evaluators=0)
    state = world.start(short_plan())
    world.clock.advance(timedelta(seconds=5))
    return world, world.rollouts.roll_back(state.id, actor=PERSON)


def beat(world: World, length: timedelta) -> None:
    """The edge's heartbeat after a while, and a tick of the loop."""
    world.clock.advance(length)
    arrive(world, Heartbeat(source="edge", received_at=world.clock.plan_now()))
    world.loop.tick()


def arrive(world: World, entry: Entry) -> None:
    now = world.clock.plan_now()
    world.log.append_now(Record(received_at=now, machine_at=world.clock.machine_now(), entries=[entry]))


def test_a_rollback_of_what_nobody_saw_ends_once_the_log_is_read_past_it() -> None:
    """RULES H3: there is nobody who could show a recovery, and nobody who needs one."""
    world, state = nobody_came()
    beat(world, state.plan.verify.propagation - timedelta(seconds=1))
    assert world.rollouts.get(state.id).status is Status.ROLLING_BACK
    beat(world, timedelta(seconds=1))
    beat(world, timedelta(seconds=1))
    ended = world.rollouts.get(state.id)
    assert ended.rollback is not None
    assert ended.rollback.outcome is RollbackOutcome.RECOVERED
    assert ended.rollback.outcome_reason.startswith("nobody had the new version: ")
    found = ReplayService(world.store).replay(state.id)
    assert found.is_same, found.differences


def test_a_user_who_saw_it_and_is_heard_of_late_still_has_to_be_proven_recovered() -> None:
    world, state = nobody_came()
    beat(world, timedelta(seconds=30))
    seen_at = state.phases[0].entered_at + timedelta(seconds=2)
    exposure = Exposure(
        id="e-1",
        unit="ada",
        environment="production",
        flag_set="default",
        flag="newWidgets",
        variant="on",
        snapshot_version=state.phases[0].snapshot_version,
        source="server",
        occurred_at=seen_at,
        sent_at=world.clock.plan_now(),
    )
    arrive(world, exposure)
    beat(world, state.plan.verify.propagation)
    beat(world, timedelta(minutes=1))
    assert world.rollouts.get(state.id).status is Status.ROLLING_BACK


def test_rolling_back_twice_is_no_mistake() -> None:
    world = a_world()
    state = world.start(short_plan())
    first = world.rollouts.roll_back(state.id, actor=PERSON)
    assert world.rollouts.roll_back(state.id, actor=PERSON) == first


def test_a_kill_of_the_flag_takes_its_running_rollout_back() -> None:
    world = a_world()
    state = world.start(short_plan())
    world.flags.kill("production", "newWidgets", actor=PERSON)
    world.pass_time(HOUR)
    state = world.rollouts.get(state.id)
    assert state.status is Status.ROLLING_BACK
    assert "devops" in state.reason


def test_an_aborted_rollout_does_not_bring_its_predecessor_back() -> None:
    world = a_world()
    succeeded(world)
    second = world.start(short_plan())
    assert share_on(world) == 0.0
    world.rollouts.abort(second.id, actor=PERSON)
    assert share_on(world) == 0.0


def test_a_restored_flag_serves_its_own_default_not_an_older_rollout() -> None:
    world = a_world()
    succeeded(world)
    second = world.start(short_plan())
    world.rollouts.roll_back(second.id, actor=PERSON)
    world.run(second.id, until=timedelta(days=3), step=HOUR)
    world.flags.restore("production", "newWidgets", actor=PERSON)
    assert share_on(world) == 0.0


def test_a_rollout_that_was_followed_by_another_cannot_be_rolled_back() -> None:
    world = a_world()
    first = succeeded(world)
    world.start(short_plan())
    with pytest.raises(TransitionError, match="no longer rules"):
        world.rollouts.roll_back(first.id, actor=PERSON)


def test_a_rollout_that_nobody_saw_is_not_the_first_that_only_recommends() -> None:
    """RULES F6: somebody is to have seen how the application is judged before anything is done by itself."""
    world = a_world()
    plan = msgspec.structs.replace(short_plan(), mode=None)
    for name in ("first", "second"):
        state = world.start(plan)
        assert state.mode is Mode.RECOMMEND, name
        world.rollouts.abort(state.id, actor=PERSON)
    state = world.rollouts.retry("newWidgets", actor=PERSON)
    assert state.mode is Mode.RECOMMEND
    world.rollouts.promote(state.id, actor=PERSON)
    for _ in range(3):
        world.pass_time(HOUR)
    world.rollouts.abort(state.id, actor=PERSON)
    assert world.start(plan).mode is Mode.ACT, "people had the last one"


def test_nobody_promotes_over_harm_that_was_shown() -> None:
    world = World(seed=5, users=1500, harm=Harm(error_rate=6.0))
    plan = msgspec.structs.replace(short_plan(), mode=None)  # an application's first rollout only recommends
    state = world.start(plan)
    while world.rollouts.get(state.id).status is not Status.REVIEW:
        world.pass_time(HOUR)
    state = world.rollouts.promote(state.id, actor=PERSON)
    for _ in range(60):
        world.pass_time(HOUR)
        if any(m.harm_shown_at for m in world.store_evidence(state.id).metrics.values()):
            break
    with pytest.raises(TransitionError, match="harm was shown"):
        world.rollouts.promote(state.id, actor=PERSON)


def test_a_flag_name_with_rollouts_in_two_environments_must_be_told_apart() -> None:
    world = a_world()
    world.snapshots.ensure(("staging",))
    here = world.start(short_plan())
    there = world.start(msgspec.structs.replace(short_plan(), environment="staging"))
    with pytest.raises(ConflictError) as caught:
        world.rollouts.roll_back("newWidgets", actor=PERSON)
    assert here.id in caught.value.message
    assert there.id in caught.value.message
    assert world.rollouts.roll_back(here.id, actor=PERSON).status is Status.ROLLING_BACK


def test_a_change_that_cannot_be_published_stands_and_is_published_later(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world()
    state = world.start(short_plan())
    publish = world.publisher.publish

    def refuse(_: Snapshot) -> None:
        raise StoreUnavailableError("the disk is full", hint="make room")

    monkeypatch.setattr(world.publisher, "publish", refuse)
    assert world.rollouts.roll_back(state.id, actor=PERSON).status is Status.ROLLING_BACK
    assert world.snapshots.failures == 1
    monkeypatch.setattr(world.publisher, "publish", publish)
    world.pass_time(HOUR)
    assert share_on(world) == 0.0
    assert world.rollouts.get(state.id).status in (Status.ROLLING_BACK, Status.ROLLED_BACK)


def test_a_try_that_may_have_exposed_somebody_is_repeated_with_other_users() -> None:
    """RULES B2: exposures may still be on their way when a rollout is aborted."""
    world = a_world()
    state = world.rollouts.promote(world.start(short_plan()).id, actor=PERSON)
    world.rollouts.abort(state.id, actor=PERSON)
    assert world.rollouts.retry(state.id, actor=PERSON).lineage != state.lineage


def test_a_try_in_which_nobody_can_have_been_exposed_is_repeated_with_the_same_users() -> None:
    world = a_world()
    state = world.start(short_plan())  # its first phase draws nobody at random
    world.rollouts.abort(state.id, actor=PERSON)
    assert world.rollouts.retry(state.id, actor=PERSON).lineage == state.lineage


def test_a_second_kill_with_another_variant_takes_the_place_of_the_first() -> None:
    """RULES B6: a kill that answers success serves what it says."""
    world = a_world()
    definition = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
    world.flags.put("production", "newWidgets", definition, actor=PERSON)
    world.flags.kill("production", "newWidgets", actor=PERSON, variant="on")
    assert share_on(world) == 1.0
    world.flags.kill("production", "newWidgets", actor=PERSON, variant="off")
    assert share_on(world) == 0.0


def test_a_kill_under_a_rollout_serves_the_old_version_and_nothing_else() -> None:
    world = a_world()
    world.start(short_plan())
    with pytest.raises(BadRequestError, match="old version"):
        world.flags.kill("production", "newWidgets", actor=PERSON, variant="on")
