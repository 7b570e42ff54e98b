"""What to change in a plan so that a guardrail can be answered (RULES E7): each change alone would do."""

from math import ceil

import msgspec

from ebbgate.core.metrics.definition import Guardrail
from ebbgate.core.metrics.power import margin_reachable
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_power import margin_words
from ebbgate.core.rollouts.plan_power_arms import expected_arms, observed_units, phase_length, value_and_spread
from ebbgate.core.rollouts.plan_power_types import Answer, PowerCell, PowerTable

_STEP = 0.01  # of exposure
_EXPOSURE_MOST = 0.9  # beyond it hardly anybody is left to compare with


def with_changes(plan: Plan, table: PowerTable) -> PowerTable:
    """The table of the same plan, with what to change for each answer that is no."""
    by_name = {guardrail.metric.name: guardrail for guardrail in plan.guardrails}
    cells = tuple(
        msgspec.structs.replace(cell, changes=_changes(plan, table, by_name[cell.guardrail], cell))
        if cell.answer is Answer.NO
        else cell
        for cell in table.guardrails
    )
    return msgspec.structs.replace(table, guardrails=cells)


def _changes(plan: Plan, table: PowerTable, guardrail: Guardrail, cell: PowerCell) -> tuple[str, ...]:
    found = []
    if cell.smallest_margin is not None:
        found.append(f"worse_by: {margin_words(guardrail, cell.smallest_margin)}")
    if cell.needed_days is not None:
        found.append(f"stay up to {ceil(cell.needed_days * 10) / 10:g}d")
    if (exposure := _exposure(plan, table, guardrail, cell)) is not None:
        found.append(f"to: {exposure:.0%} in {cell.phase}")
    if not found and not plan.phases[cell.phase_index].early:
        found.append("early: true, and prove it in a later phase")
    return tuple(found)


def _exposure(plan: Plan, table: PowerTable, guardrail: Guardrail, cell: PowerCell) -> float | None:
    """The least exposure of the phase, short of the next one's, with which the answer is yes."""
    index = cell.phase_index
    later = plan.phases[index + 1].exposure if index + 1 < len(plan.phases) else 1.0
    most = min(later - _STEP, _EXPOSURE_MOST)
    low, high = round(plan.phases[index].exposure / _STEP), round(most / _STEP)
    if high <= low or not _is_answered(plan, table, guardrail, index, high * _STEP):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_answered(plan, table, guardrail, index, middle * _STEP) else (middle, high)
    return high * _STEP


def _is_answered(plan: Plan, table: PowerTable, guardrail: Guardrail, index: int, exposure: float) -> bool:
    phases = list(plan.phases)
    phases[index] = msgspec.structs.replace(phases[index], exposure=exposure)
    wider = msgspec.structs.replace(plan, phases=tuple(phases))
    arms, people = expected_arms(wider)[index], table.traffic
    if people is None or guardrail.worse_by is None or not arms.is_contrast:
        return False
    length = phase_length(wider, index)
    sizes = [observed_units(people, share, guardrail.metric, length) for share in (arms.treatment, arms.control)]
    baseline, spread = value_and_spread(people, guardrail.metric, guardrail.baseline)
    reach = margin_reachable(
        guardrail, treatment_n=sizes[0], control_n=sizes[1], baseline=baseline, spread=spread, min_n=plan.min_units
    )
    asked = guardrail.worse_by.absolute or guardrail.worse_by.relative or 0.0
    return reach is not None and reach <= asked
