"""Builders of plans, rollouts and analyses for tests and simulations: `a_rollout(phase=2)`."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ebbgate.core.metrics.analysis import Analysis, LimitAnalysis, LimitStanding, SampleRatio, Verdict
from ebbgate.core.metrics.definition import CriticalLimit, Direction, Guardrail, HarmBy, Margin, Metric, MetricKind
from ebbgate.core.rollouts.health import Health
from ebbgate.core.rollouts.plan import Audience, Mode, Phase, Plan
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.core.rollouts.steps import advance, begin

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def hours(n: float) -> timedelta:
    return timedelta(hours=n)


ERRORS = Guardrail(
    metric=Metric(
        name="errors",
        kind=MetricKind.RATE,
        event="api_error",
        trial="api_request",
        bad=Direction.INCREASE,
        harm=HarmBy.MEAN,
        window=hours(1),
        lateness=timedelta(minutes=5),
    ),
    worse_by=Margin(absolute=0.005),
    critical=CriticalLimit(value=0.05, sustained=timedelta(minutes=5)),
    baseline=0.01,
)


def a_plan(**changes: Any) -> Plan:
    plan = Plan(
        app="dashboard",
        flag="newWidgets",
        commander="devops-lead",
        audiences=(Audience(name="internal", rule={"ends_with": [{"var": "email"}, "@example.com"]}),),
        phases=(
            Phase(name="internal", exposure=0.05, who=("internal",), stay_min=hours(24), stay_max=hours(48)),
            Phase(name="early", exposure=0.2, who=("random",), stay_min=hours(72), stay_max=hours(120)),
            Phase(name="broad", exposure=0.5, who=("random",), stay_min=hours(120), stay_max=hours(168)),
            Phase(name="full", exposure=1.0, who=("everyone",), stay_min=hours(0)),
        ),
        guardrails=(ERRORS,),
        watch=timedelta(days=30),
    )
    return msgspec.structs.replace(plan, **changes)


def a_rollout(*, phase: int = 1, plan: Plan | None = None, mode: Mode = Mode.ACT, **changes: Any) -> RolloutState:
    """A rollout whose current phase began at NOON."""
    draft = RolloutState(
        id="newWidgets-1",
        lineage="newWidgets-1",
        attempt=1,
        release="v1.4.0",
        plan=plan or a_plan(),
        mode=mode,
        status=Status.DRAFT,
        created_at=NOON,
    )
    state = begin(draft, snapshot_version=1, now=NOON)
    for index in range(phase):
        state = advance(state, snapshot_version=2 + index, measured_attribute_share=0.0, now=NOON, reason="safe")
    return msgspec.structs.replace(state, **changes)


def an_analysis(verdict: Verdict = Verdict.SAFE, **changes: Any) -> Analysis:
    fields: dict[str, Any] = {"metric": "errors", "verdict": verdict, "why": "", "words": f"errors: {verdict.value}"}
    return Analysis(**{**fields, **changes})


def a_breach(**changes: Any) -> LimitAnalysis:
    fields: dict[str, Any] = {
        "metric": "errors",
        "function": "",
        "limit": 0.05,
        "is_critical": True,
        "standing": LimitStanding.BREACHED,
        "attributable": True,
        "treatment_n": 120,
        "treatment_share": 0.08,
        "control_share": 0.01,
        "log_e": 9.0,
        "threshold": 4.6,
    }
    return LimitAnalysis(**{**fields, **changes})


def good_health(**changes: Any) -> Health:
    ratio = SampleRatio(log_e=0.0, fired=False, treatment=1500, control=8000, expected_share=0.158)
    return Health(**{"sample_ratio": ratio, "stale_for": timedelta(seconds=1), "active_units": 9500, **changes})
