"""How the error budget of a rollout is spent (RULES E3, E4): alpha 0.05 for everything, ramp and watch, all metrics."""

from collections.abc import Sequence
from math import fsum, pi

import msgspec

from ebbgate.core.metrics.definition import Guardrail


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The chance of ever taking back a harmless version, by cause. relative: treatment against control while the ramp
    randomises. late: late harm, by unit-day epochs. limits: absolute limits. Failed probes and incidents opened by
    people lie outside.
    """

    relative: float = 0.035
    late: float = 0.005
    limits: float = 0.01

    @property
    def total(self) -> float:
        return self.relative + self.late + self.limits


def ledger_of(alpha: float) -> Ledger:
    """The budget of a plan with this alpha in (0, 1), in the shares 70 : 10 : 20 of RULES E3."""
    assert 0 < alpha < 1
    return Ledger(relative=0.7 * alpha, late=0.1 * alpha, limits=0.2 * alpha)


def relative_alphas(budget: Ledger, guardrails: Sequence[Guardrail]) -> dict[str, float]:
    """Each guardrail's alpha for `start`, by metric name: Bonferroni by weight, valid under any dependence."""
    return _by_weight(budget.relative, guardrails)


def late_alphas(budget: Ledger, guardrails: Sequence[Guardrail], epoch: int) -> dict[str, float]:
    """As `relative_alphas`, of the late-harm test of one unit-day epoch (0, 1, ...).

    Epochs hold the same people, so their evidence is never multiplied: each has its own e-process and a fixed weight,
    6 / (pi^2 (epoch + 1)^2), in all 1.
    """
    assert epoch >= 0
    return _by_weight(budget.late * 6 / (pi * (epoch + 1)) ** 2, guardrails)


def limit_alphas(budget: Ledger, guardrails: Sequence[Guardrail]) -> dict[tuple[str, float, str], float]:
    """The alpha of each absolute limit, by (metric, limit, function), for `start_limit`: Bonferroni, by the metrics'
    weights.

    A critical limit counts once for each function that it holds for (RULES G1); a benchmark, for all functions
    together, is "".
    """
    keys = {guardrail.metric.name: limit_keys(guardrail) for guardrail in guardrails}
    total = fsum(guardrail.weight * len(keys[guardrail.metric.name]) for guardrail in guardrails)
    return {
        (guardrail.metric.name, limit, function): budget.limits * guardrail.weight / total
        for guardrail in guardrails
        for limit, function in keys[guardrail.metric.name]
    }


def limit_keys(guardrail: Guardrail) -> tuple[tuple[float, str], ...]:
    """The (limit, function) pairs that a guardrail is tested against; none without absolute limits. A pair is named
    once."""
    found: list[tuple[float, str]] = []
    if guardrail.critical is not None:
        found += [(guardrail.critical.value, function) for function in guardrail.critical.on or ("",)]
    if guardrail.limit is not None:
        found.append((guardrail.limit, ""))
    return tuple(dict.fromkeys(found))


def _by_weight(alpha: float, guardrails: Sequence[Guardrail]) -> dict[str, float]:
    total = fsum(guardrail.weight for guardrail in guardrails)
    return {guardrail.metric.name: alpha * guardrail.weight / total for guardrail in guardrails}
