"""What the evidence says at one time."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """RULES F1. A goal's standing is another thing (GoalStanding)."""

    SAFE = "safe"
    HARM = "harm"
    UNDECIDED = "undecided"
    NOT_APPLICABLE = "not_applicable"  # no random contrast in this phase: from the plan, never from missing data


class GoalStanding(StrEnum):
    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


class LimitStanding(StrEnum):
    """Against an absolute limit."""

    WITHIN = "within"  # proven below
    BREACHED = "breached"  # proven above, for as long as the limit says
    UNDECIDED = "undecided"


class LimitAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """One absolute limit, one function. attributable: of a breach, whether it was the new version's doing when it began
    (RULES F4). window_opened_at: event time from which the breach may date, fixed when it is shown; before, of the
    trailing window. Compare it, not the time of the look, with an exposure step. value: what was read, of a number
    without observations: of a release or a source; then there are no shares.
    """

    metric: str
    function: str
    limit: float
    is_critical: bool
    standing: LimitStanding
    attributable: bool
    treatment_n: int
    treatment_share: float | None  # share of observations above the limit (or with the event)
    control_share: float | None
    log_e: float
    threshold: float  # log(1 / alpha) at which log_e crosses
    window_opened_at: datetime | None = None
    value: float | None = None


class LateStanding(StrEnum):
    """Of the late-harm test (RULES E3). The first two are told from the plan, never from missing data."""

    NO_CONTROL = "no_control"  # nobody is left who never had the new version: not applicable
    NOBODY_YET = "nobody_yet"  # nobody had it before this phase: not applicable
    NO_DATA = "no_data"
    NOT_SHOWN = "not_shown"
    SHOWN = "shown"


class LateDay(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One day of the late-harm test that is over."""

    phase: int
    day: int
    log_e: float
    threshold: float
    treatment_n: int
    control_n: int


class LateAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """People who had the new version before against people who never had it, on the newest day.

    epoch: number of that day among all that were tested, from 0. log_e, threshold, n, values, estimate, interval: of
    that day alone. harm_*: latched on whatever day it was shown.
    """

    standing: LateStanding
    words: str
    epoch: int = 0
    log_e: float = 0.0
    threshold: float = 0.0
    treatment_n: int = 0
    control_n: int = 0
    treatment_value: float | None = None
    control_value: float | None = None
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    harm_shown_at: datetime | None = None
    harm_bound: float | None = None
    newest_at: datetime | None = None
    trail: tuple[LateDay, ...] = ()  # the newest days before this one, oldest first


class TrailStep(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What one phase brought to the evidence. phase: index in the plan. n: units observed. estimate: of treatment -
    control there, in the metric's unit; phases are never pooled (RULES D1)."""

    phase: int
    treatment_n: int
    control_n: int
    estimate: float | None = None


class ClusteredRate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate over *all* requests of each unit, clustered by unit (RULES D3). It stands beside the exact test on each
    unit's first request, which alone decides: its numbers follow how much people do. n: units. log_e: of the score
    toward harm, which has no threshold.
    """

    treatment_n: int
    control_n: int
    treatment_value: float | None
    control_value: float | None
    estimate: float | None
    interval: tuple[float, float] | None
    log_e: float


class Outliers(msgspec.Struct, frozen=True, kw_only=True):
    """Few values that carry most of the spread. above: the cap that was learned, in the metric's unit; share: of the
    variance of all values, what goes when values above count as that."""

    above: float
    share: float


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """One metric's evidence at one time, for display and for `decide()`.

    why: reason code of the verdict (`not_proven`, `too_few`, `crossed`, ...). log_e: natural log of the harm
    e-process; harm is shown
    when it reached `threshold` = log(1 / (weight * alpha)) at any time (latched). estimate: of treatment - control,
    with an interval
    that holds at all times at once; relative: those as a share of control. safe_bound: one-sided anytime bound of the
    change toward harm, compared with
    `margin`; all in the metric's unit. *_value: None where there is nothing to say. words: one plain sentence.
    response: of a survey, the shares of users with the new and with the old version who answered, where they differ.
    """

    metric: str
    verdict: Verdict
    why: str
    words: str
    log_e: float = 0.0
    threshold: float = 0.0
    harm_shown_at: datetime | None = None
    harm_bound: float | None = None  # lower bound of the harm, toward harm, when it was shown
    treatment_n: int = 0
    control_n: int = 0
    treatment_value: float | None = None
    control_value: float | None = None
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    worsening: float | None = None  # the estimate turned so that positive is worse
    safe_bound: float | None = None
    margin: float | None = None
    limits: tuple[LimitAnalysis, ...] = ()
    newest_at: datetime | None = None  # close of the newest block
    late: LateAnalysis | None = None
    clustered: ClusteredRate | None = None
    parts: tuple["Analysis", ...] = ()  # each value of the metric's `by` alone, for display
    window: timedelta | None = None  # plan time that each unit was observed for
    trail: tuple[TrailStep, ...] = ()  # oldest phase first
    response: tuple[float, float] | None = None
    outliers: Outliers | None = None  # of a mean without a cap in the plan


class GoalAnalysis(msgspec.Struct, frozen=True, kw_only=True):
    """Where a goal stands. interval: of treatment / control - 1, valid at all times at once. why: `broken` where it
    cannot be computed, else empty."""

    metric: str
    standing: GoalStanding
    target: float
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    treatment_n: int = 0
    control_n: int = 0
    words: str = ""
    why: str = ""


class SampleRatio(msgspec.Struct, frozen=True, kw_only=True):
    """Do the arms have the sizes that the hash promised? fired: latched at alpha 0.001."""

    log_e: float
    fired: bool
    treatment: int
    control: int
    expected_share: float | None
