"""RULES E1 of ranks, tails and bets, summed up over all outcomes of a block, over configurations that Hypothesis makes
up. `test_at_tolerate_exact.py` says why one block is enough.

Ranks: every unit has a value with the old version, and one that is worse by exactly what is tolerated with the new one.
Who gets which is drawn at random, so all ways to draw the treated are equally likely, and the mean of the e-values over
them is an expectation. Values lie at least two bins of a histogram apart, as the bound is exact without ties
(`rank_log_e`).
Bets: a unit has a value or none, drawn by itself, so each outcome has a product of chances.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import combinations, product
from math import comb, exp, fsum

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ebbgate.core.metrics import SKETCH_BASE, AnyBlock, Direction, Guardrail, HarmBy, Margin, MetricKind, fold, start
from ebbgate.core.metrics.evidence_mean import bets_log_e
from ebbgate.core.metrics.evidence_types import MetricEvidence
from ebbgate.simulation.array_blocks import Array, block_of, head_of

START = datetime(2026, 1, 5, tzinfo=UTC)
ROUNDING = 1e-9
Build = Callable[..., Guardrail]
directions = st.sampled_from(Direction)
seeds = st.integers(0, 2**32 - 1)
some_examples = settings(max_examples=25, derandomize=True, database=None, deadline=None)


def a_block(guardrail: Guardrail, treatment: Array, control: Array, *earlier: Array) -> AnyBlock:
    """earlier: values of the control, from which the thresholds are learned."""
    known = np.concatenate([np.zeros(0), *earlier])
    head = head_of(guardrail.metric, 0, START, START)
    return block_of(
        head, guardrail.metric, treatment, control, opened=0, reference=lambda: (np.zeros(len(known)), known)
    )


@some_examples
@given(
    seed=seeds,
    bad=directions,
    tolerated=st.just(0.0) | st.floats(0.0, 0.8),
    is_absolute=st.booleans(),
    earlier=st.lists(st.tuples(st.integers(10, 40), st.integers(20, 80)), min_size=1, max_size=3),
    bins=st.lists(st.integers(100, 220), min_size=3, max_size=8, unique=True),
    share=st.floats(0, 1),
)
def test_no_block_of_latencies_is_expected_to_add_to_the_evidence(
    a_guardrail: Build,
    seed: int,
    bad: Direction,
    tolerated: float,
    is_absolute: bool,
    earlier: list[tuple[int, int]],
    bins: list[int],
    share: float,
) -> None:
    """Ranks alone, with the tails when thresholds come, and with them (ADR 0012)."""
    margin = Margin(absolute=200 * tolerated) if is_absolute else Margin(relative=tolerated)
    guardrail = a_guardrail(
        MetricKind.QUANTILE, bad=bad, harm=HarmBy.DISTRIBUTION, quantile=0.9, tolerate=margin, baseline=200.0
    )
    chance, evidence, seen = np.random.default_rng(seed), start(guardrail, alpha=0.05), []
    for treated, others in earlier:  # at least ten treated, from which on ranks count
        arms = chance.lognormal(5, 1, treated), chance.lognormal(5, 1, others)
        evidence = fold(guardrail, evidence, a_block(guardrail, *arms, *seen))
        seen.append(arms[1])
    old = SKETCH_BASE ** (2 * np.array(bins) + 0.5)
    new = old * (1 + tolerated if bad is Direction.INCREASE else 1 - tolerated)
    treated = round(share * len(bins))

    def grown(drawn: tuple[int, ...]) -> float:
        is_new = np.isin(np.arange(len(bins)), drawn)
        block = a_block(guardrail, new[is_new], old[~is_new], *seen)
        return fold(guardrail, evidence, block).log_e - evidence.log_e

    total = fsum(exp(grown(drawn)) for drawn in combinations(range(len(bins)), treated))
    assert total / comb(len(bins), treated) <= 1 + ROUNDING


class Bets(msgspec.Struct, frozen=True, kw_only=True):
    """A mean of values that are `value` with a chance, and else 0."""

    guardrail: Guardrail
    value: float
    control: float
    treatment: float


@st.composite
def bets(draw: st.DrawFn, build: Build, harm: HarmBy) -> Bets:
    """Exactly at the tolerance. Of a relative margin the baseline says how much it is; where harm is a worse
    distribution nothing is tolerated, as else the mean is asked."""
    value, bad, control = draw(st.floats(0.1, 50)), draw(directions), draw(st.floats(0.02, 0.95))
    room = 1 - control if bad is Direction.INCREASE else control
    change = 0.0 if harm is HarmBy.DISTRIBUTION else draw(st.floats(0, 0.95)) * room
    margin = Margin(absolute=change * value) if draw(st.booleans()) else Margin(relative=change / control)
    cap = value * draw(st.floats(1, 3))
    kind = draw(st.sampled_from([MetricKind.MEAN, MetricKind.COUNT, MetricKind.GAUGE]))
    return Bets(
        guardrail=build(kind, bad=bad, harm=harm, tolerate=margin, baseline=control * value, cap=cap),
        value=value,
        control=control,
        treatment=control + change if bad is Direction.INCREASE else control - change,
    )


def expected(found: Bets, seed: int, arms: tuple[int, int], log_e: Callable[[MetricEvidence], float]) -> float:
    """The expectation of the factor by which a block of these arms, after another, multiplies exp(log_e)."""
    rates, chance = (found.treatment, found.control), np.random.default_rng(seed)
    evidence = start(found.guardrail, alpha=0.05)
    past = [found.value * (chance.random(n) < rate) for n, rate in zip((12, 20), rates, strict=True)]
    evidence = fold(found.guardrail, evidence, a_block(found.guardrail, *past))
    before, total = log_e(evidence), 0.0
    for outcome in product((0, 1), repeat=sum(arms)):
        ones = sum(outcome[: arms[0]]), sum(outcome[arms[0] :])
        likely = [rate**y * (1 - rate) ** (n - y) for n, y, rate in zip(arms, ones, rates, strict=True)]
        values = found.value * np.array(outcome, dtype=float)
        block = a_block(found.guardrail, values[: arms[0]], values[arms[0] :])
        total += likely[0] * likely[1] * exp(log_e(fold(found.guardrail, evidence, block)) - before)
    return total


few = st.tuples(st.integers(1, 3), st.integers(1, 3))


@some_examples
@given(data=st.data(), seed=seeds, arms=few)
def test_no_block_of_values_in_their_bounds_is_expected_to_win_a_bet_on_the_mean(
    a_guardrail: Build, data: st.DataObject, seed: int, arms: tuple[int, int]
) -> None:
    """The bets decide where nothing varies, and are a part of the guard elsewhere (ADR 0012)."""
    found = data.draw(bets(a_guardrail, HarmBy.MEAN))
    assert expected(found, seed, arms, bets_log_e) <= 1 + ROUNDING


@some_examples
@given(data=st.data(), seed=seeds, arms=few)
def test_no_block_of_values_is_expected_to_show_a_worse_distribution(
    a_guardrail: Build, data: st.DataObject, seed: int, arms: tuple[int, int]
) -> None:
    """Ranks full of ties, and bets, averaged: the whole evidence where harm is a worse distribution."""
    found = data.draw(bets(a_guardrail, HarmBy.DISTRIBUTION))
    assert expected(found, seed, arms, lambda evidence: evidence.log_e) <= 1 + ROUNDING
