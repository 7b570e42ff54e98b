"""RULES E3: harm that comes only after days is found by people who have had the new version for a while."""

from datetime import timedelta

import msgspec

from ebbgate.control.audit import Actor
from ebbgate.core.rollouts.decision import Code
from ebbgate.core.rollouts.state import Status
from ebbgate.simulation.people import Harm
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World

ADA = Actor(name="ada", reason="sure")


def test_e3_late_harm_in_the_watch_is_found_against_the_holdout() -> None:
    plan = short_plan()
    guardrails = tuple(msgspec.structs.replace(g, critical=None) for g in plan.guardrails)
    plan = msgspec.structs.replace(plan, holdout=0.2, watch=timedelta(days=8), guardrails=guardrails)
    world = World(seed=1, users=400)
    rollout_id = world.start(plan).id
    while world.rollouts.get(rollout_id).status is not Status.WATCHING:
        world.pass_time(HOUR)
        state = world.rollouts.get(rollout_id)
        if state.status in (Status.PAUSED, Status.REVIEW):
            world.rollouts.promote(rollout_id, actor=ADA)
    for _ in range(30):
        world.pass_time(HOUR)
    world.harm = Harm(error_rate=10.0, begin=world.clock.plan_now() - world.begin_at)
    state = world.run(rollout_id, until=timedelta(days=4), step=HOUR)
    assert state.rollback is not None, world.replay_hint()
    with world.store.transaction() as tx:
        rows = tx.decisions(rollout_id, limit=10_000)
    assert Code.LATE_HARM in {row.decision.code for row in rows}
    assert world.store_evidence(rollout_id).late["errors"].harm_shown_at is not None
    assert world.store_evidence(rollout_id).metrics["errors"].harm_shown_at is None
