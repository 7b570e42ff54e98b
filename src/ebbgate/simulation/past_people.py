"""The client's own units on past days, drawn anew for every simulated rollout: who they are, when they come, what they
do, and what a planted harm makes of it."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from ebbgate.core.metrics.contrast import TOTAL_PPM
from ebbgate.core.metrics.definition import Direction, Metric, MetricKind
from ebbgate.core.metrics.history import DAY_S, History
from ebbgate.simulation.array_blocks import EVENT_KINDS

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

US = 1_000_000  # microseconds in a second
UNITS_MOST = 20_000
"""Units drawn for one rollout; more change nothing but the time that it takes."""


class Past:
    """A history as arrays: one row a unit and day, in order of time. pairs: (numerator, denominator) of ratios."""

    def __init__(self, history: History, metrics: Sequence[Metric]) -> None:
        self.metrics = {metric.name: metric for metric in metrics}
        numbers = {unit: place for place, unit in enumerate(dict.fromkeys(row.unit for row in history.rows))}
        self.unit: Whole = np.array([numbers[row.unit] for row in history.rows], dtype=np.int64)
        self.at: Whole = np.array([round(row.at_s * US) for row in history.rows], dtype=np.int64)
        self.units = len(numbers)
        self.period = round(history.days * DAY_S) * US
        self.days = history.days
        self.sampled = history.sampled or 1.0
        self.x: dict[str, Array] = {}
        self.pairs: dict[str, Array] = {}
        for place, name in enumerate(history.metrics):
            if name in self.metrics:
                self._take(name, [row.values[place] for row in history.rows])

    def mean(self, name: str) -> float:
        """Of the observations there are; 0 without any."""
        seen = self.x[name][~np.isnan(self.x[name])]
        return float(seen.mean()) if len(seen) else 0.0

    def _take(self, name: str, values: Sequence[float | tuple[float, float] | None]) -> None:
        if self.metrics[name].kind is MetricKind.RATIO:
            pairs = [value if isinstance(value, tuple) else (np.nan, np.nan) for value in values]
            self.pairs[name] = np.array(pairs, dtype=np.float64).reshape(-1, 2)
            with np.errstate(invalid="ignore", divide="ignore"):
                self.x[name] = self.pairs[name][:, 0] / self.pairs[name][:, 1]
        else:
            self.x[name] = np.array([np.nan if value is None else value for value in values], dtype=np.float64)


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """What the new version does to one metric of those who have it, from their first look on. size: relative, > 0,
    always toward worse."""

    metric: str
    size: float


class Crowd:
    """The units of one simulated rollout: drawn with replacement from the past, each with a bucket of its own.

    base: whose past each has. is_held: kept from everything. rank: in [0, 1), who is exposed by attribute first.
    shift: the moment of the past with which the rollout begins.
    """

    def __init__(self, past: Past, rng: np.random.Generator, *, holdout: float) -> None:
        units = min(UNITS_MOST, max(1, round(past.units / past.sampled)))
        self.past, self.rng = past, rng
        self.bucket: Whole = np.sort(rng.integers(0, TOTAL_PPM, units))
        self.base: Whole = rng.integers(0, past.units, units)
        self.is_held: Flags = rng.random(units) < holdout
        self.rank: Array = rng.random(units)
        self.shift = int(rng.integers(0, past.period // (60 * US))) * 60 * US
        self._come: Whole = (past.at - self.shift) % past.period

    def after(self, begin: int) -> Whole:
        """When each row of the past happens for the first time from `begin` on: the past goes round and round."""
        return begin + (self._come - begin) % self.past.period

    def first_rows(self, after: Whole) -> Whole:
        """Of each unit of the past, its first row from then on; -1 for one without any."""
        best: Whole = np.full(self.past.units, np.iinfo(np.int64).max, dtype=np.int64)
        np.minimum.at(best, self.past.unit, after)
        rows: Whole = np.full(self.past.units, -1, dtype=np.int64)
        places = np.flatnonzero(after == best[self.past.unit])
        rows[self.past.unit[places]] = places
        return rows

    def observed(self, metric: Metric, rows: Whole, treated: Flags, harm: Planted | None) -> tuple[Array, Array]:
        """(values, pairs) of units by their rows; pairs is empty but for ratios. rows: one a unit, -1 for none."""
        pairs: Array = np.zeros((0, 2))
        x: Array = np.where(rows >= 0, self.past.x[metric.name][rows], np.nan)
        if metric.kind is MetricKind.RATIO:
            pairs = self.past.pairs[metric.name][rows]
        if harm is None or harm.metric != metric.name:
            return x, pairs
        if metric.kind is MetricKind.RATIO:
            above = np.where(treated, self._changed(metric, pairs[:, 0], harm.size, 0.0), pairs[:, 0])
            pairs = np.stack([above, pairs[:, 1]], axis=1)
            return above / pairs[:, 1], pairs
        return np.where(treated, self._changed(metric, x, harm.size, self.past.mean(metric.name)), x), pairs

    def _changed(self, metric: Metric, x: Array, size: float, mean: float) -> Array:
        """Everybody's values under the harm: events come about or fail by chance, sizes are multiplied."""
        rng, is_up = self.rng, metric.bad is Direction.INCREASE
        if metric.kind in EVENT_KINDS:
            if is_up:
                chance = min(1.0, size * mean / max(1.0 - mean, 1e-9))
                return np.where((x == 0) & (rng.random(len(x)) < chance), 1.0, x)
            return np.where((x == 1) & (rng.random(len(x)) < size), 0.0, x)
        if metric.kind in (MetricKind.COUNT, MetricKind.RATIO):
            whole = np.nan_to_num(x).astype(np.int64)
            kept = whole + rng.poisson(size * whole) if is_up else rng.binomial(whole, max(0.0, 1 - size))
            return np.where(np.isnan(x), x, kept.astype(np.float64))
        moved = x * (1 + size if is_up else 1 - size)
        return np.clip(moved, *metric.scale) if metric.scale is not None else moved
