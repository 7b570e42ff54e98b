"""Who is compared with whom in each phase, and how many of them will have come by when (RULES B1, D1, D4)."""

from datetime import timedelta
from math import floor

from ebbgate.core.metrics.definition import Metric
from ebbgate.core.rollouts.exposure import expected_attribute_share, hash_share_ppm
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_power_types import Arms
from ebbgate.core.rollouts.traffic import Traffic

_DAY = timedelta(days=1)


def expected_arms(plan: Plan) -> tuple[Arms, ...]:
    """The contrast of each phase, as shares of all active units, whether or not they are excluded (RULES B1, D1)."""
    result: list[Arms] = []
    named, previous = 0.0, 0
    for index, phase in enumerate(plan.phases):
        named = attribute_share(plan, index, named)
        opened = hash_share_ppm(phase, attribute_share=named, previous_ppm=previous)
        counted = 1 - plan.excluded_share  # exposure is a share of these alone
        drawn = counted * (1 - named) * (1 - plan.holdout) / 1_000_000
        result.append(
            Arms(
                treatment=(opened - previous) * drawn,
                control=(1_000_000 - opened) * drawn,
                exposed=min(1.0, counted * named + opened * drawn),
            )
        )
        previous = opened
    return tuple(result)


def attribute_share(plan: Plan, index: int, before: float) -> float:
    """Share of all active units exposed by attribute in a phase; before: in the one before it."""
    expected = expected_attribute_share(plan, index, before)
    phase = plan.phases[index]
    # Without a declared share, a phase of named audiences alone is taken at its word.
    return expected if phase.is_random or expected > before else max(before, phase.exposure)


def phase_length(plan: Plan, index: int) -> timedelta:
    """The longest that a phase lasts before somebody is asked."""
    phase = plan.phases[index]
    if index == len(plan.phases) - 1:
        return max(plan.watch, phase.stay_max or timedelta(0))
    return phase.stay_max if phase.stay_max is not None else phase.stay_min


def observed_units(people: Traffic, share: float, metric: Metric, length: timedelta) -> int:
    """Distinct units of this share of all whose observation is complete within the length."""
    observed = length - metric.window - metric.lateness
    seen = people.metrics.get(metric.name)
    share *= seen.share if seen is not None else 1.0
    return floor(people.distinct(observed / _DAY) * share + 1e-6)  # 0.15 * 20,000 is 3,000, whatever the floats say


def days_for(people: Traffic, share: float, metric: Metric, units: int) -> float | None:
    """Days of a phase until so many units of this share have their observation; None if they never do."""
    seen = people.metrics.get(metric.name)
    share *= seen.share if seen is not None else 1.0
    days = people.days_for(units / share) if share > 0 else None
    return None if days is None else days + (metric.window + metric.lateness) / _DAY


def value_and_spread(people: Traffic, metric: Metric, baseline: float | None) -> tuple[float | None, float | None]:
    """What the plan says, else what was measured."""
    seen = people.metrics.get(metric.name)
    if seen is None:
        return baseline, None
    return (baseline if baseline is not None else seen.value), seen.spread
