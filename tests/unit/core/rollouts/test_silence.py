"""What does not arrive: said where it should, and only there."""

import msgspec

from ebbgate.core.metrics import Metric, MetricKind
from ebbgate.core.metrics.definition import Goal, Query
from ebbgate.core.rollouts.silence import silent_events
from ebbgate.testing.rollouts import ERRORS, a_plan


def test_an_event_that_nobody_sends_is_named_with_the_name_that_is_meant() -> None:
    plan = a_plan(guardrails=(ERRORS,), goals=())
    silent = silent_events(plan, {"api_request": 9, "api_errors": 3})
    assert [one.words for one in silent] == ["no `api_error`; seen: `api_errors`"]
    assert next(one.words for one in silent_events(plan, {})) == "no `api_request`; nothing arrives"
    assert silent_events(plan, {"api_request": 9, "api_error": 3}) == []


def test_metrics_of_queries_and_of_releases_need_no_event() -> None:
    asked = Query(source="mesh", numerator="sum(bad)", arm="version")
    others: tuple[Metric, ...] = (
        msgspec.structs.replace(ERRORS.metric, name="sqlm", event="sqlm", trial=None, query=asked),
        msgspec.structs.replace(ERRORS.metric, name="size", event="growth_bytes", trial=None, kind=MetricKind.BUILD),
    )
    plan = a_plan(guardrails=tuple(msgspec.structs.replace(ERRORS, metric=metric) for metric in others), goals=())
    assert silent_events(plan, {"api_request": 9}) == []


def test_an_event_that_is_like_no_other_is_named_with_what_needs_it() -> None:
    metric = msgspec.structs.replace(ERRORS.metric, name="clicks", trial="widget_view", event="widget_click")
    plan = a_plan(guardrails=(ERRORS,), goals=(Goal(metric=metric, change=0.1),))
    seen = {"api_request": 9, "api_error": 3, "widget_click": 2}
    [silent] = silent_events(plan, seen)
    assert silent.words == "`widget_view` never arrives, and goal clicks needs it"
    assert not silent.is_gating, "goals hold no phase"
    [silent] = silent_events(plan, {"api_error": 3, "widget_click": 2, "widget_view": 1})
    assert silent.words == "`api_request` never arrives, and guardrail errors needs it"
    assert silent.is_gating
