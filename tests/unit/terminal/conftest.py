"""A rollout's view as the API gives it, and its rendering as plain text."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from rich.console import Console

from ebbgate.core.metrics import (
    Analysis,
    Direction,
    GoalAnalysis,
    GoalStanding,
    HarmBy,
    LimitAnalysis,
    LimitStanding,
    Metric,
    MetricKind,
    SampleRatio,
    Verdict,
)
from ebbgate.core.rollouts.plan import Mode
from ebbgate.core.rollouts.state import RollbackOutcome, RollbackState, RollbackStep, Status
from ebbgate.core.rollouts.view import EvaluatorsView, PhaseView, PushView, RolloutView, Rung
from ebbgate.terminal import render_view
from ebbgate.testing.rollouts import ERRORS, NOON, hours

API_TIME = Metric(
    name="api_time",
    kind=MetricKind.QUANTILE,
    event="api_ms",
    quantile=0.95,
    bad=Direction.INCREASE,
    harm=HarmBy.DISTRIBUTION,
    window=hours(1),
    lateness=timedelta(minutes=5),
)
CLICKS = msgspec.structs.replace(
    API_TIME, name="clicks", kind=MetricKind.RATIO, event="click", trial="view", quantile=None, bad=Direction.DECREASE
)


def a_phase(name: str, exposure: float, rung: Rung, **changes: Any) -> PhaseView:
    fields = {"who": ("random",), "why": "", "stay_min": hours(24), "stay_max": hours(48)}
    return PhaseView(name=name, exposure=exposure, rung=rung, **{**fields, **changes})


PHASES = (
    a_phase("internal", 0.05, Rung.DONE, entered_at=NOON - hours(24)),
    a_phase("early", 0.2, Rung.CURRENT, entered_at=NOON),
    a_phase("broad", 0.5, Rung.UPCOMING),
    a_phase("full", 1.0, Rung.UPCOMING),
)
ANALYSES = (
    Analysis(
        metric="errors",
        verdict=Verdict.SAFE,
        why="proven",
        words="errors: safe",
        treatment_n=1512,
        control_n=6900,
        control_value=0.0102,
        treatment_value=0.0105,
        estimate=0.0003,
        interval=(-0.002, 0.003),
        margin=0.005,
        newest_at=NOON + hours(53),
        limits=(
            LimitAnalysis(
                metric="errors",
                function="apply_all",
                limit=0.05,
                is_critical=True,
                standing=LimitStanding.WITHIN,
                attributable=True,
                treatment_n=900,
                treatment_share=0.01,
                control_share=0.01,
                log_e=0.0,
                threshold=4.6,
            ),
        ),
    ),
    Analysis(
        metric="api_time",
        verdict=Verdict.UNDECIDED,
        why="not_proven",
        words="api_time: not proven yet",
        treatment_n=1510,
        control_n=6890,
        control_value=1240.0,
        treatment_value=1262.5,
        estimate=22.5,
        interval=(-104.0, 151.0),
        margin=248.0,
        newest_at=NOON + hours(53.5),
    ),
)
GOAL = GoalAnalysis(
    metric="clicks",
    standing=GoalStanding.UNKNOWN,
    target=0.5,
    estimate=0.12,
    interval=(-0.031, 0.28),
    treatment_n=1500,
    control_n=6800,
)


@pytest.fixture
def a_view() -> Callable[..., RolloutView]:
    """A rollout in its second phase, 2d06h after it began; keyword arguments change it."""

    def build(**changes: Any) -> RolloutView:
        fields: dict[str, Any] = {
            "id": "newWidgets-1",
            "app": "dashboard",
            "flag": "newWidgets",
            "release": "v1.4.0",
            "environment": "production",
            "status": Status.RUNNING,
            "mode": Mode.ACT,
            "attempt": 1,
            "overlay": None,
            "created_at": NOON - hours(24),
            "now": NOON + hours(54),
            "phase": "early",
            "phases": PHASES,
            "sentence": "No harm seen. Next: 50% in 18h unless a guardrail turns.",
            "looks": 78,
            "revision": 4,
            "metrics": (ERRORS.metric, API_TIME, CLICKS),
            "analyses": ANALYSES,
            "goals": (GOAL,),
            "sample_ratio": SampleRatio(log_e=0.1, fired=False, treatment=1512, control=6900, expected_share=0.158),
            "exposed_share": 0.186,
            "exposed_units": 1712,
            "evaluators": EvaluatorsView(confirmed=41, expected=41, unproven=3),
        }
        return RolloutView(**{**fields, **changes})

    return build


@pytest.fixture
def taken_back(a_view: Callable[..., RolloutView]) -> Callable[..., RolloutView]:
    """The same rollout after its rollback; keyword arguments change the rollback."""

    def build(**changes: Any) -> RolloutView:
        fields: dict[str, Any] = {
            "reason": "harm on errors: 7.1% instead of 1.0%",
            "actor": "ebbgate",
            "step": RollbackStep.DONE,
            "started_at": NOON + hours(50),
            "off_version": 9,
            "off_at": NOON,
            "propagation_deadline_at": NOON + timedelta(seconds=60),
            "confirmed": 41,
            "expected": 41,
            "unproven": 0,
            "outcome": RollbackOutcome.RECOVERED,
            "outcome_reason": "every metric is back",
        }
        phases = (PHASES[0], a_phase("early", 0.2, Rung.STOPPED, entered_at=NOON), *PHASES[2:])
        return a_view(
            status=Status.ROLLED_BACK,
            phases=phases,
            sentence="Taken back, recovered: every metric is back",
            ended_at=NOON + hours(54),
            rollback=RollbackState(**{**fields, **changes}),
            push=PushView(confirmed=41, ms_p50=12.3, ms_p99=48.0, ms_max=51.0),
        )

    return build


@pytest.fixture
def drawn() -> Callable[..., str]:
    """The picture of a view, without colour, as a terminal of that width shows it."""

    def draw(view: RolloutView, width: int = 120) -> str:
        console = Console(width=width, color_system=None, force_terminal=False, legacy_windows=False)
        with console.capture() as capture:
            console.print(render_view(view, width=width))
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    return draw
