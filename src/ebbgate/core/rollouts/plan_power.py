"""What a plan can find out before it starts: which guardrail can be answered in which phase (RULES E7), and which
absolute limit can be tested (RULES G3)."""

from math import ceil

import msgspec

from ebbgate.core.metrics.definition import Guardrail, Margin, MetricKind
from ebbgate.core.metrics.power import POWER, margin_reachable, units_needed
from ebbgate.core.metrics.units import SHARES
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_power_arms import (
    days_for,
    expected_arms,
    observed_units,
    phase_length,
    value_and_spread,
)
from ebbgate.core.rollouts.plan_power_goals import goal_cells
from ebbgate.core.rollouts.plan_power_limits import limit_cells
from ebbgate.core.rollouts.plan_power_types import Answer, Arms, GoalCell, LimitCell, PowerCell, PowerTable
from ebbgate.core.rollouts.traffic import Traffic, given_traffic
from ebbgate.core.rollouts.values import percent_text
from ebbgate.core.rollouts.values_quantities import margin_text

__all__ = [
    "Answer",
    "Arms",
    "GoalCell",
    "LimitCell",
    "PowerCell",
    "PowerTable",
    "expected_arms",
    "margin_words",
    "needs_baseline",
    "power",
]

_GIVEN = (
    "`users` are the units active on a day; people who return count once, so a stay beyond a day adds nobody.",
    "Every active unit gives every metric one observation; where fewer do, fewer units count.",
)
_GIVEN_NEW = (
    "`users` are the units active on a day, and each later day adds the given number who had not come before.",
    _GIVEN[1],
)
_MEASURED = (
    "Users, returning users, values, spreads and the share of users with an observation are those of past days.",
    "Beyond the days that were read, nobody new is counted on.",
)
_ASSUMPTIONS = (
    "Units whose window closes after the phase's longest stay do not count.",
    "A named audience without a `share` is taken to fill its phase's exposure, or to be empty where `random` joins it.",
)


def power(plan: Plan, traffic: Traffic | None = None) -> PowerTable:
    """The whole table. Pure; the same bounds as the ones that will judge. traffic: of past days, or given; by default
    the plan's `users`, of whom a later day brings nobody new.
    """
    arms = expected_arms(plan)
    people = traffic if traffic is not None else given_traffic(plan.users) if plan.users is not None else None
    cells = tuple(
        _cell(plan, guardrail, index, arms[index], people)
        for guardrail in plan.guardrails
        for index in range(len(plan.phases))
    )
    known = _MEASURED if people is not None and people.metrics else _GIVEN
    known = _GIVEN_NEW if people is not None and not people.metrics and len(people.reach) > 1 else known
    return PowerTable(
        users=None if people is None else round(people.units_a_day),
        power=POWER,
        guardrails=cells,
        limits=limit_cells(plan, arms, people),
        goals=goal_cells(plan, arms, people),
        assumptions=(*known, *_unseen(plan, people), *_excluded(plan), *_ASSUMPTIONS),
        traffic=people,
    )


def _cell(plan: Plan, guardrail: Guardrail, index: int, arms: Arms, people: Traffic | None) -> PowerCell:
    phase, metric = plan.phases[index], guardrail.metric
    cell = PowerCell(guardrail=metric.name, phase=phase.name, phase_index=index, answer=Answer.NOT_APPLICABLE, why="")
    if not metric.is_of_events:
        return msgspec.structs.replace(cell, why="it does not come from users' events, so units do not count")
    if not arms.is_contrast:
        why = "everybody is exposed" if phase.exposure >= 1 else "nobody is drawn at random in this phase"
        return msgspec.structs.replace(cell, why=f"{why}: there is nothing to compare with")
    if guardrail.worse_by is None:
        return msgspec.structs.replace(cell, why="it has no `worse_by`, so it gates no phase")
    if people is None:
        return msgspec.structs.replace(cell, answer=Answer.UNKNOWN, why="the plan does not say its `users`")
    length = phase_length(plan, index)
    treatment, control = (observed_units(people, share, metric, length) for share in (arms.treatment, arms.control))
    cell = msgspec.structs.replace(cell, treatment_units=treatment, control_units=control)
    baseline, spread = value_and_spread(people, metric, guardrail.baseline)
    if needs_baseline(guardrail) and baseline is None:
        return msgspec.structs.replace(cell, answer=Answer.UNKNOWN, why="it has no `baseline`")
    return _answered(plan, guardrail, cell, arms, people, baseline=baseline, spread=spread)


def _answered(
    plan: Plan,
    guardrail: Guardrail,
    cell: PowerCell,
    arms: Arms,
    people: Traffic,
    *,
    baseline: float | None,
    spread: float | None,
) -> PowerCell:
    allocation = arms.treatment / (arms.treatment + arms.control)
    needed = units_needed(guardrail, allocation=allocation, baseline=baseline, spread=spread, min_n=plan.min_units)
    reach = margin_reachable(
        guardrail,
        treatment_n=cell.treatment_units,
        control_n=cell.control_units,
        min_n=plan.min_units,
        baseline=baseline,
        spread=spread,
    )
    is_enough = needed is not None and cell.treatment_units >= needed.treatment
    asked = margin_words(guardrail, guardrail.worse_by)
    smallest = _as_margin(guardrail, reach)
    if is_enough:
        why = f"{cell.treatment_units:,} new units, {needed.treatment:,} prove {asked}" if needed else ""
    elif needed is None:
        why = f"no number of units proves {asked} here"
    else:
        least = f"; they prove {margin_words(guardrail, smallest)} at best" if smallest else ""
        why = f"{cell.treatment_units:,} new units, but {needed.treatment:,} are needed to prove {asked}{least}"
    return msgspec.structs.replace(
        cell,
        answer=Answer.YES if is_enough else Answer.NO,
        why=why,
        needed_units=needed.treatment if needed else None,
        needed_days=days_for(people, arms.treatment, guardrail.metric, needed.treatment) if needed else None,
        smallest_margin=smallest,
    )


def _unseen(plan: Plan, people: Traffic | None) -> tuple[str, ...]:
    """Metrics that the past days have not one observation of."""
    if people is None or not people.metrics:
        return ()
    metrics = [guardrail.metric for guardrail in plan.guardrails] + [goal.metric for goal in plan.goals]
    missing = [metric.name for metric in metrics if metric.is_of_events and metric.name not in people.metrics]
    return (f"Past days have nothing of {', '.join(missing)}: taken as the plan says it.",) if missing else ()


def _excluded(plan: Plan) -> tuple[str, ...]:
    """How many of the users are no units of the comparison."""
    if not plan.exclude:
        return ()
    unsized = [audience.name for audience in plan.excluded if audience.share is None]
    more = f"; {', '.join(unsized)}, without a `share`, is taken to be empty" if unsized else ""
    return (f"Excluded audiences ({percent_text(plan.excluded_share)} of the users) are not compared{more}.",)


def needs_baseline(guardrail: Guardrail) -> bool:
    """Whether power cannot be told without a baseline that the plan does not give."""
    relative = guardrail.worse_by is not None and guardrail.worse_by.absolute is None
    is_free = guardrail.metric.kind is MetricKind.QUANTILE and relative
    return guardrail.baseline is None and not is_free


def _as_margin(guardrail: Guardrail, reach: float | None) -> Margin | None:
    if reach is None or guardrail.worse_by is None:
        return None
    return Margin(absolute=reach) if guardrail.worse_by.absolute is not None else Margin(relative=reach)


def margin_words(guardrail: Guardrail, margin: Margin | None) -> str:
    """A margin as a plan writes it. Rounded up to what a plan can write, so that what is shown can be proven."""
    assert margin is not None
    size = 4 if margin.absolute is not None and guardrail.metric.kind not in SHARES else 5
    rounded = msgspec.structs.replace(
        margin,
        relative=None if margin.relative is None else ceil(margin.relative * 1_000 - 1e-9) / 1_000,
        absolute=None if margin.absolute is None else ceil(margin.absolute * 10**size - 1e-6) / 10**size,
    )
    return margin_text(rounded, event=guardrail.metric.event, kind=guardrail.metric.kind)
