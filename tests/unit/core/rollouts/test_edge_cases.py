"""Edge cases of analysis that live in a rollout's state: docs/guides/rules.md lists them."""

from collections import Counter
from datetime import timedelta
from math import exp
from typing import Any

import msgspec
import pytest

from ebbgate.control.evidence import fold_all
from ebbgate.core.flags import Evaluator, render_rollout
from ebbgate.core.metrics.blocks import Assignment, LimitBlock, ProportionBlock
from ebbgate.core.metrics.contrast import LimitQuery
from ebbgate.core.rollouts.decide import decide
from ebbgate.core.rollouts.decision import Code, Hold
from ebbgate.core.rollouts.kept_out import served_rule
from ebbgate.core.rollouts.look import LookData
from ebbgate.core.rollouts.plan import Audience
from ebbgate.core.rollouts.state import RolloutState, contrast_of
from ebbgate.core.rollouts.steps import advance, pause, resume
from ebbgate.ports.control_store import Evidence
from ebbgate.testing.event_script import EventScript, minute
from ebbgate.testing.memory_events import MemoryEventStore
from ebbgate.testing.rollouts import ERRORS, NOON, a_plan, a_rollout, an_analysis, good_health, hours

LATER = NOON + hours(90)


def test_an_allocation_that_changes_in_mid_block_splits_the_block() -> None:
    """A phase's blocks begin with it, and its units are those of its own snapshots: no block spans two allocations."""
    before = a_rollout(phase=1, summarised_to=LATER - timedelta(minutes=1))
    after = advance(before, snapshot_version=9, measured_attribute_share=0.0, now=LATER, reason="safe")
    assert after.summarised_to == after.record.entered_at == LATER
    assert contrast_of(after, 1).version_to == contrast_of(after).version_from == 9
    assert contrast_of(after).treatment.start == contrast_of(before).treatment.end


def test_configuration_is_frozen_with_the_rollout_and_spends_no_alpha_twice() -> None:
    """RULES E3, E5: a pause, a review, a new phase and a restart begin no new test. Every test's threshold is from its
    part of the plan's alpha, all parts together are no more than that, and evidence goes on where it was."""
    state = a_rollout()
    with pytest.raises(AttributeError):
        state.plan.alpha = 0.5  # type: ignore[misc]
    paused = pause(state, reason="lunch")
    resumed = resume(paused, reason="back")
    next_phase = advance(resumed, snapshot_version=9, measured_attribute_share=0.0, now=LATER, reason="safe")
    straight = evidence = looked(state, Evidence())
    first = spent(evidence)
    assert 0.8 * state.plan.alpha < sum(first.values()) <= state.plan.alpha
    for changed in (paused, resumed, next_phase):
        assert changed.plan is state.plan
        evidence = msgspec.json.decode(msgspec.json.encode(looked(changed, evidence)), type=Evidence)  # a restart
        straight = looked(state, straight)
        assert spent(evidence) == first
        assert evidence.metrics["errors"].log_e == straight.metrics["errors"].log_e
    assert evidence.metrics["errors"].log_e > looked(state, Evidence()).metrics["errors"].log_e + 1


def looked(state: RolloutState, evidence: Evidence) -> Evidence:
    """One more look, at a block that has somewhat more errors in the treatment, and at its limit."""
    head: dict[str, Any] = {
        "metric": "errors",
        "phase": 1,
        "opened_at": NOON,
        "closed_at": LATER,
        "treatment_n": 100,
        "treatment_y": 4,
        "control_n": 400,
        "control_y": 8,
    }
    data = LookData(blocks=[ProportionBlock(**head), LimitBlock(limit=0.05, **head)])
    return fold_all(state, evidence, data, Assignment(phase=1, treatment=100, control=400, expected_share=0.2))


def spent(evidence: Evidence) -> dict[str, float]:
    """The part of alpha that each test has, from the threshold at which it would fire."""
    thresholds = {name: one.threshold for name, one in evidence.metrics.items()}
    thresholds |= {name: one.threshold for name, one in evidence.limits.items()}
    return {name: exp(-threshold) for name, threshold in thresholds.items() if threshold is not None}


def test_bots_and_test_users_of_an_audience_are_exposed_apart_and_in_no_comparison() -> None:
    """RULES B3, D5: from the plan to the block. Every third visitor is a bot whose requests all fail."""
    bots = Audience(name="bots", rule={"in": ["bot", {"var": "agent"}]})
    state = a_rollout(phase=1, plan=a_plan(audiences=(*a_plan().audiences, bots), exclude=("bots",)))
    contrast = contrast_of(state)
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    evaluator = Evaluator({"flags": {"f": render_rollout(flag, served_rule(state))}})
    script, variants = EventScript(), dict[bool, Counter[str | None]]()
    for number in range(300):
        unit, is_bot = f"user-{number}", number % 3 == 0
        told = evaluator.evaluate("f", None, {"targetingKey": unit, "agent": "bot" if is_bot else "person"}, "boolean")
        assert told.variant is not None
        assert told.value == (told.variant == "on")
        variants.setdefault(is_bot, Counter())[told.variant] += 1
        script.expose(unit, told.variant, 0, version=state.record.snapshot_version)
        request = script.track(unit, "api_request", 1)
        if is_bot:
            script.track(unit, "api_error", 1, of=request)
    script.quiet_until(120)
    assert variants[True] == {"off_excluded": 100}
    assert set(variants[False]) == {"on", "off"}
    drawn, others = variants[False]["on"], variants[False]["off"]
    store, span = MemoryEventStore(), {"opened_at": minute(0), "closed_at": minute(120)}
    store.ingest(script.records)
    block = store.block(contrast, ERRORS.metric, **span)
    assert isinstance(block, ProportionBlock)
    assert (block.treatment_n, block.treatment_y, block.control_n, block.control_y) == (drawn, 0, others, 0)
    (limit,) = store.limit_blocks(contrast, LimitQuery(metric=ERRORS.metric, limit=0.05), **span)
    assert isinstance(limit, LimitBlock)
    assert (limit.treatment_n, limit.treatment_y, limit.control_n) == (drawn, 0, others)
    seen = store.assignment(contrast)
    assert (seen.treatment, seen.control, seen.audience, seen.crossed) == (drawn, others, 0, 0)


def test_a_gating_metric_without_any_sample_holds_and_never_passes() -> None:
    decision = decide(a_rollout(), {"errors": an_analysis()}, good_health(missing=("errors",)), now=LATER)
    assert isinstance(decision, Hold)
    assert decision.code is Code.MISSING_METRIC
