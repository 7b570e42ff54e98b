"""How others would have decided on the same counts: fixed thresholds, repeated Mann-Whitney, GrowthBook's test. Pure.

Each rule is fed the looks of one rollout in their order and says after each whether it would take the version back.
They are re-written from the named products' documentation and sources, with the settings that are said here.
"""

from collections.abc import Callable, Iterable, Sequence
from math import log, sqrt
from random import Random
from typing import Protocol

import msgspec


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """One look: units with an observation (n) and those of them with the error (y), of each version."""

    treatment_n: int
    treatment_y: int
    control_n: int
    control_y: int


class Rule(Protocol):
    """One rollout's rule; made anew for each."""

    def look(self, counts: Counts) -> bool:
        """Whether it takes the version back now."""
        ...


FAILURE_LIMIT = 4
"""Bad looks that a fixed threshold lets pass, in all."""


class FixedThreshold:
    """As Argo Rollouts and Flagger decide: each look's error rate of the new version alone against a threshold;
    one bad look more than `failures`, in all, takes it back. A look without units counts as nothing, where Flagger
    counts it as bad.
    """

    def __init__(self, limit: float = 0.05, failures: int = FAILURE_LIMIT) -> None:
        self._limit, self._allowed = limit, failures
        self._failures = 0

    def look(self, counts: Counts) -> bool:
        self._failures += counts.treatment_n > 0 and counts.treatment_y / counts.treatment_n > self._limit
        return self._failures > self._allowed


MANN_WHITNEY_POINTS = 50
"""Points that Kayenta's guides ask for, of each metric."""

MANN_WHITNEY_Z = 2.326
"""One side of its 98 % interval."""


class RepeatedMannWhitney:
    """As Kayenta decides: the two versions' rates look by look, as two samples of points, compared by their ranks; from
    50 points on, asked again at every look, with nothing for asking often.
    """

    def __init__(self) -> None:
        self._points: tuple[list[float], list[float]] = ([], [])

    def look(self, counts: Counts) -> bool:
        if not (counts.treatment_n and counts.control_n):
            return False  # no data for one of them: no point
        self._points[0].append(counts.treatment_y / counts.treatment_n)
        self._points[1].append(counts.control_y / counts.control_n)
        return len(self._points[0]) >= MANN_WHITNEY_POINTS and rank_z(*self._points) > MANN_WHITNEY_Z


class GrowthBook:
    """GrowthBook's safe rollouts: the one-sided confidence sequence of the difference of means over all units so far,
    phases thrown together, against 0.
    """

    ALPHA = 0.05

    def __init__(self) -> None:
        self._n, self._y = [0, 0], [0, 0]

    def look(self, counts: Counts) -> bool:
        for arm, n, y in ((0, counts.treatment_n, counts.treatment_y), (1, counts.control_n, counts.control_y)):
            self._n[arm] += n
            self._y[arm] += y
        if min(self._n) < 2:
            return False
        rates = [y / n for y, n in zip(self._y, self._n, strict=True)]
        variance = sum(rate * (1 - rate) / (n - 1) for rate, n in zip(rates, self._n, strict=True))
        if variance == 0:
            return False
        return rates[0] - rates[1] > growthbook_reach(sum(self._n), variance, alpha=self.ALPHA)


RULES: dict[str, Callable[[], Rule]] = {
    "fixed threshold": FixedThreshold,
    "Mann-Whitney": RepeatedMannWhitney,
    "GrowthBook's test": GrowthBook,
}


def growthbook_reach(n: int, variance: float, *, alpha: float, tuned_for: int = 5_000) -> float:
    """How far the estimate has to be from 0. n: units of both arms; variance: of the difference of means. tuned_for:
    units at which it is tightest. Source: Waudby-Smith et al., arXiv 2103.06476, one-sided, with GrowthBook's tuning.
    """
    a = 2 * alpha
    rho = n * (-2 * log(a) + log(-2 * log(a) + 1)) / tuned_for
    return sqrt(n * variance) * sqrt(2 * (rho + 1) / (n * rho) * log(1 + sqrt(rho + 1) / a))


def rank_z(treatment: Sequence[float], control: Sequence[float]) -> float:
    """The Mann-Whitney score toward larger values in treatment, over its permutation deviation; 0 if all are equal."""
    values = sorted([*treatment, *control])
    middle: dict[float, float] = {}
    start = 0
    while start < len(values):
        end = start
        while end < len(values) and values[end] == values[start]:
            end += 1
        middle[values[start]] = (start + 1 + end) / 2  # ranks of ties are their mean
        start = end
    n, total = len(treatment), len(values)
    mean = (total + 1) / 2
    score = sum(middle[value] - mean for value in treatment)
    spread = sum((middle[value] - mean) ** 2 for value in values)
    variance = n * (total - n) / (total * (total - 1)) * spread
    return score / sqrt(variance) if variance > 0 else 0.0


def acts_at(rule: Rule, stream: Iterable[Counts]) -> int | None:
    """Index of the look at which it would have taken the version back; None: at none of them."""
    return next((index for index, counts in enumerate(stream) if rule.look(counts)), None)


def looks_until(
    make: Callable[[], Rule], seen: Sequence[Counts], since: int, *, seed: int, runs: int = 9, most: int = 100
) -> int | None:
    """Looks after the last seen one until the rule would act, had the stream gone on: the median of `runs`
    continuations, drawn with the counts and rates of the looks from `since` on. None: more than `most` of them.
    """
    broken = seen[since:]
    treatment_n, treatment_rate = _typical([(c.treatment_n, c.treatment_y) for c in broken])
    control_n, control_rate = _typical([(c.control_n, c.control_y) for c in broken])
    if not (treatment_n and control_n):
        return None
    found = []
    for run in range(runs):
        random, rule = Random(f"{seed}/{run}"), make()
        for counts in seen:
            rule.look(counts)
        found.append(
            next(
                (
                    more
                    for more in range(1, most + 1)
                    if rule.look(
                        Counts(
                            treatment_n=treatment_n,
                            treatment_y=_drawn(random, treatment_n, treatment_rate),
                            control_n=control_n,
                            control_y=_drawn(random, control_n, control_rate),
                        )
                    )
                ),
                most + 1,
            )
        )
    middle = sorted(found)[runs // 2]
    return middle if middle <= most else None


def _typical(looks: Sequence[tuple[int, int]]) -> tuple[int, float]:
    """Units of a look, and the share of them with the error."""
    with_units = [(n, y) for n, y in looks if n]
    n = sum(n for n, _ in with_units)
    return (round(n / len(with_units)), sum(y for _, y in with_units) / n) if n else (0, 0.0)


def _drawn(random: Random, n: int, rate: float) -> int:
    return sum(random.random() < rate for _ in range(n))
