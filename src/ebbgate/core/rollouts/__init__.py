"""Rollouts: the plan, its phases, the state and what is decided."""

from ebbgate.core.rollouts.plan_file import plan_from_data
from ebbgate.core.rollouts.plan_lint import lint_plan
from ebbgate.core.rollouts.plan_lint_finding import Finding, Level
from ebbgate.core.rollouts.plan_power import PowerTable, power
from ebbgate.core.rollouts.plan_show import PlanView, show_plan
from ebbgate.core.rollouts.plan_template import init_template, node_snippet, python_snippet

__all__ = [
    "Finding",
    "Level",
    "PlanView",
    "PowerTable",
    "init_template",
    "lint_plan",
    "node_snippet",
    "plan_from_data",
    "power",
    "python_snippet",
    "show_plan",
]
