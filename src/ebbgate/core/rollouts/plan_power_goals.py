"""Which goal can be decided, and how far the truth must lie beyond it (RULES E6, E7)."""

from collections.abc import Callable

import msgspec

from ebbgate.core.metrics.definition import Goal
from ebbgate.core.metrics.power import goal_shown
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_power_arms import days_for, observed_units, phase_length, value_and_spread
from ebbgate.core.rollouts.plan_power_types import Answer, Arms, GoalCell
from ebbgate.core.rollouts.traffic import Traffic

FURTHER = 1.25
"""A goal is taken as answerable if a true change a quarter further than it would be shown."""

_MOST_UNITS = 10**9


def goal_cells(plan: Plan, arms: tuple[Arms, ...], people: Traffic | None) -> tuple[GoalCell, ...]:
    """One cell a goal, in the last phase that has two random arms; later ones have nothing to compare with."""
    contrasts = [index for index, arm in enumerate(arms) if arm.is_contrast]
    if not contrasts:
        return ()
    return tuple(_cell(plan, goal, contrasts[-1], arms[contrasts[-1]], people) for goal in plan.goals)


def _cell(plan: Plan, goal: Goal, index: int, arms: Arms, people: Traffic | None) -> GoalCell:
    metric = goal.metric
    cell = GoalCell(
        goal=metric.name,
        phase=plan.phases[index].name,
        phase_index=index,
        target=goal.change,
        answer=Answer.UNKNOWN,
        why="the plan does not say its `users`",
    )
    if people is None:
        return cell
    if not metric.is_of_events:
        return msgspec.structs.replace(cell, why="it does not come from users' events, so units do not count")
    length = phase_length(plan, index)
    treatment, control = (observed_units(people, share, metric, length) for share in (arms.treatment, arms.control))
    baseline, spread = value_and_spread(people, metric, goal.baseline)
    cell = msgspec.structs.replace(cell, treatment_units=treatment, control_units=control)
    if baseline is None and metric.quantile is None:
        return msgspec.structs.replace(cell, why="it has no `baseline`")

    def shown(treatment_n: int, control_n: int) -> float | None:
        return goal_shown(
            goal,
            treatment_n=treatment_n,
            control_n=control_n,
            baseline=baseline,
            spread=spread,
            min_n=plan.min_units,
        )

    further = FURTHER * goal.change
    least = shown(treatment, control)
    ratio = arms.control / arms.treatment
    needed = _units(lambda n: shown(n, int(n * ratio)), further)
    is_enough = needed is not None and treatment >= needed
    return msgspec.structs.replace(
        cell,
        answer=Answer.YES if is_enough else Answer.NO,
        why=_why(goal, treatment, needed, least, further),
        shown_change=least,
        further=further,
        needed_units=needed,
        needed_days=days_for(people, arms.treatment, metric, needed) if needed is not None else None,
    )


def _units(shown: Callable[[int], float | None], further: float) -> int | None:
    """The fewest units of the treatment with which a true change of `further` is shown."""

    def is_shown(units: int) -> bool:
        least = shown(units)
        return least is not None and abs(least) <= abs(further)

    low, high = 0, 64
    while not is_shown(high):
        low, high = high, high * 2
        if high > _MOST_UNITS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_shown(middle) else (middle, high)
    return high


def _why(goal: Goal, treatment: int, needed: int | None, least: float | None, further: float) -> str:
    units = f"{treatment:,} new units"
    if least is None:
        shown = f"{units} cannot show that {goal.change:+.0%} is met"
    else:
        shown = f"with {units} a true change of {least:+.1%} is shown to meet {goal.change:+.0%}"
    if needed is None:
        return f"{shown}; a true {further:+.1%} never is"
    return f"{shown}; a true {further:+.1%} needs {needed:,}"
