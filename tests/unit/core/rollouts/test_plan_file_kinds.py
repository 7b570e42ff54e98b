"""Gauges, builds, queries, surveys that ask, and flags of other systems, as plan files write them."""

from datetime import timedelta
from typing import Any

import pytest

from ebbgate.core.errors import PlanError
from ebbgate.core.metrics.definition import MetricKind, NoData, Reading
from ebbgate.core.rollouts import lint_plan, plan_from_data
from ebbgate.core.rollouts.plan import SourceKind
from ebbgate.core.rollouts.plan_show import metric_words

QUERY = {"query": "bad", "of": "all", "source": "mesh", "arm": "version"}
SOURCES = {"mesh": {"prometheus": "http://127.0.0.1:9090"}}


def a_plan(**changes: Any) -> dict[str, Any]:
    phases = [{"to": "5%", "stay": "1d..2d"}, {"to": "100%"}]
    return {"app": "shop", "flag": "newWidgets", "phases": phases, "sources": SOURCES, **changes}


def test_each_kind_is_read_with_its_defaults() -> None:
    plan = plan_from_data(
        a_plan(
            guardrails={
                "memory": {"gauge": "widget_memory_mb", "by": "widget", "limit": "100MB", "worse_by": "10%"},
                "peak": {"gauge": "widget_memory_mb", "take": "max", "limit": "100MB"},
                "bundle": {"build": "growth_bytes", "limit": "500KB"},
                "mesh": {**QUERY, "interval": "5m", "no_data": "ignore", "worse_by": "1pp"},
                "p95_ms": {"query": "p95", "source": "mesh", "arm": "version", "critical": "> 5s for 3m"},
            },
            goals={"stars": {"survey": "stars", "scale": "1..5", "asked": "shown", "baseline": 3, "goal": "+10%"}},
        )
    )
    memory, peak, bundle, mesh, p95 = (guardrail.metric for guardrail in plan.guardrails)
    assert (memory.kind, memory.reading, peak.reading) == (MetricKind.GAUGE, Reading.LAST, Reading.MAX)
    assert plan.guardrails[0].limit == 100
    assert (bundle.kind, plan.guardrails[2].limit, bundle.is_of_events) == (MetricKind.BUILD, 500_000, False)
    assert mesh.query is not None
    assert (mesh.kind, mesh.query.interval, mesh.query.no_data) == (
        MetricKind.RATE,
        timedelta(minutes=5),
        NoData.IGNORE,
    )
    assert plan.guardrails[4].critical is not None
    assert (p95.kind, plan.guardrails[4].critical.value) == (MetricKind.GAUGE, 5_000)
    assert (plan.goals[0].metric.asked, plan.sources[0].kind) == ("shown", SourceKind.PROMETHEUS)
    assert "by requests, not by users" in metric_words(mesh)
    assert metric_words(bundle) == "growth_bytes of the release"
    assert all(finding.level != "error" for finding in lint_plan(plan))


@pytest.mark.parametrize(
    ("guardrail", "path", "said"),
    [
        ({"build": "growth_bytes", "worse_by": "10%", "limit": "500KB"}, "worse_by", "nothing is compared"),
        ({"build": "growth_bytes", "critical": "> 500KB for 5m"}, "critical", "cannot be critical"),
        ({"build": "growth_bytes"}, None, "has no limit"),
        (
            {"query": "x", "source": "mesh", "arm": "v", "limit": "5", "worse_by": "1%"},
            "worse_by",
            "only reads a number",
        ),
        ({"query": "x", "of": "y", "source": "mesh"}, None, "which label tells the versions apart"),
        ({"query": "x", "of": "y", "arm": "v"}, None, "where it is asked"),
        ({**QUERY, "source": "mash"}, "source", "no source `mash`"),
        ({**QUERY, "arms": {"treatment": "a", "control": "a"}}, "arms", "both arms"),
        ({**QUERY, "interval": "0s"}, "interval", "no time at all"),
        ({"rate": "a / b", "source": "mesh"}, "source", "by events, not by a query"),
        ({"mean": "api_ms", "take": "max"}, "take", "is no gauge"),
        ({"mean": "api_ms", "asked": "shown"}, "asked", "asks nobody"),
    ],
)
def test_what_a_kind_cannot_have_is_refused_with_its_place(guardrail: Any, path: str | None, said: str) -> None:
    with pytest.raises(PlanError, match=said) as refused:
        plan_from_data(a_plan(guardrails={"m": guardrail}))
    assert refused.value.path == (f"$.guardrails.m.{path}" if path else "$.guardrails.m")


def test_a_goal_needs_something_to_compare() -> None:
    with pytest.raises(PlanError, match="nothing to compare with"):
        plan_from_data(a_plan(goals={"m": {"build": "growth_bytes", "goal": "-10%"}}))


@pytest.mark.parametrize(
    "source", [{"prometheus": "somewhere"}, {"sql": "x"}, {}, {"prometheus": "a://b", "sql": "c://d"}]
)
def test_a_source_needs_one_kind_and_an_address(source: Any) -> None:
    with pytest.raises(PlanError):
        plan_from_data(a_plan(sources={"mesh": source}))


EXTERNAL: dict[str, Any] = {"mode": "observe", "exposures": "external", "phases": [{"to": "50%", "watch": "14d"}]}


def test_a_flag_of_another_system_is_observed_in_one_phase() -> None:
    plan = plan_from_data(a_plan(**EXTERNAL))
    assert (plan.is_external, plan.phases[0].exposure, plan.watch) == (True, 0.5, timedelta(days=14))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mode": "act"}, "only observed"),
        ({"phases": [{"to": "5%", "stay": "1d..2d"}, {"to": "50%"}]}, "in 2 phases"),
        ({"phases": [{"to": "100%"}]}, "nobody would be left"),
        ({"audiences": {"qa": {"role": "qa"}}}, "says nothing"),
        ({"holdout": {"share": "2%", "for": "60d"}}, "says nothing"),
        ({"exposures": "theirs"}, "own, external|theirs"),
    ],
)
def test_what_only_an_own_flag_can_have_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        plan_from_data(a_plan(**{**EXTERNAL, **changes}))


def test_a_misspelt_kind_is_named_where_it_stands_with_the_one_that_is_meant() -> None:
    with pytest.raises(PlanError) as raised:
        plan_from_data(a_plan(guardrails={"errors": {"rates": "api_error / api_request", "worse_by": "0.5pp"}}))
    assert raised.value.message == "guardrail `errors` knows no key `rates`"
    assert raised.value.path == "$.guardrails.errors.rates"
    assert raised.value.hint.startswith("did you mean `rate`?")
    with pytest.raises(PlanError, match="measures nothing"):
        plan_from_data(a_plan(guardrails={"errors": {"worse_by": "0.5pp"}}))
