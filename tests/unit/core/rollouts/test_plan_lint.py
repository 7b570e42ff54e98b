"""What lint says, and that it says nothing about a plan that works."""

from copy import deepcopy
from typing import Any

import msgspec
import pytest

from ebbgate.core.rollouts import init_template, lint_plan, node_snippet, plan_from_data, python_snippet, show_plan
from ebbgate.core.rollouts.plan_lint_finding import Finding, Level

DATA: dict[str, Any] = {
    "app": "shop",
    "flag": "newWidgets",
    "commander": "devops",
    "mode": "act",
    "users": 50_000,
    "phases": [{"to": "20%", "stay": "1d..3d"}, {"to": "50%", "stay": "1d..3d"}, {"to": "100%", "watch": "30d"}],
    "guardrails": {
        "errors": {"rate": "api_error / api_request", "baseline": "1%", "worse_by": "1pp", "critical": "> 10% for 5m"},
        "api_time": {"p95": "api_ms", "worse_by": "20%", "limit": "1s", "critical": "> 5s for 3m"},
    },
    "goals": {"satisfaction": {"survey": "s", "scale": "1..5", "baseline": 2.4, "goal": "+60%"}},
}


def findings_of(**changes: Any) -> list[Finding]:
    return lint_plan(plan_from_data({**deepcopy(DATA), **changes}))


def changed(section: str, name: str, **changes: Any) -> dict[str, Any]:
    return {section: {**deepcopy(DATA[section]), name: {**DATA[section].get(name, {}), **changes}}}


def found(findings: list[Finding], path: str, level: Level) -> Finding:
    matching = [finding for finding in findings if finding.path == path and finding.level is level]
    assert matching, [(f.level.value, f.path, f.message) for f in findings]
    assert all(finding.hint for finding in matching)
    return matching[0]


def test_a_plan_that_works_has_neither_errors_nor_warnings() -> None:
    assert {finding.level for finding in findings_of()} == {Level.NOTE}


def test_a_goal_that_its_scale_cannot_reach_is_an_error() -> None:
    finding = found(
        findings_of(**changed("goals", "satisfaction", baseline=3.6)), "$.goals.satisfaction.goal", Level.ERROR
    )
    assert finding.message == "+60% from 3.6 is 5.76, and `satisfaction` ends at 5"
    assert finding.hint == "ask for less than +38.9%, or correct `baseline`"


def test_a_share_cannot_grow_beyond_everyone() -> None:
    goals = {"done": {"share": "a / b", "baseline": "80%", "goal": "+40%"}}
    assert "112%" in found(findings_of(goals=goals), "$.goals.done.goal", Level.ERROR).message


def test_a_goal_within_bounds_needs_a_baseline_to_be_told() -> None:
    goals = {"satisfaction": {"survey": "s", "scale": "1..5", "goal": "+60%"}}
    finding = found(findings_of(goals=goals), "$.goals.satisfaction", Level.WARNING)
    assert "below 3.125" in finding.hint


def test_phases_that_do_not_grow_are_an_error() -> None:
    phases = [{"to": "50%", "stay": "1d..3d"}, {"to": "50%", "stay": "1d..3d"}, {"to": "100%"}]
    found(findings_of(phases=phases), "$.phases[1].to", Level.ERROR)


def test_a_tick_longer_than_a_tenth_of_the_shortest_phase_is_an_error() -> None:
    """RULES A2."""
    assert "`tick: 2h24m`" in found(findings_of(tick="3h"), "$.tick", Level.ERROR).hint
    assert not [finding for finding in findings_of(tick="2h") if finding.path == "$.tick"]


def test_tolerating_nothing_is_said_aloud() -> None:
    """RULES E1."""
    assert "errors, api_time" in found(findings_of(), "$.guardrails", Level.NOTE).message


def test_an_absolute_tolerance_needs_a_baseline_where_the_test_compares_ratios() -> None:
    """RULES E1: a margin on rates is tested as it is, at any level."""
    load = {"latency": {"p95": "load_ms", "worse_by": "10%", "tolerate": "5ms"}}
    found(findings_of(guardrails=load), "$.guardrails.latency.tolerate", Level.ERROR)
    errors = {"errors": {"rate": "a / b", "worse_by": "10%", "tolerate": "0.1pp"}}
    assert not [f for f in findings_of(guardrails=errors) if f.path == "$.guardrails.errors.tolerate"]


def test_a_guardrail_without_a_margin_never_gates() -> None:
    guardrails = {"errors": {"rate": "a / b", "baseline": "1%"}}
    assert "gates no phase" in found(findings_of(guardrails=guardrails), "$.guardrails.errors", Level.WARNING).message


def test_a_guardrail_that_the_users_cannot_answer_is_a_warning_with_numbers() -> None:
    """RULES E7."""
    finding = found(findings_of(users=3_000), "$.guardrails.errors.worse_by", Level.WARNING)
    assert "600 new units, but" in finding.message
    assert "to prove 1pp; they prove" in finding.message


def test_an_early_phase_may_be_left_without_proof() -> None:
    """RULES E6."""
    phases = [{**phase, "early": True} for phase in DATA["phases"][:2]]
    findings = findings_of(users=3_000, phases=[*phases, DATA["phases"][2]])
    assert not [f for f in findings if f.path.endswith("worse_by") and f.level is Level.WARNING]
    found(findings, "$.guardrails.errors.worse_by", Level.NOTE)


def test_a_limit_that_cannot_be_tested_in_time_is_a_warning() -> None:
    """RULES G3."""
    messages = [f.message for f in findings_of(users=2_000) if f.path == "$.guardrails.api_time"]
    assert any("the limit 1s of `api_time` cannot be tested in `20%` (400 users)" in message for message in messages)


def test_without_users_nobody_can_tell() -> None:
    data = {key: value for key, value in DATA.items() if key != "users"}
    assert "users: 20000" in found(lint_plan(plan_from_data(data)), "$", Level.WARNING).hint


def test_a_phase_of_named_audiences_alone_compares_nothing() -> None:
    audiences = {"internal": {"role": "qa", "share": "3%"}}
    phases = [{"to": "5%", "who": "internal", "stay": "1d..2d"}, *DATA["phases"]]
    finding = found(findings_of(audiences=audiences, phases=phases), "$.phases[0].who", Level.NOTE)
    assert "draws nobody at random" in finding.message


def test_audiences_larger_than_their_phase_are_an_error() -> None:
    """RULES B1."""
    audiences = {"internal": {"role": "qa", "share": "8%"}}
    phases = [{"to": "5%", "who": "internal", "stay": "1d..2d"}, *DATA["phases"]]
    found(findings_of(audiences=audiences, phases=phases), "$.phases[0].to", Level.ERROR)


def test_an_excluded_audience_that_a_phase_exposes_is_an_error() -> None:
    audiences = {"bots": {"agent": "*bot*", "share": "4%"}, "internal": {"role": "qa", "share": "3%"}}
    phases = [{"to": "5%", "who": ["bots", "internal"], "stay": "1d..2d"}, *DATA["phases"]]
    finding = found(findings_of(audiences=audiences, phases=phases, exclude="bots"), "$.phases[0].who", Level.ERROR)
    assert finding.message == "phase `bots` exposes the audience `bots`, which is excluded"


def test_an_excluded_audience_is_used_and_its_size_is_asked_for() -> None:
    findings = findings_of(audiences={"bots": {"agent": "*bot*"}}, exclude=["bots"])
    assert {finding.level for finding in findings} == {Level.NOTE}
    assert "share: 5%" in found(findings, "$.audiences.bots", Level.NOTE).hint
    split = findings_of(audiences={"bots": {"agent": "*bot*", "share": "4%", "split": True}}, exclude=["bots"])
    found(split, "$.audiences.bots.split", Level.WARNING)


def test_a_plan_made_elsewhere_that_excludes_nobody_known_is_an_error() -> None:
    plan = msgspec.structs.replace(plan_from_data(DATA), exclude=("bots",))
    assert "bots" in found(lint_plan(plan), "$.exclude[0]", Level.ERROR).message


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"audiences": {"beta": "opt-in"}}, "$.audiences.beta"),
        ({"phases": [{"to": "20%", "stay": "1d..3d"}, {"to": "50%", "stay": "1d..3d"}]}, "$.phases[1].to"),
        ({"guardrails": {}}, "$.guardrails"),
        ({"when": {"harm": "review"}}, "$.when.harm"),
        (changed("guardrails", "errors", tolerate="2pp"), "$.guardrails.errors.tolerate"),
        (changed("guardrails", "api_time", limit="9s"), "$.guardrails.api_time.critical"),
    ],
)
def test_what_may_not_be_meant_is_a_warning(changes: dict[str, Any], path: str) -> None:
    found(findings_of(**changes), path, Level.WARNING)


def test_lint_says_which_clock_each_duration_is_on() -> None:
    """RULES A1."""
    messages = [finding.message for finding in findings_of()]
    assert any(message.startswith("on plan time: `stay`, `watch`") for message in messages)
    assert any(message.startswith("on machine time: `when.server_lost`") for message in messages)


def test_errors_come_first() -> None:
    levels = [finding.level for finding in findings_of(tick="3h", users=3_000)]
    assert levels == sorted(levels, key=list(Level).index)
    assert levels[0] is Level.ERROR


def test_a_plan_is_shown_in_sentences_with_what_an_overlay_changed() -> None:
    data = {**deepcopy(DATA), "overlays": {"demo": {"watch": "1d"}}, "audiences": {"bots": {"a": 1}}, "exclude": "bots"}
    view = show_plan(plan_from_data(data, overlay="demo"))
    text = "\n".join(view.lines)
    assert "shop rolls out the flag newWidgets from `off` to `on` in production." in text
    assert "Overlay `demo` changed:\n  $.phases[2].watch: 1d instead of 30d" in text
    assert "1. 20%: 20% of all active users, drawn at random, for 1d at least and 3d at most." in text
    assert "Critical: above 5s for 3m takes the version back." in text
    assert "from 2.4 to 3.84" in text
    assert "Excluded: bots; they get `off` until everybody has `on`, and are in no comparison and no limit." in text
    assert view.data["overlay"] == "demo"


def test_the_snippets_name_the_flag_and_are_programs() -> None:
    compile(python_snippet("newWidgets"), "snippet.py", "exec")
    assert "'newWidgets'" in node_snippet("newWidgets", url="http://127.0.0.1:1")
    assert "`${url}/v1/events`" in node_snippet("newWidgets")
    assert "app: shop\n" in init_template("shop", "newWidgets")


def test_a_lease_shorter_than_a_few_keepalives_is_a_warning() -> None:
    """RULES B7: the stream speaks every ten seconds; a shorter lease lapses beside a healthy server."""
    finding = found(findings_of(when={"server_lost": "off after 10s"}), "$.when.server_lost", Level.WARNING)
    assert "30s" in finding.hint
