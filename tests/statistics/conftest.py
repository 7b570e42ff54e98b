"""Seeded worlds at the level of block summaries, and the bounds that their error rates are held to."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import comb, exp, lgamma, log, log1p

import numpy as np
import pytest

from ebbgate.core.metrics import Direction, Guardrail, HarmBy, Margin, Metric, MetricKind

RUNS = 2000
LOOKS = ((0, 0.05), (1, 0.16), (2, 0.375))  # phase, share of treatment in its contrast: 5 -> 20 -> 50 %
BLOCKS_PER_PHASE = 7
START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture(scope="session")
def runs() -> int:
    return RUNS


@pytest.fixture(scope="session")
def most_crossings() -> Callable[..., int]:
    """The count of crossings that 2,000 sound runs exceed once in 10,000 times.

    If each run crosses with chance alpha at most, the count is at most Binomial(runs, alpha); its upper tail at 1e-4 is
    138 of 2,000 (6.9 %) for alpha 0.05, and 9 for alpha 0.001 (0.5 %).
    """

    def bound(alpha: float, runs: int = RUNS, tail: float = 1e-4) -> int:
        above = 0.0
        for k in range(runs, -1, -1):
            choose = lgamma(runs + 1) - lgamma(k + 1) - lgamma(runs - k + 1)
            above += exp(choose + k * log(alpha) + (runs - k) * log1p(-alpha))
            if above > tail:
                return k
        raise AssertionError("the tail of a whole distribution is 1")

    return bound


@pytest.fixture(scope="session")
def most_together() -> Callable[..., tuple[int, float]]:
    """As `most_crossings`, of all runs of several tests together: the count that sound runs exceed once in 1 / tail
    times, and the chance that it is exceeded if every test fires twice as often as it may.

    The count is at most a sum of independent Binomial(runs, alpha), whose distributions are convolved.
    """

    def distribution(chances: Sequence[float], runs: int) -> np.ndarray:
        together = np.ones(1)
        for chance in chances:
            one = [comb(runs, k) * chance**k * (1 - chance) ** (runs - k) for k in range(runs + 1)]
            together = np.convolve(together, one)
        return together

    def bound(alphas: Sequence[float], runs: int, tail: float = 1e-3) -> tuple[int, float]:
        above = np.cumsum(distribution(alphas, runs)[::-1])[::-1]  # P(count >= k)
        most = int(np.argmax(above <= tail)) - 1
        return most, float(distribution([2 * alpha for alpha in alphas], runs)[most + 1 :].sum())

    return bound


@pytest.fixture(scope="session")
def ramp() -> Callable[[], Iterator[tuple[int, float, float, dict[str, object]]]]:
    """The looks of one rollout: phase, share of treatment, time in [0, 1), and a block's common fields."""

    def looks() -> Iterator[tuple[int, float, float, dict[str, object]]]:
        total = len(LOOKS) * BLOCKS_PER_PHASE
        for index in range(total):
            phase, share = LOOKS[index // BLOCKS_PER_PHASE]
            opened = START + timedelta(hours=index)
            common = {"metric": "m", "phase": phase, "opened_at": opened, "closed_at": opened + timedelta(hours=1)}
            yield phase, share, index / total, common

    return looks


@pytest.fixture(scope="session")
def a_guardrail() -> Callable[..., Guardrail]:
    def build(
        kind: MetricKind,
        *,
        bad: Direction = Direction.INCREASE,
        harm: HarmBy = HarmBy.MEAN,
        tolerate: Margin | None = None,
        worse_by: Margin | None = None,
        baseline: float | None = None,
        quantile: float | None = None,
        cap: float | None = None,
    ) -> Guardrail:
        metric = Metric(
            name="m",
            kind=kind,
            event="e",
            trial="t",
            bad=bad,
            harm=harm,
            window=timedelta(hours=1),
            lateness=timedelta(0),
            quantile=quantile,
            cap=cap,
        )
        return Guardrail(metric=metric, tolerate=tolerate or Margin(relative=0.0), worse_by=worse_by, baseline=baseline)

    return build
