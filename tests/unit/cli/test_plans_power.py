"""What `plan power` prints: every number with what it is of (RULES E7)."""

from collections.abc import Callable

import pytest
from rich.console import Console, Group

from ebbgate.cli.plans_power import power_lines
from ebbgate.core.rollouts import power
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_file import plan_from_data
from ebbgate.core.rollouts.traffic import MetricTraffic, Traffic

DAYS = Traffic(
    days=2,
    units_a_day=900.0,
    reach=(900.0, 1000.0),
    metrics={
        "errors": MetricTraffic(n=900, share=0.9, value=0.05),
        "api_time": MetricTraffic(n=900, share=0.9, value=1240.0, spread=0.6),
        "dwell": MetricTraffic(n=900, share=0.9, value=26.5, spread=8.06),
        "tickets": MetricTraffic(n=900, share=0.9, value=0.2, spread=2.0),
    },
)


@pytest.fixture
def plan() -> Plan:
    return plan_from_data(
        {
            "app": "shop",
            "flag": "newWidgets",
            "phases": [{"to": "20%", "stay": "1d..2d"}, {"to": "100%", "watch": "9d"}],
            "guardrails": {
                "errors": {"rate": "api_error / api_request", "worse_by": "1pp", "limit": "5%"},
                "api_time": {"p95": "api_ms", "worse_by": "10%", "limit": "1s"},
                "dwell": {"mean": "dwell_s", "worse_by": "10%", "bad": "decrease"},
                "tickets": {"count": "ticket", "worse_by": "50%", "limit": "3"},
            },
        }
    )


@pytest.fixture
def printed(plan: Plan) -> Callable[[Traffic], str]:
    def draw(traffic: Traffic) -> str:
        console = Console(width=110, color_system=None, force_terminal=False)
        metrics = {metric.name: metric for metric in plan.metrics}
        with console.capture() as capture:
            console.print(Group(*power_lines(power(plan, traffic), metrics)))
        return capture.get()

    return draw


def test_limits_are_told_in_the_units_that_the_plan_writes(printed: Callable[[Traffic], str]) -> None:
    few = Traffic(days=1, units_a_day=20.0, reach=(20.0,))
    lines = [line for line in printed(few).splitlines() if line.startswith("! limit")]
    assert [line.split(" needs ")[0] for line in lines] == [
        "! limit 5% of errors",
        "! limit 1s of api_time",
        "! limit 3 per user of tickets",
    ]


def test_values_of_past_days_have_their_units_and_spreads_say_what_they_are_of(
    printed: Callable[[Traffic], str],
) -> None:
    picture = printed(DAYS)
    rows = {line.split()[0]: " ".join(line.split()[3:]) for line in picture.splitlines() if " 90% " in line}
    assert rows == {
        "errors": "5.00% –",
        "api_time": "1,240 ms ×1.82",
        "dwell": "26.50 s ±806%",
        "tickets": "0.2 per user ±200%",
    }
    assert "± as a share of the value, × as a factor" in picture
