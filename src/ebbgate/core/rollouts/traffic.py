"""How many people come, and what they do: what `plan power` reckons with, from past days or from given numbers (E7)."""

from collections.abc import Sequence
from math import floor, fsum, log, sqrt

import msgspec

from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.history import History, Observation
from ebbgate.core.metrics.reference import CAP_QUANTILE, nearest_rank

GIVEN_DAYS = 90
"""Days for which given numbers of new users are taken to go on."""


class MetricTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """One metric on past days, one observation a unit. share: of active units that have one. value: mean, share, ratio
    or quantile; None without observations. spread: the standard deviation of a unit as a share of the value; of the log
    for quantiles.
    """

    n: int
    share: float
    value: float | None = None
    spread: float | None = None


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """units_a_day: active on a day, on average. reach: distinct units within 1, 2, ... days: people return, so it grows
    less than the days. metrics: by name; empty where only numbers were given.
    """

    days: int
    units_a_day: float
    reach: tuple[float, ...]
    metrics: dict[str, MetricTraffic] = {}

    def distinct(self, days: float) -> float:
        """Expected distinct units within so many days; beyond what is known nobody new is counted on."""
        if days <= 1 or not self.reach:
            return self.units_a_day * min(max(days, 0.0), 1.0)
        whole = min(floor(days), len(self.reach))
        before = self.reach[whole - 1]
        after = self.reach[min(whole, len(self.reach) - 1)]
        return before + (after - before) * min(1.0, max(0.0, days - whole))

    def days_for(self, units: float) -> float | None:
        """The fewest days within which so many distinct units come; None if they do not within what is known."""
        if units <= self.units_a_day:
            return units / self.units_a_day if self.units_a_day else None
        for whole, (before, after) in enumerate(zip(self.reach, self.reach[1:], strict=False), start=1):
            if after >= units:
                return whole + (units - before) / (after - before)
        return None


def given_traffic(users: int, new_users: int = 0) -> Traffic:
    """From two numbers: active users of a day, and those of a later day who had not come before."""
    days = GIVEN_DAYS if new_users else 1
    return Traffic(days=days, units_a_day=users, reach=tuple(users + new_users * float(day) for day in range(days)))


def traffic_of(history: History, metrics: Sequence[Metric]) -> Traffic:
    """What past days say. metrics: those of the plan. What not one unit has is left out: it may be new with the
    version, so that nothing is known of it.
    """
    scale = 1 / history.sampled if history.sampled else 0.0
    by_day: list[set[int]] = [set() for _ in range(history.days)]
    for row in history.rows:
        by_day[row.day].add(row.unit)
    places = {name: place for place, name in enumerate(history.metrics)}
    units = history.units
    seen = {m.name: _metric(m, _firsts(history, places[m.name]), units) for m in metrics if m.name in places}
    return Traffic(
        days=history.days,
        units_a_day=scale * fsum(len(day) for day in by_day) / history.days,
        reach=tuple(scale * _reach(by_day, days) for days in range(1, history.days + 1)),
        metrics={name: found for name, found in seen.items() if found.n},
    )


def _reach(by_day: Sequence[set[int]], days: int) -> float:
    """Distinct units within so many days, over all beginnings that leave as many."""
    sizes = [len(set[int]().union(*by_day[first : first + days])) for first in range(len(by_day) - days + 1)]
    return fsum(sizes) / len(sizes)


def _firsts(history: History, place: int) -> list[Observation]:
    """Each unit's first observation."""
    found: dict[int, Observation] = {}
    for row in history.rows:
        if row.values[place] is not None:
            found.setdefault(row.unit, row.values[place])
    return list(found.values())


def _metric(metric: Metric, observations: Sequence[Observation], units: int) -> MetricTraffic:
    seen = MetricTraffic(n=len(observations), share=len(observations) / units if units else 0.0)
    if len(observations) < 2:
        return seen
    value, spread = _ratio(observations) if metric.kind is MetricKind.RATIO else _single(metric, observations)
    return msgspec.structs.replace(seen, value=value, spread=spread)


def _ratio(observations: Sequence[Observation]) -> tuple[float | None, float | None]:
    pairs = [pair for pair in observations if isinstance(pair, tuple)]
    below = fsum(pair[1] for pair in pairs)
    ratio = fsum(pair[0] for pair in pairs) / below if below else None
    if not ratio:
        return ratio, None
    residuals = fsum((above - ratio * trials) ** 2 for above, trials in pairs)
    return ratio, sqrt(residuals / (len(pairs) - 1)) / (below / len(pairs)) / ratio


def _single(metric: Metric, observations: Sequence[Observation]) -> tuple[float | None, float | None]:
    values = sorted(value for value in observations if isinstance(value, float | int))
    if metric.cap is not None:  # the plan says what values above count as
        values = [min(value, metric.cap) for value in values]
    if metric.kind is MetricKind.QUANTILE:
        assert metric.quantile is not None, metric.name
        positive = [log(value) for value in values if value > 0]
        return nearest_rank(values, metric.quantile), _deviation(positive) if len(positive) > 1 else None
    mean = fsum(values) / len(values)
    # Where the plan gives no cap, the bounds take values above one that is learned as the cap: their spread counts.
    cap = nearest_rank(values, CAP_QUANTILE) or values[-1] if metric.cap is None else metric.cap
    return mean, _deviation([min(value, cap) for value in values]) / abs(mean) if mean else None


def _deviation(values: Sequence[float]) -> float:
    mean = fsum(values) / len(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
