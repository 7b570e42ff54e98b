"""RULES E1 over rollouts that Hypothesis makes up, for every kind that is judged: a change exactly at `tolerate` fires
with chance alpha at most, one far beyond it always. `test_at_tolerate_exact.py` has what can be summed up exactly.

Tolerances are derived. If a rollout fires with chance alpha at most, the firings of `RUNS` of them are below a binomial
count, which passes `most_crossings(alpha, RUNS, 1e-5)` once in 100,000 times, any of a hundred configurations once in a
thousand. The firings of all configurations of a kind are below a sum of such counts; what that sum passes once in a
thousand times is summed up exactly, and so is the chance to pass it where every configuration fires at twice its alpha:
each test asserts that this is at least `POWER`. The examples are the same in each run, so that these chances are of the
choice of examples, not of a run. Most configurations fire far less often than alpha: a rate above it is found, not one
that has doubled from little.

Far beyond is `FAR` standard errors of the whole run's contrast, taken at the tolerated change, and of at least
`FAR_UNITS` in each arm, as scores count only after their burn-in. To cross takes z^2 / 2 of log(1 / alpha) <= 4.6 and
log(1 / weight) <= 3.9 for the alternative that fits, so z = 4.1; six more for chance make 10, and half of that again is
left for gaps in the grids, values cut at their caps, and the guards of ADR 0012.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import expm1, inf, sin, sqrt

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ebbgate.core.metrics import Direction, Guardrail, HarmBy, Margin, MetricKind, fold, start
from ebbgate.core.metrics.late import LateBlock, LateEvidence, fold_late
from ebbgate.core.metrics.ledger import Ledger, late_alphas
from ebbgate.core.metrics.reference import raised
from ebbgate.simulation.array_blocks import block_of, head_of, microseconds

RUNS = 60
POWER = 0.98
FAR, FAR_UNITS = 15.0, 300
START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
PROPORTIONS = (MetricKind.SHARE, MetricKind.RATE)
CAPPED = (MetricKind.COUNT, MetricKind.MEAN, MetricKind.GAUGE)
LINEAR = (*PROPORTIONS, *CAPPED, MetricKind.RATIO)
"""Kinds whose tolerance needs no baseline, so that the control's level may move while they are judged."""

LEVELS = {
    MetricKind.SHARE: (0.2, 0.9),
    MetricKind.RATE: (0.005, 0.3),
    MetricKind.COUNT: (0.1, 6.0),
    MetricKind.MEAN: (0.01, 500.0),
    MetricKind.GAUGE: (100.0, 2000.0),
    MetricKind.SURVEY: (8.0, 12.0),
    MetricKind.RATIO: (0.05, 0.5),
    MetricKind.QUANTILE: (20.0, 900.0),
}
SCALE = (0.0, 20.0)
KINDS = [*((kind, HarmBy.DISTRIBUTION if kind is MetricKind.QUANTILE else HarmBy.MEAN) for kind in LEVELS)]
KINDS.append((MetricKind.MEAN, HarmBy.DISTRIBUTION))


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration. level: the control's true value, drift: how far it moves, as a share of itself. spread: log
    standard deviation of values; of ratios, the treated's activity as a multiple of the control's. phases: share of the
    treatment, and units of each look. is_late: the phases are days of the late-harm test (E3), each with its part of
    alpha."""

    guardrail: Guardrail
    level: float
    drift: float
    spread: float
    phases: tuple[tuple[float, tuple[int, ...]], ...]
    alpha: float
    is_late: bool
    seed: int

    def tolerated(self, level: float) -> float:
        """In the metric's unit."""
        margin = self.guardrail.tolerate
        return margin.absolute if margin.absolute is not None else (margin.relative or 0.0) * level


@st.composite
def rollouts(draw: st.DrawFn, kind: MetricKind, harm: HarmBy, build: Callable[..., Guardrail]) -> Rollout:
    level = float(draw(st.integers(*map(int, LEVELS[kind])) if kind is MetricKind.SURVEY else st.floats(*LEVELS[kind])))
    bad, is_absolute = draw(st.sampled_from(Direction)), draw(st.booleans())
    most = 0.3 if kind is MetricKind.SURVEY else 0.5
    if kind in (*PROPORTIONS, MetricKind.RATIO) and bad is Direction.INCREASE:
        most = min(most, 0.95 / level - 1)
    relative = draw(st.just(0.0) | st.floats(most / 4, most))
    is_converted = kind is MetricKind.QUANTILE and is_absolute  # to a share of its baseline
    guardrail = build(
        kind,
        bad=bad,
        harm=harm,
        tolerate=Margin(absolute=relative * level) if is_absolute else Margin(relative=relative),
        quantile=draw(st.sampled_from([0.5, 0.9, 0.95])) if kind is MetricKind.QUANTILE else None,
        baseline=level if is_converted or draw(st.booleans()) else None,
        cap=draw(st.none() | st.floats(3 * level, 20 * level)) if kind in CAPPED else None,
    )
    if kind is MetricKind.SURVEY:
        guardrail = msgspec.structs.replace(guardrail, metric=msgspec.structs.replace(guardrail.metric, scale=SCALE))
    looks = st.lists(st.integers(40, 600), min_size=2, max_size=5).map(tuple)
    drift = st.floats(0.0, 0.8 if kind in PROPORTIONS else 0.25)
    may_drift = kind in LINEAR or (kind is MetricKind.QUANTILE and not is_absolute)
    return Rollout(
        guardrail=guardrail,
        level=level,
        drift=draw(drift) if may_drift else 0.0,
        spread=draw(st.sampled_from([0.7, 1.0, 1.5]) if kind is MetricKind.RATIO else st.floats(0.1, 1.0)),
        phases=tuple(draw(st.lists(st.tuples(st.floats(0.05, 0.8), looks), min_size=1, max_size=3))),
        alpha=draw(st.floats(0.01, 0.2)),
        is_late=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def split(share: float, size: int) -> tuple[int, int]:
    """Units of treatment and control, neither of them none."""
    treated = min(max(round(share * size), 1), size - 1)
    return treated, size - treated


def observed(rollout: Rollout, chance: np.random.Generator, n: int, level: float, worse: float | None) -> np.ndarray:
    """One observation of each of n units. worse: by how much the treated are; None: they are of the control."""
    metric, spread = rollout.guardrail.metric, rollout.spread
    change = (worse or 0.0) * (1 if metric.bad is Direction.INCREASE else -1)
    value = level + change
    match metric.kind:
        case MetricKind.SHARE | MetricKind.RATE:
            return (chance.random(n) < value).astype(float)
        case MetricKind.COUNT:
            return chance.poisson(value, n).astype(float)
        case MetricKind.SURVEY:  # whole answers; a change of 0.3 moves three in ten by one
            return np.floor(level + chance.integers(-1, 2, n) + change + chance.random(n))
        case (
            MetricKind.RATIO
        ):  # clicks of views, each person of another habit; the treated may look more often, or less
            views = 1 + chance.poisson(2 * (1.0 if worse is None else spread), n)
            habits = chance.beta(15 * value, 15 * (1 - value), n)
            return np.stack([chance.binomial(views, habits), views], axis=1).astype(float)
    return value * chance.lognormal(-(spread**2) / 2, spread, n)


def fires(rollout: Rollout, run: int, *, beyond: float = 0.0) -> bool:
    """Whether harm is ever shown of a treatment that is worse by what is tolerated and `beyond`, in the metric's
    unit."""
    guardrail, chance = rollout.guardrail, np.random.default_rng([rollout.seed, run])
    evidence, late = start(guardrail, alpha=rollout.alpha), LateEvidence(metric="m")
    seen: list[tuple[int, np.ndarray]] = [(0, np.zeros(0))]

    def reference() -> tuple[np.ndarray, np.ndarray]:
        closes = [np.full(len(values), close) for close, values in seen]
        return np.concatenate(closes), np.concatenate([values for _, values in seen])

    def alpha_of(epoch: int) -> float:
        return late_alphas(Ledger(late=rollout.alpha), [guardrail], epoch)["m"]

    for phase, size, share in [(i, size, share) for i, (share, sizes) in enumerate(rollout.phases) for size in sizes]:
        opened_at, level = START + len(seen) * HOUR, rollout.level * (1 + rollout.drift * sin(len(seen)))
        if guardrail.metric.kind in PROPORTIONS:
            level = min(level, 0.98)
        treated, control = split(share, size)
        treatment = observed(rollout, chance, treated, level, rollout.tolerated(level) + beyond)
        others = observed(rollout, chance, control, level, None)
        head = head_of(guardrail.metric, phase, opened_at, opened_at + HOUR)
        opened = len(seen) * microseconds(HOUR)
        block = block_of(head, guardrail.metric, treatment, others, opened=opened, reference=reference)
        seen.append((opened + microseconds(HOUR), others))
        if rollout.is_late:
            late = fold_late(guardrail, late, LateBlock(day=phase, block=block), alpha_of=alpha_of)
        else:
            evidence = fold(guardrail, evidence, block)
        if (late if rollout.is_late else evidence).harm_shown_at is not None:
            return True
    return False


def contrast(rollout: Rollout, arms: tuple[int, int], beyond: float, *, cap: float = inf) -> tuple[float, float]:
    """How far the change toward harm lies beyond what is tolerated, values above `cap` cut, and the standard error that
    a run of so many units has; both from 5,000 units of each arm."""
    chance, level, margin = np.random.default_rng(rollout.seed), rollout.level, rollout.guardrail.tolerate
    worse = 1 if rollout.guardrail.metric.bad is Direction.INCREASE else -1
    treatment = observed(rollout, chance, 5000, level, rollout.tolerated(level) + beyond)
    control = observed(rollout, chance, 5000, level, None)
    if rollout.guardrail.metric.kind is MetricKind.RATIO:
        treatment, control = (
            x[:, 0] / x[:, 1].mean() + x[:, 0].sum() / x[:, 1].sum() * (1 - x[:, 1] / x[:, 1].mean())
            for x in (treatment, control)
        )
    treatment, control = np.minimum(treatment, cap), np.minimum(control, cap)
    factor = 1.0 if margin.absolute is not None else 1 + worse * (margin.relative or 0.0)
    excess = worse * (treatment.mean() - factor * control.mean()) - (margin.absolute or 0.0)
    return float(excess), sqrt(treatment.var() / arms[0] + factor**2 * control.var() / arms[1])


def far_beyond(rollout: Rollout) -> float | None:
    """`FAR` standard errors in the metric's unit. None where there are too few units, or no room for so large a change:
    beyond 0 or 1, or because a mean's values are cut where the plan says, or at what the control's p99 may rise to."""
    counted = rollout.phases[:1] if rollout.is_late else rollout.phases  # days of late harm are not added up
    sizes = [split(share, size) for share, looks in counted for size in looks]
    arms = sum(treated for treated, _ in sizes), sum(control for _, control in sizes)
    if min(arms) < FAR_UNITS:
        return None
    metric, level = rollout.guardrail.metric, rollout.level
    worse = 1 if metric.bad is Direction.INCREASE else -1
    tolerated = level + worse * rollout.tolerated(level)
    if metric.kind is MetricKind.QUANTILE:  # its ranks and tails see logs
        return worse * tolerated * expm1(worse * FAR * rollout.spread * sqrt(1 / arms[0] + 1 / arms[1]))
    beyond = FAR * contrast(rollout, arms, 0.0)[1]
    value = tolerated + worse * beyond
    if value < 0.02 * level or (metric.kind in (*PROPORTIONS, MetricKind.RATIO) and value > 0.98):
        return None
    if metric.kind in CAPPED:
        values = observed(rollout, np.random.default_rng(rollout.seed), 5000, level, None)
        excess, error = contrast(
            rollout, arms, beyond, cap=metric.cap or raised(metric, float(np.quantile(values, 0.99)))
        )
        return beyond if excess > FAR / 2 * error else None
    return beyond


@pytest.mark.parametrize(("kind", "harm"), KINDS)
def test_a_change_exactly_at_the_tolerance_fires_at_most_alpha(
    kind: MetricKind,
    harm: HarmBy,
    a_guardrail: Callable[..., Guardrail],
    most_crossings: Callable[..., int],
    most_together: Callable[..., tuple[int, float]],
) -> None:
    found: list[tuple[int, float]] = []

    @settings(max_examples=12, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck])
    @given(rollout=rollouts(kind, harm, a_guardrail))
    def ask(rollout: Rollout) -> None:
        fired = sum(fires(rollout, run) for run in range(RUNS))
        found.append((fired, rollout.alpha))
        assert fired <= most_crossings(rollout.alpha, RUNS, 1e-5)

    ask()
    most, power = most_together([alpha for _, alpha in found], RUNS)
    assert power > POWER
    assert sum(fired for fired, _ in found) <= most


@pytest.mark.parametrize(("kind", "harm"), KINDS)
def test_a_change_far_beyond_the_tolerance_always_fires(
    kind: MetricKind, harm: HarmBy, a_guardrail: Callable[..., Guardrail]
) -> None:
    @settings(max_examples=12, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck])
    @given(rollout=rollouts(kind, harm, a_guardrail))
    def ask(rollout: Rollout) -> None:
        rollout = msgspec.structs.replace(rollout, drift=0.0)
        beyond = far_beyond(rollout)
        assume(beyond is not None)
        assert [run for run in range(4) if not fires(rollout, run, beyond=beyond or 0.0)] == []

    ask()


@pytest.mark.parametrize("kind", [MetricKind.GAUGE, MetricKind.MEAN])
@pytest.mark.parametrize(("factor", "harm_from"), [(10.0, 1), (1.6, 0), (1.4, 0)])
def test_a_rise_beyond_what_is_tolerated_is_found_where_values_lie_close_together(
    kind: MetricKind, factor: float, harm_from: int, a_guardrail: Callable[..., Guardrail]
) -> None:
    """Normal(500, 50): the control's p99, 616, lies below the tolerated 625. The first look is small, as ramps begin,
    and without a cap, as no control has been seen."""
    guardrail = a_guardrail(kind, tolerate=Margin(relative=0.25))
    chance, evidence, seen = np.random.default_rng(1), start(guardrail, alpha=0.05), [np.zeros(0)]
    for look in range(40):
        treatment = chance.normal(500 * (factor if look >= harm_from else 1.0), 50, 100 if look else 5)
        control, opened_at = chance.normal(500, 50, 100), START + look * HOUR
        known = np.concatenate(seen)
        block = block_of(
            head_of(guardrail.metric, 0, opened_at, opened_at + HOUR),
            guardrail.metric,
            treatment,
            control,
            opened=look,
            reference=lambda known=known: (np.zeros(len(known)), known),
        )
        seen.append(control)
        evidence = fold(guardrail, evidence, block)
    assert evidence.harm_shown_at is not None
