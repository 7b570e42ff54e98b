"""One phase of one rollout, who its people are, and what a store says of it."""

from datetime import timedelta
from typing import Any

import pytest

from ebbgate.core.audiences import unit_bucket
from ebbgate.core.metrics.blocks import LimitBlock, ProportionBlock
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval, LimitQuery
from ebbgate.core.metrics.definition import Direction, HarmBy, Metric, MetricKind
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import minute

SALT = "lineage-1"
BEFORE, NOW = 100_000, 300_000
"""Buckets below the first were exposed in an earlier phase, from there to the second in this one."""


class Phase:
    """The second phase of a rollout. Names of people come in one order: the first of two are the first of three."""

    def contrast(self, **changes: Any) -> Contrast:
        fields: dict[str, Any] = {
            "rollout_id": "r1",
            "environment": "production",
            "flag": "newWidgets",
            "salt": SALT,
            "phase": 1,
            "version_from": 1,
            "version_to": None,
            "treatment": Interval(start=BEFORE, end=NOW),
            "control": Interval(start=NOW, end=TOTAL_PPM),
            "treatment_variant": "on",
            "control_variant": "off",
            "audience_variant": "on_audience",
        }
        return Contrast(**{**fields, **changes})

    def metric(self, kind: MetricKind = MetricKind.RATE, **changes: Any) -> Metric:
        """Window 10 minutes, lateness 2: a unit first exposed in minute m closes in minute m + 12."""
        has_trial = kind in (MetricKind.RATE, MetricKind.SHARE, MetricKind.RATIO)
        fields: dict[str, Any] = {
            "name": "errors",
            "kind": kind,
            "event": "api_error" if has_trial else "api_ms",
            "trial": "api_request" if has_trial else None,
            "bad": Direction.INCREASE,
            "harm": HarmBy.MEAN,
            "window": timedelta(minutes=10),
            "lateness": timedelta(minutes=2),
        }
        return Metric(**{**fields, **changes})

    def veterans(self, n: int = 1) -> list[str]:
        """People who were exposed in an earlier phase."""
        return _named(0, BEFORE, n)

    def treated(self, n: int = 1, *, prefix: str = "u") -> list[str]:
        """People who are newly exposed."""
        return _named(BEFORE, NOW, n, prefix=prefix)

    def controls(self, n: int = 1, *, prefix: str = "u") -> list[str]:
        """People who have never been exposed."""
        return _named(NOW, TOTAL_PPM, n, prefix=prefix)

    def block(self, store: EventStore, metric: Metric, opened: float = 0, closed: float = 30, **changes: Any) -> Any:
        """changes: of the contrast."""
        return store.block(self.contrast(**changes), metric, opened_at=minute(opened), closed_at=minute(closed))

    def rate_of(self, store: EventStore, opened: float = 0, closed: float = 30) -> tuple[int, int, int, int]:
        """(treatment n, y, control n, y) of the error rate."""
        got = self.block(store, self.metric(), opened, closed)
        assert isinstance(got, ProportionBlock)
        return got.treatment_n, got.treatment_y, got.control_n, got.control_y

    def limits(
        self, store: EventStore, opened: float, closed: float, metric: Metric | None = None, limit: float = 0.05
    ) -> tuple[int, int, int, int] | None:
        """(treatment n, y, control n, y) against a limit, or None without observations."""
        query = LimitQuery(metric=metric or self.metric(), limit=limit)
        blocks = store.limit_blocks(self.contrast(), query, opened_at=minute(opened), closed_at=minute(closed))
        counts = [(b.treatment_n, b.treatment_y, b.control_n, b.control_y) for b in blocks if isinstance(b, LimitBlock)]
        return counts[0] if counts else None


def _named(start: int, end: int, n: int, *, prefix: str = "u") -> list[str]:
    """The first n names whose bucket lies in that interval."""
    found: list[str] = []
    number = 0
    while len(found) < n:
        name = f"{prefix}{number}"
        if start <= unit_bucket(SALT, name) < end:
            found.append(name)
        number += 1
    return found


@pytest.fixture
def phase() -> Phase:
    return Phase()
