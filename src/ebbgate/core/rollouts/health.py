"""Whether the data of one look may be trusted, apart from what they say (RULES D5, F2, G2)."""

from datetime import timedelta
from math import sqrt

import msgspec

from ebbgate.core.metrics.analysis import SampleRatio
from ebbgate.core.metrics.arrivals import ArrivalAnalysis, VolumeAnalysis


class BrokenMetric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric that cannot be computed. words: since when, and what broke."""

    metric: str
    words: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The fitness of the data at one look.

    stale_for: machine time (RULES A1) since the log's newest heartbeat; None before the first. missing: gating
    guardrails that
    should have data by now and
    have none. crossed_share: units seen in both arms. exposed_share: measured share of active units exposed, None
    with too few; exposure_excess:
    by how much it may exceed the phase's exposure (RULES B1).
    killed_by: who switched the flag off while the rollout ran, and why; None while it is on. arrivals: of metrics with
    enough units, how late and how broken their events are in each arm; volume: whether treated units still come by.
    broken: guardrails and goals that cannot be computed.
    """

    sample_ratio: SampleRatio | None = None
    stale_for: timedelta | None = None
    missing: tuple[str, ...] = ()
    crossed_share: float = 0.0
    exposed_share: float | None = None
    exposure_excess: float = 0.01
    active_units: int = 0
    killed_by: str | None = None
    arrivals: tuple[ArrivalAnalysis, ...] = ()
    volume: VolumeAnalysis | None = None
    broken: tuple[BrokenMetric, ...] = ()


CROSSED_MAX = 0.01
"""Share of units seen in both arms above which a person must look (RULES D5)."""


def exposure_excess(exposure: float, active_units: int) -> float:
    """How far a measured exposure may lie above the plan's: max(1 pp, 3 standard errors) (RULES B1)."""
    if active_units <= 0:
        return 1.0
    return max(0.01, 3.0 * sqrt(exposure * (1.0 - exposure) / active_units))
