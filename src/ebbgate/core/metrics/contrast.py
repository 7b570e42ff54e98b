"""Which units are compared with which (RULES D1), as a value that any store can turn into a query."""

from datetime import datetime

import msgspec

from ebbgate.core.audiences import Bucketing
from ebbgate.core.metrics.definition import Metric

TOTAL_PPM = 1_000_000
"""Buckets of the rollout rule (RULES B2): a unit's bucket is in [0, TOTAL_PPM)."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Buckets `start <= bucket < end`."""

    start: int
    end: int

    @property
    def width(self) -> int:
        return max(0, self.end - self.start)


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """The units of one phase (or of the recovery check) and their arms.

    An exposure belongs to the phase if `version_from <= snapshot_version < version_to` (None: no end yet). A unit
    enters at its
    first such exposure. It is *treatment* if its bucket (of `<salt>:<unit>`) lies in `treatment` and it saw
    `treatment_variant`;
    *control* if in `control` and it saw `control_variant`; a *veteran* if it saw the treatment but lies in neither
    interval; *audience* if it
    was exposed by attribute (`audience_variant`). A unit seen with both values in the phase is *crossed* and excluded
    (RULES D5). In the
    recovery check both arms see the control variant, so `treatment_variant` equals `control_variant`.
    returning_from: with it, only units count that had an exposure with `returning_from <= snapshot_version <
    version_from`
    before (in the order of the log) they entered.
    is_external: another flag system assigns, so that the arm is the variant of the unit's first exposure, whatever its
    bucket; such exposures carry version 0. external_share: of treatment, as the plan expects it; None if nobody says.
    since: only exposures that were known from then on count.
    """

    rollout_id: str
    environment: str
    flag: str
    salt: str
    phase: int
    version_from: int
    version_to: int | None
    treatment: Interval
    control: Interval
    treatment_variant: str
    control_variant: str
    audience_variant: str
    returning_from: int | None = None
    bucketing: Bucketing = "v2"  # of the environment, when the rollout began
    is_external: bool = False
    external_share: float | None = None
    since: datetime | None = None

    @property
    def is_randomised(self) -> bool:
        """Whether the plan gives both arms units. Not whether any arrived."""
        if self.is_external:
            return True
        return self.treatment.width > 0 and self.control.width > 0

    @property
    def expected_share(self) -> float | None:
        """Share of treatment among the contrast's units; None where nothing is promised."""
        if self.is_external:
            return self.external_share
        return self.treatment.width / (self.treatment.width + self.control.width) if self.is_randomised else None


class LimitQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One absolute limit to count: observations of all exposed units of each arm, whatever their interval (RULES D1,
    G1).

    functions: values of the metric's `by` attribute, one LimitBlock each; empty: one block for all. A `by` whose limit
    names no functions is not split by its values: they are judged together.
    """

    metric: Metric
    limit: float
    functions: tuple[str, ...] = ()
