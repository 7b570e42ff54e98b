"""Numbers that are read, of a release or from a source: nothing is compared, and absolute limits alone hold for them.

There is no sample behind such a number, so that no chance is spent on it: it is beyond its limit, or it is not.
"""

from datetime import datetime

import msgspec

from ebbgate.core.metrics.analysis import Analysis, LimitAnalysis, LimitStanding, Verdict
from ebbgate.core.metrics.definition import Direction, Guardrail, Metric, MetricKind
from ebbgate.core.metrics.display import format_value


class ReadingBlock(msgspec.Struct, frozen=True, kw_only=True):
    """One reading. closed_at: plan time that it speaks of. None: that arm has none."""

    metric: str
    phase: int
    closed_at: datetime
    treatment: float | None = None
    control: float | None = None


class ReadingEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The newest reading. beyond_since: since when every reading was beyond the critical limit, alone or in both arms.
    is_own: whether the old version was within it when that began (RULES F4)."""

    newest: ReadingBlock | None = None
    readings: int = 0
    beyond_since: datetime | None = None
    is_own: bool = True


class SourceFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A source that gives no answer for a metric, or none that can be understood. since: plan time of the first look
    at which it did not. error: what became of the newest question."""

    metric: str
    source: str
    since: datetime
    error: str


def is_only_read(metric: Metric) -> bool:
    """Whether it is a number of the release, or one that a source gives without counts."""
    return metric.kind is MetricKind.BUILD or (metric.query is not None and metric.query.denominator is None)


def with_requests(metric: Metric, analysis: Analysis) -> Analysis:
    """What a source counted are requests, and its words say so."""
    if metric.query is None:
        return analysis
    note = f"{analysis.words} (by requests from {metric.query.source}, not by users)"
    return msgspec.structs.replace(analysis, words=note)


def fold_reading(guardrail: Guardrail, evidence: ReadingEvidence, block: ReadingBlock) -> ReadingEvidence:
    """The evidence with one more reading, in order of time."""
    critical = guardrail.critical
    since, is_own = evidence.beyond_since, evidence.is_own
    if critical is None or not _is_beyond(guardrail, block.treatment, critical.value):
        since, is_own = None, True
    elif since is None:
        since, is_own = block.closed_at, not _is_beyond(guardrail, block.control, critical.value)
    return ReadingEvidence(newest=block, readings=evidence.readings + 1, beyond_since=since, is_own=is_own)


def judge_reading(guardrail: Guardrail, evidence: ReadingEvidence | None) -> Analysis:
    """Where the number stands. It never applies to the comparison of versions (RULES F1)."""
    metric, newest = guardrail.metric, evidence.newest if evidence is not None else None
    if evidence is None or newest is None or newest.treatment is None:
        what = "the release has no such number" if metric.kind is MetricKind.BUILD else "nothing was read yet"
        return Analysis(
            metric=metric.name, verdict=Verdict.NOT_APPLICABLE, why="no_reading", words=f"{metric.name}: {what}"
        )
    value = f"{metric.name} is {format_value(metric, newest.treatment)}"
    if newest.control is not None:
        value = f"{value}, the old version's {format_value(metric, newest.control)}"
    origin = "measured on the release" if metric.kind is MetricKind.BUILD else "read, not compared: by no users"
    return Analysis(
        metric=metric.name,
        verdict=Verdict.NOT_APPLICABLE,
        why="build" if metric.kind is MetricKind.BUILD else "reading",
        words=f"{value} ({origin})",
        treatment_n=evidence.readings,
        control_n=0 if newest.control is None else evidence.readings,
        treatment_value=newest.treatment,
        control_value=newest.control,
        limits=_limits(guardrail, evidence, newest),
        newest_at=newest.closed_at,
    )


def _limits(guardrail: Guardrail, evidence: ReadingEvidence, newest: ReadingBlock) -> tuple[LimitAnalysis, ...]:
    found: list[LimitAnalysis] = []
    if (critical := guardrail.critical) is not None:
        since = evidence.beyond_since
        is_breached = since is not None and newest.closed_at - since >= critical.sustained
        standing = LimitStanding.UNDECIDED if since is not None else LimitStanding.WITHIN
        found.append(
            _limit(
                guardrail,
                critical.value,
                LimitStanding.BREACHED if is_breached else standing,
                evidence,
                is_critical=True,
                is_own=evidence.is_own,
            )
        )
    if guardrail.limit is not None:
        is_beyond = _is_beyond(guardrail, newest.treatment, guardrail.limit)
        standing = LimitStanding.BREACHED if is_beyond else LimitStanding.WITHIN
        is_own = not _is_beyond(guardrail, newest.control, guardrail.limit)
        found.append(_limit(guardrail, guardrail.limit, standing, evidence, is_critical=False, is_own=is_own))
    return tuple(found)


def _limit(
    guardrail: Guardrail,
    limit: float,
    standing: LimitStanding,
    evidence: ReadingEvidence,
    *,
    is_critical: bool,
    is_own: bool,
) -> LimitAnalysis:
    return LimitAnalysis(
        metric=guardrail.metric.name,
        function="",
        limit=limit,
        is_critical=is_critical,
        standing=standing,
        attributable=is_own,
        treatment_n=evidence.readings,
        treatment_share=None,
        control_share=None,
        log_e=0.0,
        threshold=0.0,
        window_opened_at=evidence.beyond_since if is_critical else None,
        value=evidence.newest.treatment if evidence.newest is not None else None,
    )


def _is_beyond(guardrail: Guardrail, value: float | None, limit: float) -> bool:
    """A limit is exclusive: `< 500KB` is passed by 500 KB."""
    if value is None:
        return False
    return value >= limit if guardrail.metric.bad is Direction.INCREASE else value <= limit
