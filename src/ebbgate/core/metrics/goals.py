"""Where a goal stands (RULES E6): superior to control x (1 + goal), at the end. Goals never gate a phase."""

from ebbgate.core.metrics.analysis import GoalAnalysis, GoalStanding
from ebbgate.core.metrics.definition import Goal
from ebbgate.core.metrics.evidence import goal_guardrail
from ebbgate.core.metrics.evidence_change import measure
from ebbgate.core.metrics.evidence_types import MetricEvidence
from ebbgate.core.metrics.judge import MIN_UNITS, units_wanted


def judge_goal(
    goal: Goal, evidence: MetricEvidence, *, phase: int, alpha: float = 0.05, min_n: int = MIN_UNITS
) -> GoalAnalysis:
    """Met: the interval of treatment / control - 1 lies wholly beyond the target; missed: wholly short of it; else
    unknown.

    phase: the last one with two random arms; earlier phases are not pooled in (RULES D1). alpha: chance of ever
    missing the true change, in (0, 0.5); divide it by the number of goals where any one of them is to count as success.
    """
    guardrail = goal_guardrail(goal)
    change = measure(guardrail, evidence, phase=phase, alpha=alpha)
    interval = change.relative_interval
    standing = GoalStanding.UNKNOWN
    smaller, needed = min(change.treatment_n, change.control_n), units_wanted(guardrail, min_n)
    if interval is not None and smaller >= needed:
        standing = _standing(goal.change, *interval)
    return GoalAnalysis(
        metric=goal.metric.name,
        standing=standing,
        target=goal.change,
        estimate=change.relative,
        interval=interval,
        treatment_n=change.treatment_n,
        control_n=change.control_n,
        words=_words(goal, standing, change.relative, interval, smaller, needed),
    )


def _standing(target: float, low: float, high: float) -> GoalStanding:
    if target < 0:
        low, high, target = -high, -low, -target
    if low > target:
        return GoalStanding.MET
    return GoalStanding.MISSED if high < target else GoalStanding.UNKNOWN


def _words(
    goal: Goal,
    standing: GoalStanding,
    estimate: float | None,
    interval: tuple[float, float] | None,
    smaller: int,
    needed: int,
) -> str:
    name, target = goal.metric.name, f"{goal.change:+.0%}"
    if smaller < needed:
        return f"{name}: {smaller:,} units in the smaller arm, and {needed:,} are needed; the goal is {target}"
    if estimate is None or interval is None:
        return f"{name} cannot be compared with its goal of {target} yet"
    seen = f"{estimate:+.1%} [{interval[0]:+.1%}, {interval[1]:+.1%}]"
    said = {"met": "meets", "missed": "misses", "unknown": "neither meets nor misses"}[standing.value]
    return f"{name} {said} its goal of {target}: {seen}"
