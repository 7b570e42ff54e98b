"""RULES D4: sound arrivals are hardly ever doubted, however often one looks."""

from datetime import UTC, datetime, timedelta
from random import Random

from ebbgate.core.metrics.arrivals import ArrivalBlock, ArrivalEvidence, fold_arrivals

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_equal_late_shares_are_rarely_doubted_while_they_drift() -> None:
    """100 streams of 30 looks whose late share grows from 1 % to 20 % in both arms. At alpha 0.001 there are 0.1 false
    doubts to be expected; more than 2 have a chance below 2e-4."""
    chance, fired = Random(7), 0
    for _ in range(100):
        evidence = ArrivalEvidence(metric="errors")
        for step in range(30):
            rate = 0.01 + 0.19 * step / 29
            treated, control = (sum(chance.random() < rate for _ in range(n)) for n in (10, 30))
            block = ArrivalBlock(
                metric="errors",
                phase=1,
                opened_at=NOON + timedelta(minutes=step),
                closed_at=NOON + timedelta(minutes=step + 1),
                treatment_n=10,
                treatment_late=treated,
                control_n=30,
                control_late=control,
            )
            evidence = fold_arrivals(evidence, block, tests=2)
        fired += evidence.late_fired
    assert fired <= 2
