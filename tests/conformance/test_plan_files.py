"""The published schema, the example and the template agree with the reader."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ebbgate.adapters.plans import read_data, read_plan
from ebbgate.core.rollouts import init_template, lint_plan
from ebbgate.core.rollouts.overlay import OVERLAY_KEYS
from ebbgate.core.rollouts.plan_file import PLAN_KEYS
from ebbgate.core.rollouts.plan_file_audiences import AUDIENCE_KEYS
from ebbgate.core.rollouts.plan_file_metrics import GOAL_KEYS, GUARDRAIL_KEYS, KINDS
from ebbgate.core.rollouts.plan_file_phases import PHASE_KEYS
from ebbgate.core.rollouts.plan_file_policy import (
    HOLDOUT_KEYS,
    PROBE_KEYS,
    VARIANT_KEYS,
    VERIFY_KEYS,
    WHEN_KEYS,
)
from ebbgate.core.rollouts.plan_file_release import (
    BUDGET_KEYS,
    BUILD_KEYS,
    DEPLOY_KEYS,
    DEPLOY_TARGETS,
    HEALTH_KEYS,
    VERSION_KEYS,
)
from ebbgate.core.rollouts.plan_lint_finding import Level
from ebbgate.doors.plan_schema import rendered

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "spec" / "plan.schema.json"
EXAMPLE = ROOT / "examples" / "widget-transformation" / "ebbgate.yaml"
TEMPLATE = init_template("my-app", "newWidgets")


@pytest.fixture
def schema() -> Any:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def test_the_committed_schema_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == rendered(), "run `make gen`"


def test_the_schema_is_a_schema_and_knows_every_key(schema: Any) -> None:
    Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(PLAN_KEYS)


def test_every_duration_says_which_clock_it_is_on(schema: Any) -> None:
    """RULES A1."""

    def durations(node: Any) -> list[str]:
        if isinstance(node, list):
            return [d for item in node for d in durations(item)]
        if not isinstance(node, dict):
            return []
        own = [node.get("description", "")] if "[wdhms]" in str(node.get("pattern", "")) else []
        return own + [d for value in node.values() for d in durations(value)]

    found = durations(schema)
    assert len(found) > 10
    assert all("lan time" in text or "achine time" in text for text in found), found


@pytest.mark.parametrize("text", [EXAMPLE.read_text(encoding="utf-8"), TEMPLATE], ids=["example", "template"])
def test_plans_that_we_publish_fit_the_schema_and_lint_clean(schema: Any, text: str) -> None:
    assert [e.message for e in Draft202012Validator(schema).iter_errors(read_data(text))] == []
    findings = lint_plan(read_plan(text))
    assert [finding for finding in findings if finding.level is not Level.NOTE] == []


def test_the_examples_demo_overlay_lints_clean_too() -> None:
    findings = lint_plan(read_plan(EXAMPLE.read_text(encoding="utf-8"), overlay="demo"))
    assert [finding for finding in findings if finding.level is not Level.NOTE] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("to: 20%", "to: 500%"),
        ("goal: +30%", "goal: +3O%"),
        ("stay: 3d..5d", "stay: -3d..5d"),
        ("commander:", "comander:"),
        ("worse_by: 1pp", "worse_than: 1pp"),
        ("harm: rollback", "harm: shrug"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(schema: Any, old: str, new: str) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert old in text
    assert list(Draft202012Validator(schema).iter_errors(read_data(text.replace(old, new, 1))))


def test_the_example_holds_the_whole_strategy() -> None:
    plan = read_plan(EXAMPLE.read_text(encoding="utf-8"))
    assert [phase.exposure for phase in plan.phases] == [0.05, 0.2, 0.5, 1.0]
    assert all(phase.why for phase in plan.phases)
    assert [phase.stay_min.days for phase in plan.phases[:3]] == [1, 3, 5]
    assert [phase.stay_max.days for phase in plan.phases[:3] if phase.stay_max] == [2, 5, 7]
    assert {goal.metric.name: goal.change for goal in plan.goals} == {
        "dashboard_time": 0.3,
        "clicks": 0.5,
        "completion": 0.4,
        "how_to_tickets": -0.25,
        "satisfaction": 0.6,
    }
    limits = {g.metric.name: (g.limit, g.critical.value if g.critical else None) for g in plan.guardrails}
    assert limits["load_time"] == (3_000.0, 10_000.0)
    assert limits["api_time"] == (1_000.0, 5_000.0)
    assert limits["memory"] == (100.0, None)
    assert limits["errors"] == (None, 0.05)
    assert plan.build is not None
    assert plan.build.run == ("npm install", "npm run build")
    assert plan.build.budgets[0].growth_bytes == 500_000
    assert {probe.name for probe in plan.probes} == {"outage", "data_corruption"}


def test_the_guide_documents_every_key() -> None:
    guide = (ROOT / "docs" / "guides" / "plan-file.md").read_text(encoding="utf-8")
    keys = {
        *(*PLAN_KEYS, *GUARDRAIL_KEYS, *GOAL_KEYS, *KINDS, *PHASE_KEYS, *AUDIENCE_KEYS, *OVERLAY_KEYS),
        *(*WHEN_KEYS, *VERIFY_KEYS, *PROBE_KEYS, *BUILD_KEYS, *BUDGET_KEYS, *DEPLOY_KEYS, *HOLDOUT_KEYS, *VARIANT_KEYS),
        *(*DEPLOY_TARGETS, *HEALTH_KEYS, *VERSION_KEYS),
    }
    code = " ".join(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", guide, flags=re.DOTALL)))
    assert {key for key in keys if not re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", code)} == set()
