"""Edge cases of analysis that live in a rollout's state: docs/guides/rules.md lists them."""

from datetime import timedelta

import pytest

from ebbgate.core.metrics.blocks import Assignment
from ebbgate.core.rollouts.decide import decide
from ebbgate.core.rollouts.decision import Code, Hold
from ebbgate.core.rollouts.exposure import rule_of
from ebbgate.core.rollouts.plan import Audience
from ebbgate.core.rollouts.state import contrast_of
from ebbgate.core.rollouts.steps import advance, pause, resume
from ebbgate.testing.rollouts import NOON, a_plan, a_rollout, an_analysis, good_health, hours

LATER = NOON + hours(90)


def test_an_allocation_that_changes_in_mid_block_splits_the_block() -> None:
    """A phase's blocks begin with it, and its units are those of its own snapshots: no block spans two allocations."""
    before = a_rollout(phase=1, summarised_to=LATER - timedelta(minutes=1))
    after = advance(before, snapshot_version=9, measured_attribute_share=0.0, now=LATER, reason="safe")
    assert after.summarised_to == after.record.entered_at == LATER
    assert contrast_of(after, 1).version_to == contrast_of(after).version_from == 9
    assert contrast_of(after).treatment.start == contrast_of(before).treatment.end


def test_configuration_is_frozen_with_the_rollout_and_spends_no_alpha_twice() -> None:
    state = a_rollout()
    with pytest.raises(AttributeError):
        state.plan.alpha = 0.5  # type: ignore[misc]
    for changed in (pause(state, reason="lunch"), resume(pause(state, reason="lunch"), reason="back")):
        assert changed.plan is state.plan


def test_bots_and_test_users_of_an_audience_are_exposed_apart_and_in_no_comparison() -> None:
    bots = Audience(name="internal", rule={"in": ["bot", {"var": "agent"}]})
    state = a_rollout(phase=1, plan=a_plan(audiences=(bots,)))
    (audience,) = rule_of(state).audiences
    assert (audience.rule, audience.split_ppm) == (bots.rule, None)
    contrast = contrast_of(state)
    assert contrast.audience_variant not in (contrast.treatment_variant, contrast.control_variant)
    seen = Assignment(phase=1, treatment=10, control=40, audience=500)
    assert seen.audience not in (seen.treatment, seen.control)


def test_a_gating_metric_without_any_sample_holds_and_never_passes() -> None:
    decision = decide(a_rollout(), {"errors": an_analysis()}, good_health(missing=("errors",)), now=LATER)
    assert isinstance(decision, Hold)
    assert decision.code is Code.MISSING_METRIC
