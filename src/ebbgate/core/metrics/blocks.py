"""Block summaries: all that the statistics ever see of the events (RULES D4, DESIGN section 7).

A block holds the units of one phase whose windows closed in `(opened_at, closed_at]`, one observation each; a block of
an absolute limit those that did something then. Any engine that can count, sum and rank can make them; the core never
sees a unit.
"""

from datetime import datetime

import msgspec

BET_SIZES = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6)
"""The bets of `MeanBlock.log_wealth`, in its order. Source: Waudby-Smith and Ramdas, arXiv 2010.09686."""

SKETCH_BASE = 1.02
"""A sketch's bin `i` holds the values in `[SKETCH_BASE**i, SKETCH_BASE**(i + 1))`; values <= 0 lie in bin
`SKETCH_ZERO`.
"""

SKETCH_ZERO = -100_000


class Moments(msgspec.Struct, frozen=True, kw_only=True):
    """n observations with their sum and sum of squares, in the metric's unit."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0


class PairMoments(msgspec.Struct, frozen=True, kw_only=True):
    """Moments of (numerator, denominator) pairs, one pair a unit."""

    n: int = 0
    numerator: float = 0.0
    denominator: float = 0.0
    numerator_squares: float = 0.0
    denominator_squares: float = 0.0
    products: float = 0.0


class Block(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every block says of itself. phase: index in the plan, from 0; the recovery check has the index RECOVERY."""

    metric: str
    phase: int
    opened_at: datetime
    closed_at: datetime


RECOVERY = -1
"""The phase index of blocks that compare the units formerly treated with those never treated (RULES H3)."""

RETURNED = -2
"""The same for those of them alone who had come by before the flag went off, so that they really saw their version."""

REDEPLOYED = -3
"""As RECOVERY, after the last stable release was deployed again: a new check with new observations."""

REDEPLOYED_RETURNED = -4
"""As RETURNED, after that."""

AFTERWARDS = frozenset({RECOVERY, RETURNED, REDEPLOYED, REDEPLOYED_RETURNED})
"""Phase indices of the checks after a rollback, which are no part of the plan."""


class ProportionBlock(Block, frozen=True, kw_only=True, tag="proportion"):
    """Shares and rates. n: units with an observation; y: those with the event."""

    treatment_n: int = 0
    treatment_y: int = 0
    control_n: int = 0
    control_y: int = 0


class MeanBlock(Block, frozen=True, kw_only=True, tag="mean"):
    """Means, counts and survey answers.

    treatment, control: moments of the values capped at `cap`. log_wealth: for each bet b of BET_SIZES, the sum over
    treated
    units of `log(1 + b * sign * D)`, D = (x - mean of the unit's share of the block's control units) / cap, in [-1,
    1], sign = +1
    if an increase is bad. rank_score, rank_variance: as in QuantileBlock. raw_*: sums, and sums of squares,
    of the values as they are; where the plan gives the cap, of what it counts them as, and so are the ranks (ADR 0012).
    """

    cap: float
    treatment: Moments = Moments()
    control: Moments = Moments()
    treatment_raw_total: float = 0.0
    control_raw_total: float = 0.0
    treatment_raw_squares: float = 0.0
    control_raw_squares: float = 0.0
    log_wealth: tuple[float, ...] = ()
    rank_score: float = 0.0
    rank_variance: float = 0.0


class RatioBlock(Block, frozen=True, kw_only=True, tag="ratio"):
    """Ratios, clustered by unit.

    *_any: units with a denominator; *_any_y: of those, units whose numerator is > 0. Both for display only: they
    follow the treatment's activity, so they are no evidence (RULES D3).
    """

    treatment: PairMoments = PairMoments()
    control: PairMoments = PairMoments()
    treatment_any: int = 0
    treatment_any_y: int = 0
    control_any: int = 0
    control_any_y: int = 0


class QuantileBlock(Block, frozen=True, kw_only=True, tag="quantile"):
    """Latencies.

    thresholds: quantiles of the control in *earlier* blocks (predictable), empty while there are too few; *_above:
    units of
    each arm strictly above each. rank_score: sum over treated units of (rank - (n + 1) / 2) / n in the joint ranking
    of the
    block (mid-ranks); rank_variance: its exact permutation variance. *_sketch: histogram, bin -> units (see
    SKETCH_BASE).
    """

    treatment_n: int = 0
    control_n: int = 0
    thresholds: tuple[float, ...] = ()
    treatment_above: tuple[int, ...] = ()
    control_above: tuple[int, ...] = ()
    rank_score: float = 0.0
    rank_variance: float = 0.0
    treatment_sketch: dict[int, int] = {}
    control_sketch: dict[int, int] = {}


class LimitBlock(Block, frozen=True, kw_only=True, tag="limit"):
    """Observations against an absolute limit (RULES G), all exposed units of a side, one function or endpoint at a
    time.

    One observation for each unit that did something: its first eligible event that happened in `(opened_at - delay,
    closed_at - delay]` after its first exposure in the phase (`limit_delay`; windowed kinds: its newest window that
    closed in the block). So a unit is observed again block after block, and the null is that the share among those
    who are there keeps to the limit.

    limit: the value tested; for rates y counts events, for all other kinds observations above the limit.
    function: one of the functions that the limit names, or "" for all together.
    """

    limit: float
    function: str = ""
    treatment_n: int = 0
    treatment_y: int = 0
    control_n: int = 0
    control_y: int = 0


AnyBlock = ProportionBlock | MeanBlock | RatioBlock | QuantileBlock | LimitBlock


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Units counted in one phase since its start, for the sample-ratio test and the data-quality rules (RULES D5).

    treatment, control: units in the randomised contrast. expected_share: of treatment, from the hash intervals.
    crossed: units seen
    in both arms. veterans: units exposed in an earlier phase. audience: units exposed by attribute. keyless:
    evaluations without key.
    dropped, late: events not counted (invalid value; after their window's lateness), by arm.
    """

    phase: int
    treatment: int = 0
    control: int = 0
    expected_share: float | None = None
    crossed: int = 0
    veterans: int = 0
    audience: int = 0
    keyless: int = 0
    treatment_dropped: int = 0
    control_dropped: int = 0
    treatment_late: int = 0
    control_late: int = 0
    excluded: int = 0  # units seen so far that the plan excludes; in none of the other numbers
