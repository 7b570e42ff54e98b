"""Overlays may change pace and expectations, and say what they changed."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from ebbgate.core.errors import PlanError
from ebbgate.core.metrics.definition import Margin
from ebbgate.core.rollouts.overlay import apply_overlay
from ebbgate.core.rollouts.plan import Mode, OverlayChange
from ebbgate.core.rollouts.plan_file import plan_from_data

DATA: dict[str, Any] = {
    "app": "shop",
    "flag": "newWidgets",
    "phases": [{"to": "50%", "stay": "1d..2d"}, {"to": "100%", "watch": "30d"}],
    "guardrails": {"errors": {"rate": "api_error / api_request", "worse_by": "0.5pp"}},
    "verify": {"recovery": "6h"},
}


def with_overlay(**overlay: Any) -> dict[str, Any]:
    return {**deepcopy(DATA), "overlays": {"demo": overlay}}


def refusal_of(data: dict[str, Any], overlay: str | None = None) -> PlanError:
    with pytest.raises(PlanError) as caught:
        plan_from_data(data, overlay=overlay)
    return caught.value


def test_an_overlay_changes_only_what_it_names() -> None:
    data = with_overlay(watch="1d", tick="1h", mode="act", users=20000, verify={"recovery": "1d"})
    plan = plan_from_data(data, overlay="demo")
    assert (plan.watch, plan.tick, plan.mode) == (timedelta(days=1), timedelta(hours=1), Mode.ACT)
    assert (plan.users, plan.verify.recovery) == (20_000, timedelta(days=1))
    assert plan.phases == plan_from_data(data).phases
    assert plan.guardrails == plan_from_data(data).guardrails


def test_the_plan_carries_the_overlays_name_and_changes() -> None:
    data = with_overlay(watch="1d", verify={"recovery": "6h"}, guardrails={"errors": {"worse_by": "1pp"}})
    plan = plan_from_data(data, overlay="demo")
    assert plan.overlay == "demo"
    assert plan.overlay_changes == (
        OverlayChange(path="$.phases[1].watch", before="30d", after="1d"),
        OverlayChange(path="$.guardrails.errors.worse_by", before="0.5pp", after="1pp"),
    )
    assert plan.guardrails[0].worse_by == Margin(absolute=0.01)


def test_without_its_name_an_overlay_changes_nothing() -> None:
    plan = plan_from_data(with_overlay(watch="1d"))
    assert (plan.overlay, plan.overlay_changes, plan.watch) == (None, (), timedelta(days=30))


def test_applying_an_overlay_leaves_the_files_data_alone() -> None:
    data = with_overlay(watch="1d", verify={"recovery": "1d"})
    before = deepcopy(data)
    apply_overlay(data, "demo")
    assert data == before


@pytest.mark.parametrize(
    ("overlay", "path"),
    [
        ({"phases": []}, "$.overlays.demo.phases"),
        ({"when": {"harm": "hold"}}, "$.overlays.demo.when"),
        ({"min_units": 1}, "$.overlays.demo.min_units"),
        ({"guardrails": {"errors": {"critical": "> 90% for 5m"}}}, "$.overlays.demo.guardrails.errors.critical"),
        ({"guardrails": {"errors": {"tolerate": "5%"}}}, "$.overlays.demo.guardrails.errors.tolerate"),
        ({"guardrails": {"error": {"worse_by": "1pp"}}}, "$.overlays.demo.guardrails.error"),
        ({"verify": {"proof": "1s"}}, "$.overlays.demo.verify.proof"),
        ({}, "$.overlays.demo"),
    ],
)
def test_an_overlay_cannot_weaken_a_gate(overlay: dict[str, Any], path: str) -> None:
    error = refusal_of(with_overlay(**overlay))
    assert error.path == path
    assert error.hint


@pytest.mark.parametrize(
    ("overlay", "path"),
    [
        ({"watch": "-1d"}, "$.overlays.demo.watch"),
        ({"tick": 5}, "$.overlays.demo.tick"),
        ({"verify": {"recovery": "soon"}}, "$.overlays.demo.verify.recovery"),
        ({"guardrails": {"errors": {"worse_by": "O.5pp"}}}, "$.overlays.demo.guardrails.errors.worse_by"),
    ],
)
def test_a_mistake_in_an_overlay_is_named_where_it_was_written_and_before_it_is_needed(
    overlay: dict[str, Any], path: str
) -> None:
    assert refusal_of(with_overlay(**overlay)).path == path
    assert refusal_of(with_overlay(**overlay), "demo").path == path


def test_an_unknown_overlay_lists_the_known_ones() -> None:
    error = refusal_of(with_overlay(watch="1d"), "dmo")
    assert (error.path, error.hint) == ("$.overlays", "did you mean `demo`? known: demo")
