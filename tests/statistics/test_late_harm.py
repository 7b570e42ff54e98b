"""RULES E3: the same people day after day, with habits that last, are not late harm; real late harm is."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from ebbgate.core.metrics import Direction, Guardrail, HarmBy, Metric, MetricKind, ProportionBlock
from ebbgate.core.metrics.late import LateBlock, LateEvidence, fold_late
from ebbgate.core.metrics.ledger import Ledger, late_alphas

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALPHA = 0.05  # ten times the product's, so that 200 runs tell something
GUARDRAIL = Guardrail(
    metric=Metric(
        name="errors",
        kind=MetricKind.RATE,
        event="api_error",
        trial="api_request",
        bad=Direction.INCREASE,
        harm=HarmBy.MEAN,
        window=timedelta(hours=1),
        lateness=timedelta(minutes=5),
    )
)


def shown(chance: Random, *, factor: float, days: int = 14) -> bool:
    """120 treated people and 360 others, one in ten of whom fails every third time; six in ten come by on a day."""
    habits = [[0.3 if chance.random() < 0.1 else 0.005 for _ in range(n)] for n in (120, 360)]
    evidence = LateEvidence(metric="errors")
    for day in range(days):
        came = [[rate for rate in arm if chance.random() < 0.6] for arm in habits]
        failed = [
            sum(chance.random() < min(1.0, rate * (factor if arm == 0 else 1.0)) for rate in people)
            for arm, people in enumerate(came)
        ]
        block = ProportionBlock(
            metric="errors",
            phase=2,
            opened_at=NOON + timedelta(days=day),
            closed_at=NOON + timedelta(days=day + 1),
            treatment_n=len(came[0]),
            treatment_y=failed[0],
            control_n=len(came[1]),
            control_y=failed[1],
        )
        evidence = fold_late(
            GUARDRAIL,
            evidence,
            LateBlock(day=day, block=block),
            alpha_of=lambda epoch: late_alphas(Ledger(late=ALPHA), [GUARDRAIL], epoch)["errors"],
        )
    return evidence.harm_shown_at is not None


def test_people_of_lasting_habits_who_come_back_every_day_are_rarely_late_harm() -> None:
    """At most 10 of 200 to be expected; 20 have a chance below 0.2 %."""
    chance = Random(11)
    assert sum(shown(chance, factor=1.0) for _ in range(200)) <= 19


@pytest.mark.parametrize("seed", range(5))
def test_late_harm_that_is_large_is_always_shown(seed: int) -> None:
    assert shown(Random(seed), factor=12.0)
