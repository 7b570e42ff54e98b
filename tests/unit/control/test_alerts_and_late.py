"""RULES F3, F4, E3: what the world is told of, and late harm from events to a decision."""

from datetime import timedelta

import msgspec
import pytest

from ebbgate.control.audit import Actor
from ebbgate.control.decisions import facts_of
from ebbgate.core.alerts.message import Topic, message_of
from ebbgate.core.errors import TransitionError
from ebbgate.core.metrics.analysis import LateStanding
from ebbgate.core.metrics.late import LateEvidence
from ebbgate.core.rollouts.decision import Code, Hold
from ebbgate.core.rollouts.plan import Mode
from ebbgate.simulation.people import Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World

ADA = Actor(name="ada", reason="sure")


def test_f4_an_environment_that_fails_is_told_through_the_outbox() -> None:
    """Both versions fail from the start of a phase that drew nobody: no step is to blame."""
    world = World(seed=4, users=300, harm=Harm(error_rate=18.0, both_arms=True, begin=timedelta(hours=34)))
    plan = short_plan()
    state = world.start(msgspec.structs.replace(plan, when=msgspec.structs.replace(plan.when, starvation_window=HOUR)))
    for _ in range(60):
        world.pass_time(HOUR)
    with world.store.transaction() as tx:
        rows = tx.decisions(state.id, limit=1_000)
    environment = [r for r in rows if isinstance(r.decision, Hold) and r.decision.code is Code.ENVIRONMENT]
    assert environment, world.replay_hint()
    messages = [message_of(topic=r.topic, subject=r.subject, payload=r.payload) for r in world.notifier.rows]
    told = [m for m in messages if m is not None and m.topic is Topic.ENVIRONMENT and "environment" in m.title]
    assert len(told) == len(environment)
    assert {message.group for message in told} == {f"{state.id}:environment"}, "said at most once in a while"
    assert told[0].words.startswith("both versions fail, so it is not the new one's doing")


def test_e3_late_harm_without_a_holdout_is_said_to_be_out_of_reach() -> None:
    world = World(seed=2, users=100)
    rollout_id = world.start(short_plan()).id
    for _ in range(3):
        world.rollouts.promote(rollout_id, actor=ADA)
    for _ in range(3):
        world.pass_time(HOUR)
    with world.store.transaction() as tx:
        last = tx.last_decision(rollout_id)
    assert last is not None
    late = facts_of(last).analyses["errors"].late
    assert late is not None
    assert late.standing is LateStanding.NO_CONTROL
    assert "nobody is left" in late.words


def test_e3_nobody_promotes_over_late_harm() -> None:
    world = World(seed=1, users=100)
    rollout_id = world.start(msgspec.structs.replace(short_plan(), mode=Mode.OBSERVE)).id
    world.pass_time(HOUR)
    evidence = world.store_evidence(rollout_id)
    late = {"errors": LateEvidence(metric="errors", harm_shown_at=world.clock.plan_now())}
    with world.store.transaction() as tx:
        tx.put_evidence(rollout_id, msgspec.structs.replace(evidence, late=late))
    with pytest.raises(TransitionError, match="harm was shown on errors"):
        world.rollouts.promote(rollout_id, actor=ADA)
