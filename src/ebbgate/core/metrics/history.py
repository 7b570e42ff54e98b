"""What units did on past days, one observation of each metric: what a plan is tried on before it starts (RULES E7)."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from ebbgate.core.metrics.definition import Metric

Observation = float | tuple[float, float] | None
"""0 or 1 for shares and rates, (numerator, denominator) for ratios, None for a unit that gave none."""

DAY_S = 86_400.0
DAYS_MOST = 90
UNITS_MOST = 20_000


class HistoryRow(msgspec.Struct, frozen=True, array_like=True):
    """One unit on one day. unit: a number that stands for the unit on all days. at_s: seconds from the history's
    beginning to the unit's first event of the day, from which its windows count. values: in the order of the metrics.
    """

    unit: int
    at_s: float
    values: tuple[Observation, ...]

    @property
    def day(self) -> int:
        """0 for the first."""
        return int(self.at_s // DAY_S)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """days: whole days, the newest ends where every window had closed. sampled: share of the units that are in it.
    began_at: plan time; None where nobody says. rows: in order of (at_s, unit).
    """

    metrics: tuple[str, ...]
    days: int
    sampled: float = 1.0
    began_at: datetime | None = None
    rows: tuple[HistoryRow, ...] = ()

    @property
    def units(self) -> int:
        """Distinct units in it."""
        return len({row.unit for row in self.rows})


class HistoryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """metrics: as a plan has them. units: at most so many, drawn by a hash of their keys."""

    metrics: tuple[Metric, ...]
    days: int = 14
    units: int = 5_000

    def __post_init__(self) -> None:
        if not 1 <= self.days <= DAYS_MOST:
            raise ValueError(f"`days` is {self.days}; it is between 1 and {DAYS_MOST}")
        if not 1 <= self.units <= UNITS_MOST:
            raise ValueError(f"`units` is {self.units}; it is between 1 and {UNITS_MOST}")


def history_until(metrics: Sequence[Metric], watermark: datetime) -> datetime:
    """The newest time at which a unit may come by whose windows have all closed at the watermark."""
    slowest = slowest_metric(metrics)
    return watermark if slowest is None else watermark - slowest.window - slowest.lateness


def slowest_metric(metrics: Sequence[Metric]) -> Metric | None:
    """The one of events whose observation is known last, after its window and its lateness."""
    return max((m for m in metrics if m.is_of_events), key=lambda m: m.window + m.lateness, default=None)
