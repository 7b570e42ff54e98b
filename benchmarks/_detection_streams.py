"""Seeded streams of the detection benchmark: one observation a unit, minute by minute, over a ramp."""

from collections.abc import Callable, Iterator
from math import log

import msgspec
import numpy as np

from ebbgate.core.metrics import Direction, Guardrail, HarmBy, Margin, Metric, MetricKind

Array = np.ndarray
Draw = Callable[[np.random.Generator, int], Array]

RAMP = (0.05, 0.2, 0.5)
MINUTES_PER_PHASE = 120
UNITS = 400  # of both arms, a minute

SIGMA = 1.0  # of the log of seconds on the dashboard: their standard deviation is 1.3 times their mean
SIGMA_LATENCY = 0.6
TAIL_SHARE, TAIL_FACTOR = 0.05, 3.0


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One question. effect: what the SPRT knows: the odds ratio of a rate, the factor of a value; 1 for a null.
    must, goal: units in multiples of the SPRT's (DESIGN section 12); None where nothing is promised.
    """

    name: str
    says: str
    guardrail: Guardrail
    control: Draw
    treatment: Draw
    effect: float = 1.0
    sigma: float = SIGMA
    has_tail: bool = False
    drift: float = 0.0
    must: float | None = None
    goal: float | None = None
    baseline: float  # the control's rate or mean, which fixed thresholds are set by

    @property
    def is_null(self) -> bool:
        return self.must is None

    @property
    def kind(self) -> MetricKind:
        return self.guardrail.metric.kind


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """One look. treated: units exposed so far, those of this minute included."""

    number: int
    phase: int
    treatment: Array
    control: Array
    treated: int


def minutes(case: Case, seed: int) -> Iterator[Minute]:
    """One rollout. Everybody is drawn before it is known which rule still looks, so that all see the same stream."""
    rng, treated = np.random.default_rng([seed, *case.name.encode()]), 0
    for number in range(MINUTES_PER_PHASE * len(RAMP)):
        phase = number // MINUTES_PER_PHASE
        n = int(UNITS * RAMP[phase])
        level = 1 + case.drift * np.sin(9 * number / (MINUTES_PER_PHASE * len(RAMP)))
        treatment, control = case.treatment(rng, n), case.control(rng, UNITS - n)
        if case.kind is MetricKind.RATE:
            # Drawn as chances: the baseline's drift multiplies both arms' chances.
            treatment, control = rng.random(n) < treatment * level, rng.random(UNITS - n) < control * level
            treatment, control = treatment.astype(float), control.astype(float)
        elif case.kind is not MetricKind.RATIO:
            treatment, control = treatment * level, control * level
        treated += n
        yield Minute(number=number, phase=phase, treatment=treatment, control=control, treated=treated)


def chance(rate: float) -> Draw:
    return lambda rng, n: np.full(n, rate)


def log_normal(mean: float, sigma: float) -> Draw:
    """With this arithmetic mean."""
    return lambda rng, n: mean * rng.lognormal(-sigma * sigma / 2, sigma, n)


def gamma(mean: float, shape: float) -> Draw:
    return lambda rng, n: rng.gamma(shape, mean / shape, n)


def with_tail(draw: Draw) -> Draw:
    """Some requests, whichever, take TAIL_FACTOR times as long."""
    return lambda rng, n: draw(rng, n) * np.where(rng.random(n) < TAIL_SHARE, TAIL_FACTOR, 1.0)


def clicks(rate: float, views: float) -> Draw:
    """(clicks, views): people differ in how often they look, and in how readily they click."""

    def draw(rng: np.random.Generator, n: int) -> Array:
        seen = 1 + rng.poisson(views, n)
        return np.stack([rng.binomial(seen, rng.beta(20 * rate, 20 * (1 - rate), n)), seen], axis=1).astype(float)

    return draw


def guardrail(
    kind: MetricKind, bad: Direction, harm: HarmBy = HarmBy.MEAN, tolerate: float = 0.0, quantile: float = 0.95
) -> Guardrail:
    from datetime import timedelta

    metric = Metric(
        name="m",
        kind=kind,
        event="e",
        trial="t",
        bad=bad,
        harm=HarmBy.DISTRIBUTION if kind is MetricKind.QUANTILE else harm,
        window=timedelta(minutes=1),
        lateness=timedelta(0),
        quantile=quantile if kind is MetricKind.QUANTILE else None,
    )
    return Guardrail(metric=metric, tolerate=Margin(relative=tolerate))


def tail_log_ratio(values: Array, baseline: float) -> float:
    """log likelihood ratio of the tail for one arm, by one who knows the log-normal baseline."""
    centre, sigma = log(baseline) - SIGMA_LATENCY**2 / 2, SIGMA_LATENCY
    z = (np.log(values) - centre) / sigma
    shift = log(TAIL_FACTOR) / sigma
    return float(np.log((1 - TAIL_SHARE) + TAIL_SHARE * np.exp(shift * z - shift * shift / 2)).sum())
