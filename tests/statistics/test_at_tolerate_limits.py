"""RULES E1 and G1 of absolute limits and of counts over exposure, over configurations that Hypothesis makes up.

At the limit, or exactly at what is tolerated, the expectation of a block's factor is summed up over all its outcomes,
which bounds the chance of ever firing by alpha (`test_at_tolerate_exact.py`). Far beyond is `FAR` standard errors of
the whole run (`test_at_tolerate_simulated.py` says why so many).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import comb, exp, fsum, log, sqrt
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ebbgate.core.metrics import Direction, Guardrail, LimitBlock, MetricKind, fold_limit, start_limit
from ebbgate.core.stats import ODDS_WEIGHTS, count_log_e, log_average

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROUNDING = 1e-9
FAR = 15.0
Build = Callable[..., Guardrail]
directions = st.sampled_from(Direction)
sizes = st.lists(st.integers(20, 200), min_size=3, max_size=12)
some_examples = settings(max_examples=60, derandomize=True, database=None, deadline=None)


def binomial(n: int, y: int, share: float) -> float:
    return comb(n, y) * share**y * (1 - share) ** (n - y)


def counts_of(most: int) -> st.SearchStrategy[tuple[int, int]]:
    """Units, and those with the event."""
    return st.integers(0, most).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@settings(some_examples, max_examples=100)
@given(
    tolerated=st.floats(0.2, 5),
    better=st.floats(0, 1),
    exposures=st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)),
    events=st.integers(0, 30),
    bad=directions,
)
def test_no_count_over_exposure_is_expected_to_add_to_the_evidence(
    tolerated: float, better: float, exposures: tuple[float, float], events: int, bad: Direction
) -> None:
    """Given the events of both arms, those of the treatment are binomial, whatever the rate is and however it moves."""
    is_increase = bad is Direction.INCREASE
    for ratio in (tolerated, tolerated * better if is_increase else tolerated / max(better, 0.01)):
        share = ratio * exposures[0] / (ratio * exposures[0] + exposures[1])
        expectation = fsum(
            binomial(events, y, share)
            * exp(
                log_average(
                    count_log_e(y, exposures[0], events - y, exposures[1], tolerated=tolerated, increase=is_increase),
                    ODDS_WEIGHTS,
                )
            )
            for y in range(events + 1)
        )
        assert expectation <= 1 + ROUNDING
        assert ratio != tolerated or expectation >= 1 - ROUNDING


@some_examples
@given(
    kind=st.sampled_from([MetricKind.SHARE, MetricKind.RATE, MetricKind.QUANTILE, MetricKind.MEAN]),
    bad=directions,
    limit=st.floats(0.02, 0.98),
    better=st.floats(0, 1),
    past=st.lists(counts_of(60), max_size=8),
    n=st.integers(1, 40),
)
def test_no_block_is_expected_to_add_to_the_evidence_of_a_limit_that_is_kept(
    a_guardrail: Build, kind: MetricKind, bad: Direction, limit: float, better: float, past: Any, n: int
) -> None:
    """Wherever the evidence has begun again (RULES G1). At the limit itself the expectation is what there was."""
    guardrail = a_guardrail(kind, bad=bad, quantile=limit if kind is MetricKind.QUANTILE else None)
    evidence = start_limit(guardrail, limit=limit, function="", alpha=0.01)
    head = {"metric": "m", "phase": 0, "opened_at": START, "closed_at": START + HOUR, "limit": limit}
    for seen, y in past:
        evidence = fold_limit(evidence, LimitBlock(treatment_n=seen, treatment_y=y, **head))
    for share in (evidence.share, evidence.share * better):  # of bad observations
        outcomes = [(y, y if bad is Direction.INCREASE else n - y) for y in range(n + 1)]
        expectation = fsum(
            binomial(n, y, share)
            * exp(fold_limit(evidence, LimitBlock(treatment_n=n, treatment_y=above, **head)).log_e - evidence.log_e)
            for y, above in outcomes
        )
        assert expectation <= 1 + ROUNDING
        assert share != evidence.share or expectation >= 1 - ROUNDING


@some_examples
@given(limit=st.floats(0.02, 0.6), bad=directions, looks=sizes, alpha=st.floats(0.001, 0.2), seed=st.integers(0, 2**32))
def test_an_arm_far_beyond_its_limit_is_always_shown_beyond(
    a_guardrail: Build, limit: float, bad: Direction, looks: list[int], alpha: float, seed: int
) -> None:
    at = limit if bad is Direction.INCREASE else 1 - limit
    evidence = start_limit(a_guardrail(MetricKind.RATE, bad=bad), limit=at, function="", alpha=alpha)
    share, chance = limit + FAR * sqrt(limit * (1 - limit) / sum(looks)), np.random.default_rng(seed)
    assume(share < 1)
    for n in looks:
        y = int(chance.binomial(n, share if bad is Direction.INCREASE else 1 - share))
        head = {"metric": "m", "phase": 0, "opened_at": START, "closed_at": START + HOUR, "limit": at}
        evidence = fold_limit(evidence, LimitBlock(treatment_n=n, treatment_y=y, **head))
        if evidence.log_e >= evidence.threshold:
            return
    assert evidence.log_e >= evidence.threshold


@some_examples
@given(
    tolerated=st.floats(0.5, 2),
    events=st.floats(20, 300),
    arms=st.tuples(st.floats(1, 10), st.floats(1, 10)),
    bad=directions,
    seed=st.integers(0, 2**32),
)
def test_a_count_far_beyond_the_tolerance_always_fires(
    tolerated: float, events: float, arms: tuple[float, float], bad: Direction, seed: int
) -> None:
    """Eight blocks, with so many events of the control's in each; the arms' exposures are of any sizes."""
    at, chance, is_increase = (
        tolerated * events * arms[0] / arms[1],
        np.random.default_rng(seed),
        bad is Direction.INCREASE,
    )
    far = exp(FAR * sqrt((1 / at + 1 / events) / 8))
    rates = at * far if is_increase else at / far, events
    blocks = [
        count_log_e(int(y), arms[0], int(z), arms[1], tolerated=tolerated, increase=is_increase)
        for y, z in chance.poisson(rates, (8, 2))
    ]
    assert log_average([fsum(grid) for grid in zip(*blocks, strict=True)], ODDS_WEIGHTS) >= log(1 / 0.001)
