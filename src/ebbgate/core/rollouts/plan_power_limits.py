"""Which absolute limit can be tested in which phase (RULES G3)."""

from math import floor, log

from ebbgate.core.metrics.definition import Guardrail
from ebbgate.core.metrics.ledger import ledger_of, limit_alphas
from ebbgate.core.metrics.limits_evidence import start_limit
from ebbgate.core.metrics.readings import is_only_read
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_power_arms import observed_units, phase_length
from ebbgate.core.rollouts.plan_power_types import Arms, LimitCell
from ebbgate.core.rollouts.traffic import Traffic
from ebbgate.core.stats import above_log_e, log_average
from ebbgate.core.stats.bernoulli import start_weight

_MOST_OBSERVATIONS = 10**9

BREACH_STARTS_AT = 1_000
"""The look at which a breach is supposed to begin: later looks have less of the error budget left."""

BREACH_RATIO = 2.0
"""A limit is testable if twice the share of bad observations that it allows would be shown."""


def limit_cells(plan: Plan, arms: tuple[Arms, ...], people: Traffic | None) -> tuple[LimitCell, ...]:
    """One cell for each limit, function and phase."""
    compared = [guardrail for guardrail in plan.guardrails if not is_only_read(guardrail.metric)]
    alphas = limit_alphas(ledger_of(plan.alpha), compared)
    # Requests that a source counts are not users, so that nobody can tell how many there will be.
    by_name = {guardrail.metric.name: guardrail for guardrail in compared if guardrail.metric.is_of_events}
    result: list[LimitCell] = []
    for (name, limit, function), alpha in alphas.items():
        if (guardrail := by_name.get(name)) is None:
            continue
        needed = observations_needed(guardrail, limit=limit, function=function, alpha=alpha)
        for index, phase in enumerate(plan.phases):
            there = 0
            if people is not None:
                there = observed_units(people, arms[index].exposed, guardrail.metric, phase_length(plan, index))
            result.append(
                LimitCell(
                    guardrail=name,
                    limit=limit,
                    function=function,
                    phase=phase.name,
                    phase_index=index,
                    is_testable=None if people is None else there >= needed,
                    treatment_units=there,
                    needed_units=needed,
                )
            )
    return tuple(result)


def observations_needed(guardrail: Guardrail, *, limit: float, function: str, alpha: float) -> int:
    """Observations after which a breach of twice the allowed share is shown, beginning late in the rollout."""
    evidence = start_limit(guardrail, limit=limit, function=function, alpha=alpha)
    share = evidence.share
    breach = min(BREACH_RATIO * share, (1 + share) / 2)
    wanted = evidence.threshold - log(start_weight(BREACH_STARTS_AT))

    def is_shown(n: int) -> bool:
        return log_average(above_log_e(n, floor(n * breach), share)) >= wanted

    low, high = 0, evidence.min_n
    while not is_shown(high) and high < _MOST_OBSERVATIONS:
        low, high = high, high * 2
    while high - low > 1 and low >= evidence.min_n:
        middle = (low + high) // 2
        low, high = (low, middle) if is_shown(middle) else (middle, high)
    return high
