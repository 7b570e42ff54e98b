"""What a plan says that cannot work, or that its reader may not expect."""

from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_lint_finding import Finding, Level
from ebbgate.core.rollouts.plan_lint_metrics import lint_answers, lint_goals, lint_guardrails
from ebbgate.core.rollouts.plan_lint_phases import lint_clocks, lint_people, lint_phases


def lint_plan(plan: Plan) -> list[Finding]:
    """Every finding, errors first. A plan with an error must not be started; one without warnings keeps its promises
    as far as can be told beforehand."""
    findings = [
        *lint_phases(plan),
        *lint_people(plan),
        *lint_guardrails(plan),
        *lint_goals(plan),
        *lint_answers(plan),
        *lint_clocks(plan),
    ]
    order = list(Level)
    return sorted(findings, key=lambda finding: order.index(finding.level))
