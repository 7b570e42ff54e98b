"""A clock that a test sets, and snapshots."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ebbgate.core.clock import ClockMapping
from ebbgate.core.flags import LeaseTerms, RolloutRule, Snapshot, encode_snapshot, raw_document, render_rollout
from ebbgate.sdk.clock import SdkClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}


class FakeClock(SdkClock):
    """now: machine seconds since noon, which `monotonic` counts, too."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.monotonic = lambda: self.now

    def unix(self) -> float:
        return NOON.timestamp() + self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def a_snapshot() -> Callable[..., bytes]:
    """Flags: `old` (on, no rollout) and `new` (everybody is exposed, lease 60 s)."""

    def make(version: int = 1, *, flags: dict[str, Any] | None = None, **changes: Any) -> bytes:
        rule = RolloutRule(salt="r1", hash_ppm=1_000_000)
        settings: dict[str, Any] = {
            "version": version,
            "environment": "production",
            "flag_set": "app",
            "published_at": NOON,
            "clock": ClockMapping(origin_at=NOON, plan_origin_at=NOON),
            "document": raw_document({"flags": flags or {"old": FLAG, "new": render_rollout(FLAG, rule)}}),
            "leases": {"new": LeaseTerms(control_variant="off", server_lost_s=60)},
        }
        return encode_snapshot(Snapshot(**{**settings, **changes}))

    return make
