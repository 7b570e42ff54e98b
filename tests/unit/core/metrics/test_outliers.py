"""Few values that carry most of the spread: a mean of all values cannot tell then, and the plan's `cap` helps (E2)."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import numpy as np
import pytest

from ebbgate.core.metrics import (
    RECOVERY,
    Analysis,
    Direction,
    Guardrail,
    HarmBy,
    MetricEvidence,
    MetricKind,
    fold,
    judge,
    start,
)
from ebbgate.simulation.array_blocks import mean
from ebbgate.testing.memory_blocks import mean_block

MINUTE = timedelta(minutes=1)


@pytest.fixture
def falling(a_guardrail: Callable[..., Guardrail]) -> Callable[[float | None], Guardrail]:
    """A mean of which a fall is harm. cap: the plan's."""

    def build(cap: float | None) -> Guardrail:
        guardrail = a_guardrail(MetricKind.MEAN, bad=Direction.DECREASE)
        return msgspec.structs.replace(guardrail, metric=msgspec.structs.replace(guardrail.metric, cap=cap))

    return build


def halved(guardrail: Guardrail, noon: datetime, *, outlier: float, looks: int = 40) -> MetricEvidence:
    """Log-normal values, sigma 0.5, halved by the treatment after 16 looks; one value of the tenth is the outlier."""
    chance, evidence = random.Random(1), start(guardrail, alpha=0.05)
    for look in range(looks):
        factor = 1.0 if look < 16 else 0.5
        treatment = [chance.lognormvariate(0, 0.5) * factor for _ in range(100)]
        control = [chance.lognormvariate(0, 0.5) for _ in range(300)]
        if look == 10:
            treatment[0] = outlier
        head = (guardrail.metric.name, 0, noon + look * MINUTE, noon + (look + 1) * MINUTE)
        evidence = fold(guardrail, evidence, mean_block(head, guardrail.metric, 20.0, treatment, control))
    return evidence


def test_one_outlier_hides_no_harm_where_the_plan_caps_the_values_rules_e2(
    falling: Callable[[float | None], Guardrail], noon: datetime
) -> None:
    shown = halved(falling(20.0), noon, outlier=1000.0)
    assert shown.harm_shown_at is not None
    assert shown.harm_shown_at <= noon + 30 * MINUTE
    assert halved(falling(20.0), noon, outlier=1e9).log_e == pytest.approx(shown.log_e, rel=1e-12)


def test_without_a_plan_s_cap_the_mean_of_all_values_is_asked(
    falling: Callable[[float | None], Guardrail], noon: datetime
) -> None:
    assert halved(falling(None), noon, outlier=1.0).harm_shown_at is not None
    assert halved(falling(None), noon, outlier=1000.0).harm_shown_at is None


def judged(guardrail: Guardrail, evidence: MetricEvidence, *, phase: int = 0) -> Analysis:
    return judge(guardrail, evidence, phase=phase, has_contrast=True)


def test_few_values_that_carry_most_of_the_spread_are_told_with_where_they_begin(
    falling: Callable[[float | None], Guardrail], noon: datetime
) -> None:
    plain, capped = falling(None), falling(20.0)
    evidence = halved(plain, noon, outlier=1000.0)
    found = judged(plain, evidence).outliers
    assert found is not None
    assert found.above == 20.0
    assert found.share > 0.99
    at_once = msgspec.structs.replace(evidence, phases={RECOVERY: evidence.phases[0]})
    assert judged(plain, at_once, phase=RECOVERY).outliers is None
    ranked = msgspec.structs.replace(plain, metric=msgspec.structs.replace(plain.metric, harm=HarmBy.DISTRIBUTION))
    assert judged(ranked, evidence).outliers is None
    assert judged(plain, halved(plain, noon, outlier=1.0)).outliers is None
    assert judged(capped, halved(capped, noon, outlier=1000.0)).outliers is None


@pytest.mark.parametrize("cap", [None, 3.0])
def test_arrays_and_plain_python_summarise_capped_values_alike(
    falling: Callable[[float | None], Guardrail], noon: datetime, cap: float | None
) -> None:
    metric, chance = falling(cap).metric, random.Random(7)
    treatment = [chance.lognormvariate(0, 1) for _ in range(60)]
    control = [chance.lognormvariate(0, 1) for _ in range(130)]
    one = mean_block((metric.name, 0, noon, noon + MINUTE), metric, 3.0, treatment, control)
    head = {"metric": metric.name, "phase": 0, "opened_at": noon, "closed_at": noon + MINUTE}
    other = mean(head, metric, 3.0, np.array(treatment), np.array(control))
    for name in ("treatment_raw_total", "control_raw_total", "treatment_raw_squares", "control_raw_squares"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-9)
    assert (one.rank_score, one.rank_variance) == pytest.approx((other.rank_score, other.rank_variance), rel=1e-9)
    assert one.log_wealth == pytest.approx(other.log_wealth, rel=1e-9)
    assert (one.treatment_raw_total == one.treatment.total) is (cap is not None)
