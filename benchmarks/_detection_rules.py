"""The rules that look at the same minutes: ebbgate, the SPRT that it is measured by, and how others decide.

Each rule says after a minute whether it would take the version back. All but the SPRT and the fixed thresholds know
neither the effect nor the baseline.
"""

from datetime import UTC, datetime, timedelta
from math import exp, log, log1p, sqrt
from typing import Protocol

import numpy as np
from _detection_streams import Array, Case, Minute, tail_log_ratio

from ebbgate.core.metrics import Direction, MetricKind, fold, start
from ebbgate.core.stats import log_normaliser
from ebbgate.demo.others import FAILURE_LIMIT, MANN_WHITNEY_POINTS, MANN_WHITNEY_Z, growthbook_reach
from ebbgate.simulation import array_blocks as blocks

ALPHA = 0.05
START = datetime(2026, 1, 5, tzinfo=UTC)
REFERENCE = 10_000


class Rule(Protocol):
    """One rollout's rule; made anew for each."""

    def look(self, minute: Minute) -> bool:
        """Whether it takes the version back now."""
        ...


def values_of(case: Case, rows: Array) -> Array:
    """One number a unit, for rules that know no ratios: a unit's clicks over its views."""
    return rows[:, 0] / rows[:, 1] if case.kind is MetricKind.RATIO else rows


class Ebbgate:
    """The product's own evidence (core/metrics/evidence), fed with a block a minute, the whole alpha on one metric."""

    def __init__(self, case: Case) -> None:
        self._guardrail = case.guardrail
        self._evidence = start(case.guardrail, alpha=ALPHA)
        self._control = np.empty(0)
        self._closes = np.empty(0)

    def look(self, minute: Minute) -> bool:
        self._evidence = fold(self._guardrail, self._evidence, self._block(minute))
        if self._guardrail.metric.kind in (MetricKind.MEAN, MetricKind.QUANTILE):
            self._control = np.concatenate([self._control, minute.control])[-REFERENCE:]
            closes = np.full(len(minute.control), minute.number + 1)
            self._closes = np.concatenate([self._closes, closes])[-REFERENCE:]
        return self._evidence.harm_shown_at is not None

    def _block(self, minute: Minute):
        metric, opened = self._guardrail.metric, START + timedelta(minutes=minute.number)
        head = {"metric": metric.name, "phase": minute.phase, "opened_at": opened}
        head["closed_at"] = opened + timedelta(minutes=1)
        if metric.kind is MetricKind.RATE:
            return blocks.proportion(head, minute.treatment, minute.control)
        if metric.kind is MetricKind.RATIO:
            return blocks.ratio(head, minute.treatment, minute.control)
        if metric.kind is MetricKind.MEAN:
            return blocks.mean(head, metric, blocks.cap(metric, self._control), minute.treatment, minute.control)
        limits = blocks.thresholds(self._closes, self._control, minute.number - 30)
        return blocks.quantile(head, limits, minute.treatment, minute.control)


class Sprt:
    """Wald's test for the true effect, at 1 / ALPHA: the yardstick. It knows the effect, and where values are
    log-normal their sigma; it does not know the baseline, but for the tail alone, where it knows that, too."""

    def __init__(self, case: Case) -> None:
        self._case, self._log_e = case, 0.0

    def look(self, minute: Minute) -> bool:
        if self._case.kind is MetricKind.RATE:
            self._log_e += self._rate(minute)
        elif self._case.has_tail:
            self._log_e += tail_log_ratio(minute.treatment, self._case.baseline)
        else:
            self._log_e += self._shift(minute)
        return self._log_e >= log(1 / ALPHA)

    def _rate(self, minute: Minute) -> float:
        n, m = len(minute.treatment), len(minute.control)
        y = int(minute.treatment.sum())
        events = y + int(minute.control.sum())
        effect = self._case.effect
        return y * log(effect) + log_normaliser(n, m, events, 1.0) - log_normaliser(n, m, events, effect)

    def _shift(self, minute: Minute) -> float:
        n, m = len(minute.treatment), len(minute.control)
        units, shift = n * m / (n + m), log(self._case.effect)
        gap = float(np.log(minute.treatment).mean() - np.log(minute.control).mean())
        return (shift * units * gap - shift * shift * units / 2) / self._case.sigma**2


class FixedThreshold:
    """As Argo Rollouts and Flagger decide: each minute's value of the new version alone against a threshold; the fifth
    bad minute in all takes it back. It knows the baseline: the threshold is a rate of five times it, or a value 20 %
    worse."""

    def __init__(self, case: Case) -> None:
        self._case, self._failures = case, 0
        worse = 1 if case.guardrail.metric.bad is Direction.INCREASE else -1
        factor = 5.0 if case.kind is MetricKind.RATE else 1 + 0.2 * worse
        self._worse = worse
        self._threshold = case.baseline * factor

    def look(self, minute: Minute) -> bool:
        values = values_of(self._case, minute.treatment)
        found = float(np.median(values)) if self._case.kind is MetricKind.QUANTILE else float(values.mean())
        if self._case.kind is MetricKind.QUANTILE:
            found *= exp(self._case.sigma**2 / 2)  # the baseline is a mean
        self._failures += self._worse * (found - self._threshold) > 0
        return self._failures > FAILURE_LIMIT


class RepeatedMannWhitney:
    """As Kayenta decides: the arms' values minute by minute, as two samples of points, in a Mann-Whitney test at 99 %
    in the bad direction; from 50 points on, asked again every minute, with nothing for asking often."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._worse = 1 if case.guardrail.metric.bad is Direction.INCREASE else -1
        self._points: tuple[list[float], list[float]] = ([], [])

    def look(self, minute: Minute) -> bool:
        for points, arm in zip(self._points, (minute.treatment, minute.control), strict=True):
            values = values_of(self._case, arm)
            is_latency = self._case.kind is MetricKind.QUANTILE
            points.append(float(np.quantile(values, 0.95)) if is_latency else float(values.mean()))
        n = len(self._points[0])
        if n < MANN_WHITNEY_POINTS:
            return False
        score, variance = blocks.ranks(np.array(self._points[0]), np.array(self._points[1]))
        return variance > 0 and self._worse * score / sqrt(variance) > MANN_WHITNEY_Z


class _Pooled:
    """Means of all units so far, phases thrown together, as sequential tests of whole experiments do."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._worse = 1 if case.guardrail.metric.bad is Direction.INCREASE else -1
        self._sums = np.zeros((2, 3))

    def add(self, minute: Minute) -> tuple[float, float, int] | None:
        """Estimate toward harm, its variance, and the units of both arms."""
        for place, arm in enumerate((minute.treatment, minute.control)):
            values = values_of(self._case, arm)
            self._sums[place] += len(values), values.sum(), (values * values).sum()
        n, total, squares = self._sums.T
        mean = total / n
        variance = float((((squares - n * mean * mean) / (n - 1)) / n).sum())
        return (self._worse * float(mean[0] - mean[1]), variance, int(n.sum())) if variance > 0 else None


class GrowthBook(_Pooled):
    """GrowthBook's safe rollouts: the one-sided asymptotic confidence sequence of the difference of means, tuned for
    5,000 units of both arms (Waudby-Smith et al., arXiv 2103.06476)."""

    def look(self, minute: Minute) -> bool:
        found = self.add(minute)
        if found is None:
            return False
        value, variance, n = found
        return value - growthbook_reach(n, variance, alpha=ALPHA) > 0


class MixtureSprt(_Pooled):
    """mSPRT (Johari et al., arXiv 1512.04922), two-sided, for the difference of means: the prior's standard deviation
    is a tenth of the baseline, or half of it for rates, which it has to know."""

    def look(self, minute: Minute) -> bool:
        found = self.add(minute)
        if found is None:
            return False
        value, variance, _ = found
        share = 0.5 if self._case.kind is MetricKind.RATE else 0.1
        tau = (share * self._case.baseline) ** 2
        log_e = value * value * tau / (2 * variance * (variance + tau)) - 0.5 * log1p(tau / variance)
        return value > 0 and log_e >= log(1 / ALPHA)


RULES: dict[str, type] = {
    "ebbgate": Ebbgate,
    "sprt": Sprt,
    "fixed_threshold": FixedThreshold,
    "mann_whitney": RepeatedMannWhitney,
    "growthbook": GrowthBook,
    "msprt": MixtureSprt,
}
