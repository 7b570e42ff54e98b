"""The second stage of a rollback over the real services: what leads to it, and what it ends in (RULES H1 to H4, F7)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.api.rollouts import decision_view
from ebbgate.bootstrap.control import stuck_alarm
from ebbgate.control.audit import Actor
from ebbgate.control.decisions import inputs_of
from ebbgate.control.failing import Failing
from ebbgate.control.notifications import NotificationService
from ebbgate.control.replay import ReplayService
from ebbgate.core.alerts import ChannelRule, Message, Topic
from ebbgate.core.errors import StoreUnavailableError, TransitionError
from ebbgate.core.flags import Snapshot
from ebbgate.core.releases import DeploymentStatus, condemn
from ebbgate.core.rollouts.decision import Code
from ebbgate.core.rollouts.explain import explain
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackState, RolloutState, Status
from ebbgate.simulation.people import Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import Faults, World
from ebbgate.simulation.yard import NEW, STABLE, Yard

PERSON = Actor(name="ada", reason="it hurts")


class Mailbox:
    """A Channel that takes everything."""

    service, problem = "memory", ""

    def __init__(self) -> None:
        self.rule = ChannelRule(name="mailbox", url="memory://")
        self.taken: list[Message] = []

    def send(self, message: Message) -> None:
        self.taken.append(message)


def a_world(yard: Yard | None = None, **changes: Any) -> World:
    return World(**{"seed": 2, "users": 200, "yard": yard or Yard(), **changes})


def promoted(world: World, plan: Plan | None = None) -> RolloutState:
    """A rollout whose phase draws a fifth of the people, an hour old."""
    state = world.start(plan or short_plan())
    world.rollouts.promote(state.id, actor=PERSON)
    world.pass_time(HOUR)
    return world.rollouts.get(state.id)


def taken_back(world: World, *, until: timedelta = timedelta(days=5), plan: Plan | None = None) -> RollbackState:
    """Taken back by a person, to its end."""
    state = promoted(world, plan)
    world.rollouts.roll_back(state.id, actor=PERSON)
    state = world.run(state.id, until=until, step=HOUR)
    assert state.status is Status.ROLLED_BACK, state.rollback
    assert state.rollback is not None
    replayed = ReplayService(world.store).replay(state.id)
    assert replayed.is_same, replayed.differences
    assert replayed.state_is_same
    return state.rollback


def told(world: World, topic: str) -> list[Any]:
    with world.store.transaction() as tx:
        return [row for row in tx.outbox(limit=100_000) if row.topic == topic]


def saga_pages(world: World) -> list[str]:
    return [row.payload["words"] for row in told(world, "page") if row.key.startswith("rollback:")]


def break_flag(world: World) -> Callable[[], None]:
    """From now on no snapshot can be written; returns what mends it."""
    whole = world.publisher.publish

    def refuse(_: Snapshot) -> None:
        raise StoreUnavailableError("no space left on device", hint="make room")

    world.publisher.publish = refuse  # type: ignore[method-assign]
    return lambda: setattr(world.publisher, "publish", whole)


def test_with_the_flag_path_broken_the_last_stable_release_goes_back_and_recovery_is_judged_again() -> None:
    world = a_world(users=4000, seed=5)
    state = promoted(world)
    mend = break_flag(world)
    world.rollouts.roll_back(state.id, actor=PERSON)
    for _ in range(5):
        world.pass_time(HOUR)
    found = world.rollouts.get(state.id).rollback
    assert found is not None
    assert "no space left" in found.redeploy_why
    assert world.yard is not None
    assert world.yard.target.running == STABLE
    mend()
    state = world.run(state.id, until=timedelta(days=5), step=HOUR)
    assert state.rollback is not None
    assert state.rollback.outcome is RollbackOutcome.RECOVERED, state.rollback
    assert ReplayService(world.store).replay(state.id).is_same
    assert not saga_pages(world)


def test_a_flag_path_that_works_again_before_the_deadline_needs_no_second_stage() -> None:
    world = a_world()
    state = promoted(world)
    mend = break_flag(world)
    world.rollouts.roll_back(state.id, actor=PERSON)
    world.pass_time(HOUR)
    assert world.loop.failures > 0
    mend()
    for _ in range(4):
        world.pass_time(HOUR)
    rollback = world.rollouts.get(state.id).rollback
    assert rollback is not None
    assert rollback.redeploy_from_at is None
    assert rollback.recovery_deadline_at is not None


def test_a_store_that_fails_at_the_deadline_says_nothing_about_the_flag() -> None:
    world = a_world()
    state = promoted(world)
    world.rollouts.roll_back(state.id, actor=PERSON)
    world.clock.advance(4 * HOUR)
    world.store.fail_next(2)
    world.pass_time(HOUR)
    world.pass_time(HOUR)
    rollback = world.rollouts.get(state.id).rollback
    assert rollback is not None
    assert rollback.redeploy_from_at is None


def test_evaluators_that_ignore_the_flag_lead_to_the_last_stable_release() -> None:
    world = a_world(faults=Faults(deaf=1.0))
    rollback = taken_back(world)
    assert "do not follow: app-0" in rollback.redeploy_why
    assert rollback.redeploy_to == STABLE
    assert rollback.outcome is not RollbackOutcome.RECOVERED  # they still do not follow
    assert len(saga_pages(world)) == 1


def test_a_flag_document_that_the_edge_cannot_read_leads_there_as_well() -> None:
    world = a_world()
    state = promoted(world)
    served = dict(world.publisher.current)
    world.rollouts.roll_back(state.id, actor=PERSON)  # written, as far as control can tell
    world.publisher.current = served  # and what the edge goes on serving: it keeps what it could read
    world.publisher.publish = lambda snapshot: None  # type: ignore[method-assign]
    for _ in range(5):
        world.pass_time(HOUR)
    rollback = world.rollouts.get(state.id).rollback
    assert rollback is not None
    assert "do not follow" in rollback.redeploy_why
    assert world.yard is not None
    assert world.yard.target.running == STABLE


def test_harm_that_stays_with_the_flag_off_goes_when_the_last_stable_release_is_back() -> None:
    world = a_world(users=4000, seed=3, harm=Harm(error_rate=6.0, persists=True))
    state = world.start(short_plan())
    state = world.run(state.id, until=timedelta(days=10), step=HOUR)
    assert state.rollback is not None
    assert "the flag was not enough" in state.rollback.redeploy_why
    assert state.rollback.outcome is RollbackOutcome.RECOVERED, state.rollback
    assert ReplayService(world.store).replay(state.id).is_same
    with world.store.transaction() as tx:
        [deployment] = tx.deployments(app="dashboard")
        assert len(tx.incidents()) == 1
        bad = tx.release(NEW)
    assert (deployment.status, deployment.is_rollback) == (DeploymentStatus.DONE, True)
    assert bad is not None
    assert bad.is_bad


@pytest.mark.parametrize("failing", ["place", "switch"])
def test_a_target_that_is_full_is_failed_and_paged(failing: str) -> None:
    world = a_world(faults=Faults(deaf=1.0))
    assert world.yard is not None
    world.yard.target.failing.add(failing)
    rollback = taken_back(world)
    assert rollback.outcome is RollbackOutcome.FAILED
    assert f"{failing} was told to fail" in rollback.outcome_reason
    [page] = saga_pages(world)
    assert failing in page
    assert world.yard.target.is_current == NEW  # what was there, whole


def test_a_redeployment_that_takes_too_long_is_paged_once_and_goes_on() -> None:
    world = a_world(faults=Faults(deaf=1.0))
    assert world.yard is not None
    world.yard.target.is_held = True
    state = promoted(world)
    world.rollouts.roll_back(state.id, actor=PERSON)
    for _ in range(8):
        world.pass_time(HOUR)
    [page] = saga_pages(world)
    assert "longer than the plan allows" in page
    world.yard.target.is_held = False
    world.pass_time(HOUR)
    assert world.yard.target.running == STABLE


@pytest.mark.parametrize(
    ("yard", "why"),
    [
        ({"has_releases": False}, "was not built or adopted here"),
        ({"stable": {"deploy": None}}, "names no target"),
    ],
)
def test_without_a_way_to_redeploy_it_ends_failed_paged_and_says_why(yard: dict[str, Any], why: str) -> None:
    world = a_world(Yard(**yard))
    state = world.start(short_plan())
    world.rollouts.promote(state.id, actor=PERSON)
    break_flag(world)
    world.rollouts.roll_back(state.id, actor=PERSON)
    state = world.run(state.id, until=timedelta(days=1), step=HOUR)
    assert state.rollback is not None
    assert state.rollback.outcome is RollbackOutcome.FAILED
    [page] = saga_pages(world)
    assert why in page
    assert "no space left" in page


def test_a_stable_release_that_was_condemned_meanwhile_is_no_way_back() -> None:
    world = a_world()
    state = promoted(world)
    with world.store.transaction() as tx:
        stable = tx.release(STABLE)
        assert stable is not None
        bad = condemn(stable, reason="it leaks", actor="ada", at=world.clock.machine_now())
        tx.put_release(msgspec.structs.replace(bad, revision=stable.revision + 1))
    break_flag(world)
    world.rollouts.roll_back(state.id, actor=PERSON)
    state = world.run(state.id, until=timedelta(days=1), step=HOUR)
    assert "has no stable release to go back to" in saga_pages(world)[0]


def irreversible(plan: Plan) -> Plan:
    fixed = tuple(msgspec.structs.replace(phase, reversible=False) for phase in plan.phases)
    return msgspec.structs.replace(plan, phases=fixed)


@pytest.mark.parametrize("which", ["release", "phase"])
def test_what_cannot_be_reversed_is_frozen_and_paged_and_nothing_is_taken_back(which: str) -> None:
    """RULES F7."""
    world = a_world(
        Yard(new={"reversible": False}) if which == "release" else Yard(),
        users=1500,
        seed=3,
        harm=Harm(error_rate=6.0),
    )
    state = world.start(short_plan() if which == "release" else irreversible(short_plan()))
    state = world.run(state.id, until=timedelta(days=4), step=HOUR)
    assert state.status is Status.PAUSED
    assert state.rollback is None
    assert world.yard is not None
    assert world.yard.target.running == NEW
    with world.store.transaction() as tx:
        assert not tx.kills("production")
        assert not tx.deployments(app="dashboard")
    pages = [row for row in told(world, "page") if "cannot be reversed" in row.payload["words"]]
    assert len(pages) == 1


def test_a_person_may_take_back_what_nothing_takes_back_by_itself_and_it_stays_at_the_flag() -> None:
    world = a_world(faults=Faults(deaf=1.0))
    rollback = taken_back(world, plan=irreversible(short_plan()))
    assert rollback.redeploy_from_at is None
    assert "is not reversible" in rollback.outcome_reason


def test_a_person_goes_straight_to_the_second_stage() -> None:
    world = a_world()
    state = promoted(world)
    with pytest.raises(TransitionError, match="no rollback runs"):
        world.rollbacks.redeploy(state.id, actor=PERSON)
    world.rollouts.roll_back(state.id, actor=PERSON)
    asked = world.rollbacks.redeploy(state.id, actor=PERSON)
    assert world.rollbacks.redeploy(state.id, actor=PERSON) == asked
    state = world.run(state.id, until=timedelta(days=4), step=HOUR)
    assert state.rollback is not None
    assert "asked for by ada" in state.rollback.redeploy_why
    with world.store.transaction() as tx:
        row = next(row for row in tx.decisions(state.id) if row.decision.code is Code.REDEPLOY)
        words = " ".join(explain(decision_view(row), inputs_of(tx, row)).sentences)
    assert "ada asked for the second stage by hand" in words
    assert world.yard is not None
    assert world.yard.target.running == STABLE
    replayed = ReplayService(world.store).replay(state.id)
    assert replayed.is_same, replayed.differences


def test_a_store_that_can_only_be_read_is_tried_again_until_the_flag_goes_off() -> None:
    world = a_world()
    state = promoted(world)
    world.flags.kill("production", "newWidgets", actor=PERSON)  # what the loop would now take back
    box = Mailbox()
    notifications = NotificationService(world.store, world.clock, [box])
    world.loop._failing = Failing(world.clock, stuck_alarm(notifications))
    world.store.is_read_only = True
    for _ in range(3):
        world.pass_time(HOUR / 3)
    assert notifications.send_shouts() == 1  # at most one an hour, and nothing of it came from the store
    [message] = box.taken
    assert message.topic is Topic.PAGE
    assert "the store can only be read" in message.words
    assert world.rollouts.get(state.id).status is Status.RUNNING
    assert world.loop.failures >= 3
    world.store.is_read_only = False
    world.pass_time(HOUR)
    assert world.rollouts.get(state.id).status is Status.ROLLING_BACK
    world.pass_time(HOUR)
    with world.store.transaction() as tx:
        assert len(tx.incidents()) == 1
