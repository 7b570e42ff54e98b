"""Plain data to a Plan: sugar, defaults, strictness."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebbgate.core.errors import PlanError
from ebbgate.core.metrics.definition import Direction, HarmBy, Margin, MetricKind
from ebbgate.core.releases import Budget
from ebbgate.core.rollouts.plan import Mode, Plan, Response
from ebbgate.core.rollouts.plan_file import PLAN_KEYS, plan_from_data

DATA: dict[str, Any] = {
    "app": "shop",
    "flag": "newWidgets",
    "audiences": {"internal": {"any": [{"email": "*@example.com"}, {"role": ["qa", "alpha"]}]}, "beta": "opt-in"},
    "phases": [
        {"to": "5%", "who": "internal", "stay": "1d..2d", "why": "catch critical issues"},
        {"to": "20%", "who": ["beta", "random"], "stay": "3d..5d"},
        {"to": "50%", "stay": "5d..7d"},
        {"to": "100%", "watch": "30d"},
    ],
    "guardrails": {"errors": {"rate": "api_error / api_request", "worse_by": "0.5pp"}},
    "goals": {"tickets": {"count": "ticket_how_to", "goal": "-25%"}},
}


def data_with(**changes: Any) -> dict[str, Any]:
    return {**deepcopy(DATA), **changes}


def guardrail_of(**written: Any) -> Any:
    return plan_from_data(data_with(guardrails={"it": written})).guardrails[0]


def refusal_of(data: Any) -> PlanError:
    with pytest.raises(PlanError) as caught:
        plan_from_data(data)
    assert caught.value.hint
    assert caught.value.path is not None
    return caught.value


def rule_of(audience: Any) -> Any:
    return plan_from_data(data_with(audiences={"internal": audience, "beta": "opt-in"})).audiences[0].rule


def test_phases_get_names_and_defaults() -> None:
    phases = plan_from_data(DATA).phases
    assert [phase.name for phase in phases] == ["internal", "beta", "50%", "everyone"]
    assert [phase.who for phase in phases] == [("internal",), ("beta", "random"), ("random",), ("everyone",)]
    assert [phase.exposure for phase in phases] == [0.05, 0.2, 0.5, 1.0]
    assert phases[0].stay_max == timedelta(days=2)
    assert phases[3].stay_max is None


def test_a_name_given_twice_by_default_gets_its_percentage() -> None:
    phases = [{"to": "5%", "who": "internal", "stay": "1d..2d"}, {"to": "9%", "who": "internal", "stay": "1d..2d"}]
    plan = plan_from_data(data_with(phases=[*phases, {"to": "100%", "name": "internal 9%"}]))
    assert [phase.name for phase in plan.phases] == ["internal", "internal 9% (2)", "internal 9%"]


def test_the_last_phases_watch_is_the_plans() -> None:
    assert plan_from_data(DATA).watch == timedelta(days=30)
    assert plan_from_data(data_with(phases=[{"to": "100%"}], watch="3d")).watch == timedelta(days=3)
    assert refusal_of(data_with(watch="3d")).path == "$.phases[3].watch"


def test_each_kind_of_metric_has_its_defaults() -> None:
    rate = guardrail_of(rate="a / b").metric
    assert (rate.kind, rate.event, rate.trial, rate.bad) == (MetricKind.RATE, "a", "b", Direction.INCREASE)
    assert (rate.window, rate.lateness) == (timedelta(hours=1), timedelta(minutes=5))
    latency = guardrail_of(p95="api_ms", by="endpoint").metric
    assert (latency.quantile, latency.harm, latency.by) == (0.95, HarmBy.DISTRIBUTION, "endpoint")
    mean = guardrail_of(mean="dashboard_s").metric
    assert (mean.bad, mean.harm, mean.window) == (Direction.DECREASE, HarmBy.MEAN, timedelta(days=1))
    assert guardrail_of(count="tickets").metric.bad is Direction.INCREASE
    assert guardrail_of(survey="s", scale="1..5").metric.scale == (1.0, 5.0)


def test_what_is_written_outranks_the_defaults() -> None:
    it = guardrail_of(
        mean="cost_s", bad="increase", harm="distribution", window="2h", lateness="1m", cap="10m", weight=2
    )
    assert (it.metric.bad, it.metric.harm, it.weight) == (Direction.INCREASE, HarmBy.DISTRIBUTION, 2.0)
    assert (it.metric.window, it.metric.lateness, it.metric.cap) == (timedelta(hours=2), timedelta(minutes=1), 600.0)


def test_a_goals_direction_follows_from_its_sign() -> None:
    goals = {"up": {"mean": "x_s", "goal": "+30%"}, "down": {"mean": "x_s", "goal": "-30%"}}
    up, down = plan_from_data(data_with(goals=goals)).goals
    assert (up.metric.bad, down.metric.bad) == (Direction.DECREASE, Direction.INCREASE)
    error = refusal_of(data_with(goals={"up": {"mean": "x_s", "goal": "+30%", "bad": "increase"}}))
    assert error.path == "$.goals.up.bad"


def test_limits_and_margins_are_in_the_metrics_unit() -> None:
    it = guardrail_of(
        p95="api_ms", worse_by="10%", limit="1s", critical="> 5s for 3m", tolerate="20ms", baseline="400ms"
    )
    assert (it.worse_by, it.limit, it.critical.value) == (Margin(relative=0.1), 1000.0, 5000.0)
    assert (it.tolerate, it.baseline) == (Margin(absolute=20.0), 400.0)


def test_on_names_the_functions_of_the_critical_limit_and_only_restricts_the_metric() -> None:
    it = guardrail_of(rate="a / b", critical="> 5% for 5m", on=["apply_all", "resolve"], only="apply_all")
    assert it.critical.on == ("apply_all", "resolve")
    assert (it.metric.on, it.metric.by) == (("apply_all",), "function")
    error = refusal_of(data_with(guardrails={"it": {"rate": "a / b", "on": ["x"]}}))
    assert (error.path, "write `only`" in error.hint) == ("$.guardrails.it.on", True)


@pytest.mark.parametrize(
    ("audience", "rule"),
    [
        ({"email": "*@example.com"}, {"ends_with": [{"var": "email"}, "@example.com"]}),
        ({"email": "qa-*"}, {"starts_with": [{"var": "email"}, "qa-"]}),
        ({"email": "*test*"}, {"in": ["test", {"var": "email"}]}),
        ({"role": ["qa", "alpha"]}, {"in": [{"var": "role"}, ["qa", "alpha"]]}),
        ({"level": 3}, {"==": [{"var": "level"}, 3]}),
        ({"not": {"plan": "free"}}, {"!": [{"==": [{"var": "plan"}, "free"]}]}),
        ({"a": 1, "b": True}, {"and": [{"==": [{"var": "a"}, 1]}, {"==": [{"var": "b"}, True]}]}),
        ({"members": ["u1"]}, {"in": [{"var": "targetingKey"}, ["u1"]]}),
        ({"rule": {">": [{"var": "age"}, 3]}}, {">": [{"var": "age"}, 3]}),
        ({"opt-in": True, "a": 1}, {"or": [{"==": [{"var": "internal"}, True]}, {"==": [{"var": "a"}, 1]}]}),
        (
            {"email": ["*@a.com", "me@b.com"]},
            {"or": [{"in": [{"var": "email"}, ["me@b.com"]]}, {"ends_with": [{"var": "email"}, "@a.com"]}]},
        ),
        ({"all": [{"a": 1}, {"b": 2}]}, {"and": [{"==": [{"var": "a"}, 1]}, {"==": [{"var": "b"}, 2]}]}),
    ],
)
def test_audience_sugar_becomes_jsonlogic(audience: Any, rule: Any) -> None:
    assert rule_of(audience) == rule


def test_audiences_can_be_split_opted_into_and_sized() -> None:
    audiences = {"internal": {"role": "qa", "split": True, "share": "3%"}, "beta": "opt-in"}
    internal, beta = plan_from_data(data_with(audiences=audiences)).audiences
    assert (internal.is_split, internal.share, internal.is_opt_in) == (True, 0.03, False)
    assert (beta.is_opt_in, beta.rule) == (True, {"==": [{"var": "beta"}, True]})


def test_excluded_audiences_are_named_once_or_in_a_list() -> None:
    audiences = {**DATA["audiences"], "bots": {"agent": "*bot*", "share": "4%"}, "testers": {"members": ["user-1"]}}
    assert plan_from_data(DATA).exclude == ()
    assert plan_from_data(data_with(audiences=audiences, exclude="bots")).exclude == ("bots",)
    plan = plan_from_data(data_with(audiences=audiences, exclude=["testers", "bots"]))
    assert [audience.name for audience in plan.excluded] == ["bots", "testers"]
    assert plan.excluded_share == 0.04
    with pytest.raises(PlanError) as caught:
        plan_from_data({"app": "a", "flag": "f", "phases": [{"to": "100%"}], "exclude": ["bots"]})
    assert (caught.value.path, "audiences: {bots:" in caught.value.hint) == ("$.exclude[0]", True)


def test_what_surrounds_the_phases_is_read() -> None:
    plan = plan_from_data(
        data_with(
            variants={"treatment": "new", "control": "old"},
            mode="act",
            users=20000,
            holdout={"share": "2%", "for": "60d"},
            when={"off_target": "review in 2h, then rollback", "server_lost": "off after 5m", "too_long": "pause"},
            verify={"propagation": "30s", "recovery": "2h", "min_units": 50},
            build={"run": ["npm install"], "keep": "dist", "budgets": [{"files": "*.js", "growth": "< 500KB"}]},
            deploy={"to": {"directory": "./deployed"}, "restart": "npm restart", "health": "http://127.0.0.1/health"},
            probes={"outage": {"url": "http://127.0.0.1/health", "every": "5s", "fails": 2}},
        )
    )
    assert (plan.treatment_variant, plan.control_variant, plan.mode, plan.users) == ("new", "old", Mode.ACT, 20_000)
    assert (plan.holdout, plan.holdout_for) == (0.02, timedelta(days=60))
    assert (plan.when.off_target.then, plan.when.too_long) == (Response.ROLLBACK, Response.PAUSE)
    assert (plan.when.server_lost, plan.verify.min_units) == (timedelta(minutes=5), 50)
    assert plan.build is not None
    assert plan.build.budgets == (Budget(files="*.js", growth_bytes=500_000),)
    assert plan.deploy is not None
    assert plan.deploy.restart == ("npm restart",)
    assert (plan.probes[0].fails, plan.probes[0].every) == (2, timedelta(seconds=5))


def test_a_plan_survives_its_own_encoding() -> None:
    plan = plan_from_data(DATA)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


@pytest.mark.parametrize(
    ("change", "path", "hint"),
    [
        ({"flag": None}, "$.flag", "begin with a letter"),
        ({"phases": []}, "$.phases", "at least one"),
        ({"phases": [{"to": "5%"}, {"to": "100%"}]}, "$.phases[0]", "how long at least"),
        ({"phases": [{"to": "5%", "stay": "1d..2d", "watch": "3d"}, {"to": "100%"}]}, "$.phases[0].watch", "`stay`"),
        ({"phases": [{"to": "50%", "who": "everyone"}]}, "$.phases[0].who", "`random`"),
        ({"phases": [{"to": "50%", "who": ["random", "random"]}]}, "$.phases[0].who[1]", "once"),
        ({"phases": [{"to": "50%", "who": ["random", "betta"]}]}, "$.phases[0].who[1]", "did you mean `beta`?"),
        ({"audiences": {"random": "opt-in"}}, "$.audiences.random", "another name"),
        (
            {"exclude": ["internal", "botts"], "audiences": {"bots": {"a": 1}, **DATA["audiences"]}},
            "$.exclude[1]",
            "`bots`",
        ),
        ({"exclude": "everyone"}, "$.exclude", "no users of yours"),
        ({"exclude": ["internal", "internal"]}, "$.exclude[1]", "once"),
        ({"exclude": ["beta"]}, "$.exclude[0]", "`members`"),
        ({"exclude": []}, "$.exclude", "at least one"),
        ({"variants": {"treatment": "off_excluded", "control": "off"}}, "$.variants", "another name"),
        ({"audiences": {"x": "optin"}}, "$.audiences.x", "`opt-in`"),
        ({"audiences": {"x": {"split": True}}}, "$.audiences.x", "write it like"),
        ({"audiences": {"x": {"email": "a*b*c"}}}, "$.audiences.x.email", "`rule:`"),
        ({"audiences": {"x": {"rule": {"a": 1, "b": 2}}}}, "$.audiences.x.rule", "one operator"),
        ({"audiences": {"x": {"any": []}}}, "$.audiences.x.any", "list of conditions"),
        ({"guardrails": {"x": {}}}, "$.guardrails.x", "rate, share"),
        ({"guardrails": {"x": {"rate": "a / b", "p95": "c_ms"}}}, "$.guardrails.x.p95", "keep one"),
        ({"guardrails": {"x": {"p85": "c_ms"}}}, "$.guardrails.x", "p95"),
        ({"guardrails": {"x": {"mean": "a / b"}}}, "$.guardrails.x.mean", "`rate:`"),
        ({"guardrails": {"x": {"rate": "a / b", "worse_by": 0}}}, "$.guardrails.x.worse_by", "more than nothing"),
        ({"guardrails": {"x": {"p95": "a_ms", "harm": "mean"}}}, "$.guardrails.x.harm", "`mean:`"),
        ({"guardrails": {"x": {"rate": "a / b", "cap": 3}}}, "$.guardrails.x.cap", "only means"),
        ({"guardrails": {"x": {"survey": "s"}}}, "$.guardrails.x", "`scale: 1..5`"),
        ({"guardrails": {"x": {"rate": "a / b", "goal": "+3%"}}}, "$.guardrails.x.goal", "known:"),
        ({"guardrails": {"tickets": {"rate": "a / b"}}}, "$.goals.tickets", "name of its own"),
        ({"goals": {"x": {"mean": "a_s"}}}, "$.goals.x", "goal: +30%"),
        (
            {"goals": {"x": {"survey": "s", "scale": "1..5", "baseline": 6, "goal": "+3%"}}},
            "$.goals.x.baseline",
            "scale",
        ),
        ({"when": {"harm": "rolback"}}, "$.when.harm", "did you mean `rollback`?"),
        ({"when": {"too_long": "hold"}}, "$.when.too_long", "known:"),
        ({"when": {"flag_fails": "off"}}, "$.when.flag_fails", "redeploy"),
        ({"mode": "off"}, "$.mode", "known: act, observe, recommend"),
        ({"variants": {"control": "on"}}, "$.variants", "treatment: on"),
        ({"variants": {"control": False}}, "$.variants.control", "begin with a letter"),
        ({"users": "20k"}, "$.users", "digits only"),
        ({"users": True}, "$.users", "digits only"),
        ({"holdout": {"share": "2%"}}, "$.holdout", "for: 60d"),
        ({"deploy": {"to": {"directry": "x"}}}, "$.deploy.to", "directory"),
        ({"build": {"run": [], "keep": "dist"}}, "$.build.run", "at least one"),
        ({"build": {"run": "x", "keep": "d", "budgets": [{"files": "x"}]}}, "$.build.budgets[0]", "growth"),
        ({"probes": {"x": {"every": "10s"}}}, "$.probes.x", "`url` or `run`"),
        ({"probes": {"x": {"url": "ftp://x"}}}, "$.probes.x.url", "http://"),
        ({"odd key": 1}, "$['odd key']", "known:"),
    ],
)
def test_each_mistake_names_its_path_and_what_to_write(change: dict[str, Any], path: str, hint: str) -> None:
    error = refusal_of(data_with(**change))
    assert error.path == path
    assert hint in error.hint


@pytest.mark.parametrize("data", [None, [], "text", 3])
def test_a_file_that_is_no_mapping_is_refused(data: Any) -> None:
    assert refusal_of(data).path == "$"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def assert_answered(data: Any) -> None:
    answer: Plan | PlanError
    try:
        answer = plan_from_data(data)
    except PlanError as error:
        answer = error
    assert isinstance(answer, Plan) or (answer.hint and answer.path)


@given(key=st.sampled_from(PLAN_KEYS), value=JUNK)
def test_whatever_a_file_holds_the_answer_is_a_plan_or_a_plan_error(key: str, value: Any) -> None:
    assert_answered(data_with(**{key: value}))


@given(st.data())
def test_whatever_stands_inside_a_plan_the_answer_is_a_plan_or_a_plan_error(data: st.DataObject) -> None:
    document = data_with()
    place: Any = document
    for _ in range(data.draw(st.integers(1, 4))):
        keys = list(range(len(place))) if isinstance(place, list) else list(place)
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key]:
            break
        place = place[key]
    keys = list(range(len(place))) if isinstance(place, list) else list(place)
    place[data.draw(st.sampled_from(keys))] = data.draw(JUNK)
    assert_answered(document)
