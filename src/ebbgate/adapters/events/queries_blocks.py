"""From observations to the numbers of a block (core/metrics/blocks), written once in Ibis.

OBSERVATIONS holds one block's rows of `queries.observations`; TERMS one row with the block's cap, or its limit;
THRESHOLDS its thresholds, by place.
"""

from math import log

import ibis
from ibis import _
from ibis.expr.types import Table

from ebbgate.adapters.events.queries import CONTROL, TREATMENT
from ebbgate.core.metrics.blocks import BET_SIZES, SKETCH_BASE, SKETCH_ZERO
from ebbgate.core.metrics.reference import REFERENCE_KEPT

OBSERVATIONS = ibis.table(
    {"unit": "string", "bucket": "int64", "arm": "int8", "close": "int64", "x": "float64", "y": "float64"},
    name="observations",
)
TERMS = ibis.table({"cap": "float64"}, name="terms")
THRESHOLDS = ibis.table({"place": "int64", "threshold": "float64"}, name="thresholds")


def proportions() -> Table:
    """arm, n, y."""
    return OBSERVATIONS.group_by("arm").agg(n=_.count(), y=_.x.sum())


def beyond() -> Table:
    """arm, n, y: units, and those whose value (of ratios: x / y) is above the limit in TERMS."""
    limit = TERMS.cap.as_scalar()
    judged = OBSERVATIONS.mutate(is_beyond=ibis.coalesce(_.x / _.y, _.x) > limit)
    return judged.group_by("arm").agg(n=_.count(), y=_.is_beyond.sum())


def pairs() -> Table:
    """arm, n, the sums of PairMoments, and units whose numerator is > 0."""
    return OBSERVATIONS.group_by("arm").agg(
        n=_.count(),
        numerator=_.x.sum(),
        denominator=_.y.sum(),
        numerator_squares=(_.x * _.x).sum(),
        denominator_squares=(_.y * _.y).sum(),
        products=(_.x * _.y).sum(),
        any_y=(_.x > 0).sum(),
    )


def moments(is_planned: int) -> Table:
    """arm, n, total and squares of capped values, and of the raw ones. A cap of 0 caps nothing.

    is_planned: 1 where the plan gives the cap, so that the raw ones are what the plan counts, too; else 0.
    """
    cap = TERMS.cap.as_scalar()
    capped = _counted(is_planned).mutate(capped=ibis.cases((cap > 0, ibis.least(_.x, cap)), else_=_.x))
    return capped.group_by("arm").agg(
        n=_.count(),
        total=_.capped.sum(),
        squares=(_.capped * _.capped).sum(),
        raw_total=_.x.sum(),
        raw_squares=(_.x * _.x).sum(),
    )


def wealth(sign: int) -> Table:
    """One row: for each bet the log wealth, null without both arms; the larger arm is dealt evenly over the smaller.

    sign: 1 if an increase is bad, else -1. TERMS.cap must be > 0.
    """
    cap = TERMS.cap.as_scalar()
    everyone = ibis.window()
    dealt = OBSERVATIONS.mutate(
        within=ibis.greatest(ibis.least(_.x, cap), 0.0),
        place=ibis.row_number().over(group_by="arm", order_by=["bucket", "unit"]),
        treated_n=(_.arm == TREATMENT).sum().over(everyone),
        control_n=(_.arm == CONTROL).sum().over(everyone),
    )
    dealt = dealt.mutate(
        few=ibis.least(_.treated_n, _.control_n),
        many=ibis.greatest(_.treated_n, _.control_n),
        is_many=(_.arm == CONTROL) == (_.treated_n <= _.control_n),
        turn=ibis.cases((_.treated_n <= _.control_n, sign), else_=-sign),
    )
    shared = dealt.filter(_.few > 0).mutate(share=ibis.cases((_.is_many, (_.place * _.few) // _.many), else_=_.place))
    met = shared.group_by("share", "turn").agg(
        one=_.within.sum(where=~_.is_many), others=_.within.mean(where=_.is_many)
    )
    gaps = met.mutate(gap=_.turn * (_.one - _.others) / cap)
    return gaps.agg(**{f"wealth_{place}": (1 + bet * _.gap).ln().sum() for place, bet in enumerate(BET_SIZES)})


def _counted(is_planned: int) -> Table:
    """The observations; where the plan gives the cap, values above count as the cap in all that is computed."""
    return OBSERVATIONS.mutate(x=ibis.least(_.x, TERMS.cap.as_scalar())) if is_planned else OBSERVATIONS


def ranks(is_planned: int) -> Table:
    """One row: treated n, control n, score, and the sum of squared centred ranks (analysis.md 1.7); nulls if empty.

    is_planned: 1 where the plan gives the cap in TERMS; else 0.
    """
    tied = _counted(is_planned).group_by("x").agg(tied=_.count(), treated=(_.arm == TREATMENT).sum())
    placed = tied.mutate(
        n=_.tied.sum().over(ibis.window()),
        upto=_.tied.sum().over(ibis.cumulative_window(order_by="x")),
    )
    scaled = placed.mutate(scaled=(_.upto - _.tied + (_.tied + 1) / 2 - (_.n + 1) / 2) / _.n)
    return scaled.agg(
        treated_n=_.treated.sum(),
        control_n=(_.tied - _.treated).sum(),
        score=(_.treated * _.scaled).sum(),
        squares=(_.tied * _.scaled * _.scaled).sum(),
    )


def above() -> Table:
    """place, arm, units strictly above the threshold."""
    joined = OBSERVATIONS.cross_join(THRESHOLDS).filter(_.x > _.threshold)
    return joined.group_by("place", "arm").agg(n=_.count())


def sketch() -> Table:
    """arm, bin, n."""
    positive = ibis.cases((_.x > 0, _.x), else_=1.0)
    bins = ibis.cases((_.x > 0, (positive.ln() / log(SKETCH_BASE)).floor().cast("int64")), else_=SKETCH_ZERO)
    return OBSERVATIONS.mutate(bin=bins).group_by("arm", "bin").agg(n=_.count()).order_by("arm", "bin")


def newest_control() -> Table:
    """close, x of the newest control observations, newest first."""
    newest = OBSERVATIONS.filter(_.arm == CONTROL).order_by(ibis.desc("close"), ibis.desc("bucket"), ibis.desc("unit"))
    return newest.limit(REFERENCE_KEPT).select("close", "x")
