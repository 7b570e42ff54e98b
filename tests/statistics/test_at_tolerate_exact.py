"""RULES E1, summed up instead of simulated, over configurations that Hypothesis makes up.

A test is an e-process if, whatever came before, no block is expected to multiply it by more than 1 while the change is
tolerated. Its chance of ever reaching 1 / alpha is then at most alpha, at any number of looks (Ville 1939), for every
alpha at once. Blocks of a few units have few outcomes: so the expectation is a sum over all of them, and the tests have
no tolerance but that of floating-point numbers. At `tolerate` itself it is 1 where the law is known exactly, so that
nothing is lost, either. Kinds whose variance is estimated are in `test_at_tolerate_simulated.py`.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from math import comb, exp, fsum, log
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebbgate.core.metrics import (
    Direction,
    Guardrail,
    Margin,
    MetricKind,
    ProportionBlock,
    fold,
    start,
)
from ebbgate.core.metrics.late import LateBlock, LateEvidence, fold_late
from ebbgate.core.metrics.ledger import Ledger, late_alphas

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROUNDING = 1e-9
Build = Callable[..., Guardrail]
directions = st.sampled_from(Direction)
chances = st.floats(0.02, 0.98)
some_examples = settings(max_examples=60, derandomize=True, database=None, deadline=None)


def binomial(n: int, y: int, share: float) -> float:
    return comb(n, y) * share**y * (1 - share) ** (n - y)


def counts_of(most: int) -> st.SearchStrategy[tuple[int, int]]:
    """Units, and those with the event."""
    return st.integers(0, most).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """A share or rate with the arms' true values. is_at: the treatment's is exactly what is tolerated. is_guessed: the
    level is at the baseline, where nothing is lost."""

    guardrail: Guardrail
    control: float
    treatment: float
    is_at: bool
    is_guessed: bool


@st.composite
def rates(draw: st.DrawFn, build: Build) -> Rates:
    """At any level: with no baseline stated, at it, or far from it."""
    control, bad, is_at = draw(chances), draw(directions), draw(st.booleans())
    worst = draw(st.floats(control, 0.99) if bad is Direction.INCREASE else st.floats(0.01, control))
    change = draw(st.sampled_from([1.0, 1.0, 0.0])) * abs(worst - control)
    margin = Margin(absolute=change) if draw(st.booleans()) else Margin(relative=change / control)
    kind = draw(st.sampled_from([MetricKind.SHARE, MetricKind.RATE]))
    at = control + change if bad is Direction.INCREASE else control - change
    baseline = draw(st.sampled_from([control, control, None]) | chances)
    better = st.floats(0.0, at) if bad is Direction.INCREASE else st.floats(at, 1.0)
    return Rates(
        guardrail=build(kind, bad=bad, tolerate=margin, baseline=baseline),
        control=control,
        treatment=at if is_at else draw(better),
        is_at=is_at,
        is_guessed=not change or baseline == control,
    )


def a_block(place: int, phase: int, treatment: tuple[int, int], control: tuple[int, int]) -> ProportionBlock:
    opened_at = START + place * HOUR
    return ProportionBlock(
        metric="m",
        phase=phase,
        opened_at=opened_at,
        closed_at=opened_at + HOUR,
        treatment_n=treatment[0],
        treatment_y=treatment[1],
        control_n=control[0],
        control_y=control[1],
    )


def expected(found: Rates, arms: tuple[int, int], log_e: Callable[[int, int], float]) -> float:
    """The expectation of exp(log_e) over all outcomes of a block with so many units."""
    (treated, others), (one, other) = arms, (found.treatment, found.control)
    return fsum(
        binomial(treated, y, one) * binomial(others, z, other) * exp(log_e(y, z))
        for y, z in product(range(treated + 1), range(others + 1))
    )


few_or_many = counts_of(40) | st.integers(200, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
pasts = st.lists(st.tuples(st.sampled_from([0, 0, 1]), counts_of(90), few_or_many), max_size=3)
arms_of_ten = st.tuples(st.integers(0, 9), st.integers(0, 9))


@some_examples
@given(data=st.data(), past=pasts, arms=arms_of_ten, phase=st.sampled_from([0, 0, 2]))
def test_no_block_of_a_share_or_a_rate_is_expected_to_add_to_the_evidence(
    a_guardrail: Build, data: st.DataObject, past: Any, arms: tuple[int, int], phase: int
) -> None:
    """Whatever came before, so whatever level is guessed (`guessed_level`): it may move from block to block."""
    found = data.draw(rates(a_guardrail))
    evidence = start(found.guardrail, alpha=0.05)
    for place, (earlier, treatment, control) in enumerate(sorted(past, key=lambda block: block[0])):
        evidence = fold(found.guardrail, evidence, a_block(place, earlier, treatment, control))

    def grown(y: int, z: int) -> float:
        block = a_block(9, phase, (arms[0], y), (arms[1], z))
        return fold(found.guardrail, evidence, block).log_e - evidence.log_e

    expectation = expected(found, arms, grown)
    assert expectation <= 1 + ROUNDING
    if found.is_at and found.is_guessed and phase == 2:  # nothing was measured that could tell of another level
        assert expectation >= 1 - ROUNDING


@some_examples
@given(data=st.data(), past=pasts, arms=arms_of_ten, is_same_day=st.booleans(), alpha=st.floats(1e-4, 0.5))
def test_no_day_of_late_harm_is_expected_to_add_to_its_own_evidence_and_all_days_spend_alpha_once(
    a_guardrail: Build, data: st.DataObject, past: Any, arms: tuple[int, int], is_same_day: bool, alpha: float
) -> None:
    """RULES E3: each day begins at 1, whatever the same people did before; a union bound adds the days' parts up."""
    found = data.draw(rates(a_guardrail))

    def alpha_of(epoch: int) -> float:
        return late_alphas(Ledger(late=alpha), [found.guardrail], epoch)["m"]

    def after(evidence: LateEvidence, place: int, day: int, *counts: tuple[int, int]) -> LateEvidence:
        late = LateBlock(day=day, block=a_block(place, 1, *counts))
        return fold_late(found.guardrail, evidence, late, alpha_of=alpha_of)

    evidence, day = LateEvidence(metric="m"), 0
    for place, (day, treatment, control) in enumerate(sorted(past, key=lambda block: block[0])):
        evidence = after(evidence, place, day, treatment, control)
    day += not is_same_day
    before = evidence.current.log_e if evidence.current is not None and evidence.day == day else 0.0

    def grown(y: int, z: int) -> float:
        current = after(evidence, 9, day, (arms[0], y), (arms[1], z)).current
        assert current is not None
        assert current.threshold == pytest.approx(log(1 / alpha_of(len({block[0] for block in past} | {day}) - 1)))
        return current.log_e - before

    assert expected(found, arms, grown) <= 1 + ROUNDING
    assert fsum(alpha_of(epoch) for epoch in range(1000)) <= alpha
