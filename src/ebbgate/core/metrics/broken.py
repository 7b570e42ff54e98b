"""A metric that cannot be computed: it is named and says nothing, and the others go on (RULES D5, F1, F2).

Its earlier evidence stands: harm that was shown stays shown, and limits that were passed stay passed. What is lost is
lost, so that nothing is concluded from a phase of which a part is missing: it is neither safe nor met.
"""

from datetime import datetime
from math import isfinite
from typing import Any

import msgspec

from ebbgate.core.metrics.analysis import Analysis, GoalAnalysis, GoalStanding, LimitAnalysis, LimitStanding, Verdict
from ebbgate.core.metrics.definition import Goal
from ebbgate.core.metrics.evidence import NotFiniteError
from ebbgate.core.metrics.evidence_types import MetricEvidence
from ebbgate.core.metrics.late import LateEvidence

BROKEN = "broken"
"""The reason code of a verdict, and of a goal's standing."""

WORDS_MAX = 200  # of an error's message: it may quote anything


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a metric that could not be computed. metric: or one that follows from it, as `name[value]`.
    phase: index in the plan, or one of AFTERWARDS. at: plan time of the first that was lost, None if it is not known.
    what: what broke."""

    metric: str
    phase: int
    at: datetime | None
    what: str


def what_broke(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:WORDS_MAX].removesuffix(": ")


def lost_of(broken: tuple[Broken, ...], metric: str, phase: int) -> Broken | None:
    """What was lost of a metric in a phase, or of what follows from it."""
    for one in broken:
        is_of = one.metric == metric or one.metric.startswith(f"{metric}[") or one.metric == f"{metric}.response"
        if one.phase == phase and is_of:
            return one
    return None


def sound(found: Any) -> Any:
    """An analysis itself. Raises NotFiniteError where one of its numbers is none."""
    if not _is_sound(found):
        raise NotFiniteError(f"an analysis of {found.metric} is not finite")
    return found


def _is_sound(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, tuple):
        return all(map(_is_sound, value))
    if isinstance(value, msgspec.Struct):
        return all(_is_sound(getattr(value, name)) for name in value.__struct_fields__)
    return True


def unconcluded(analysis: Analysis, lost: Broken) -> Analysis:
    """The analysis of a metric that lost a part of the phase: what it counted, and no conclusion but harm."""
    if analysis.verdict is Verdict.HARM:
        return analysis
    return msgspec.structs.replace(
        analysis,
        verdict=Verdict.UNDECIDED,
        why=BROKEN,
        words=words_of(analysis.metric, lost),
        estimate=None,
        interval=None,
        worsening=None,
        safe_bound=None,
        limits=tuple(map(_unproven, analysis.limits)),
        parts=(),
    )


def unjudged(
    metric: str,
    evidence: MetricEvidence | None,
    late: LateEvidence | None,
    limits: tuple[LimitAnalysis, ...],
    lost: Broken,
) -> Analysis:
    """The analysis of a metric whose evidence cannot be judged: of all that was shown before, harm and limits alone."""
    early = evidence is not None and evidence.harm_shown_at is not None
    shown = evidence if early else late
    analysis = Analysis(
        metric=metric,
        verdict=Verdict.HARM,
        why="crossed" if early else "late",
        words=f"{metric} got worse than tolerated, as was shown before; {words_of(metric, lost)}",
        limits=limits,
        newest_at=evidence.newest_at if evidence is not None else None,
    )
    if shown is None or shown.harm_shown_at is None:
        return unconcluded(msgspec.structs.replace(analysis, verdict=Verdict.UNDECIDED), lost)
    bound = shown.harm_bound if shown.harm_bound is not None and isfinite(shown.harm_bound) else None
    return msgspec.structs.replace(analysis, harm_shown_at=shown.harm_shown_at, harm_bound=bound)


def unknown(goal: Goal, lost: Broken) -> GoalAnalysis:
    """Where a goal stands that lost a part of the phase, or that cannot be judged."""
    name = goal.metric.name
    return GoalAnalysis(
        metric=name, standing=GoalStanding.UNKNOWN, target=goal.change, words=words_of(name, lost), why=BROKEN
    )


def words_of(metric: str, lost: Broken) -> str:
    since = f" since {lost.at:%Y-%m-%d %H:%M} UTC" if lost.at is not None else ""
    return f"{metric} cannot be computed{since}: {lost.what}; nothing is concluded from it in this phase"


def _unproven(limit: LimitAnalysis) -> LimitAnalysis:
    is_within = limit.standing is LimitStanding.WITHIN
    return msgspec.structs.replace(limit, standing=LimitStanding.UNDECIDED) if is_within else limit
