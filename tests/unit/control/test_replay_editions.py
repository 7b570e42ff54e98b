"""RULES E5: evidence of an earlier edition is made again as it was made then."""

import msgspec
import pytest

from ebbgate.control.decisions import inputs_of
from ebbgate.control.replay import recompute
from ebbgate.core.metrics import Margin, ProportionBlock
from ebbgate.core.stats import block_log_e, margin_log_e, odds_ratio
from ebbgate.ports.control_store import Evidence
from ebbgate.simulation.plans import HOUR, short_plan
from ebbgate.simulation.world import World


@pytest.mark.parametrize("edition", [0, 1, 2])
def test_a_tolerated_rate_is_replayed_by_the_test_of_its_edition(edition: int) -> None:
    world = World(seed=3, users=20)
    rollout_id = world.start(short_plan()).id
    world.pass_time(2 * HOUR)
    with world.store.transaction() as tx:
        row = tx.decisions(rollout_id, limit=1)[0]
        inputs = inputs_of(tx, row)
    plan = inputs.state.plan
    tolerant = tuple(
        msgspec.structs.replace(g, tolerate=Margin(relative=0.5), baseline=None) if g.metric.name == "errors" else g
        for g in plan.guardrails
    )
    at = inputs.state.record.entered_at
    assert at is not None
    block = ProportionBlock(
        metric="errors", phase=0, opened_at=at, closed_at=at + HOUR, treatment_n=90, treatment_y=60, control_n=300
    )
    block = msgspec.structs.replace(block, control_y=120)
    plan = msgspec.structs.replace(plan, guardrails=tolerant)
    state = msgspec.structs.replace(inputs.state, plan=plan)
    inputs = msgspec.structs.replace(inputs, state=state, blocks=[block], edition=edition)
    odds = recompute(row, inputs, Evidence())[0].metrics["errors"].odds
    if edition < 2:
        assert odds == pytest.approx(block_log_e(90, 60, 300, 120, tolerated=odds_ratio(0.6, 0.4)), abs=1e-9)
    else:
        assert odds == pytest.approx(margin_log_e(90, 60, 300, 120, offset=0.0, slope=1.5, level=0.01), abs=1e-9)
