"""Each metric by itself: what breaks in reading, folding or judging one keeps none of the others from theirs."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from ebbgate.core.metrics import Analysis, Goal, GoalAnalysis, Guardrail, LimitAnalysis
from ebbgate.core.metrics.broken import (
    Broken,
    lost_of,
    sound,
    unconcluded,
    unjudged,
    unknown,
    what_broke,
)
from ebbgate.ports.control_store import Evidence

Kept = TypeVar("Kept")

DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What the same data make fail again. Anything else, as a store that does not answer, ends the look: the next one
reads the same span, and nothing is lost."""


class OfMetric(Protocol):
    """A block of any kind."""

    @property
    def metric(self) -> str: ...
    @property
    def phase(self) -> int: ...
    @property
    def closed_at(self) -> datetime: ...


class Isolation:
    """What could not be computed, each metric's first in each phase. before: what is known already."""

    def __init__(self, before: Iterable[Broken] = ()) -> None:
        self._found = {(one.metric, one.phase): one for one in before}

    @property
    def found(self) -> tuple[Broken, ...]:
        return tuple(self._found.values())

    def note(self, one: Broken) -> None:
        self._found.setdefault((one.metric, one.phase), one)

    def folded(self, block: OfMetric, before: Kept, work: Callable[[], Kept]) -> Kept:
        """What a fold gives; what there was before it where it breaks. A lack of memory is no block's doing."""
        try:
            return work()
        except MemoryError:
            raise
        except Exception as error:
            self.note(Broken(metric=block.metric, phase=block.phase, at=block.closed_at, what=what_broke(error)))
            return before

    def read(self, metric: str, phase: int, at: datetime, work: Callable[[], list[Kept]]) -> list[Kept]:
        """The blocks that a metric's query gives; none where the data themselves make it fail. at: plan time."""
        try:
            return work()
        except DEFECTS as error:
            self.note(Broken(metric=metric, phase=phase, at=at, what=what_broke(error)))
            return []


def judged(
    guardrail: Guardrail,
    evidence: Evidence,
    *,
    phase: int,
    work: Callable[[], Analysis],
    limits: Callable[[], tuple[LimitAnalysis, ...]],
) -> Analysis:
    """What a guardrail's evidence says, or that it cannot be told. limits: what its absolute limits say by
    themselves."""
    name = guardrail.metric.name
    lost = lost_of(evidence.broken, name, phase)
    try:
        analysis: Analysis = sound(work())
    except MemoryError:
        raise
    except Exception as error:
        broken = lost or _now(evidence, name, phase, error)
        return unjudged(name, evidence.metrics.get(name), evidence.late.get(name), _limits(limits), broken)
    return analysis if lost is None else unconcluded(analysis, lost)


def goal_judged(goal: Goal, evidence: Evidence, *, phase: int, work: Callable[[], GoalAnalysis]) -> GoalAnalysis:
    """Where a goal stands; unknown where it cannot be told."""
    name = goal.metric.name
    lost = lost_of(evidence.broken, name, phase)
    try:
        analysis: GoalAnalysis = sound(work())
    except MemoryError:
        raise
    except Exception as error:
        return unknown(goal, lost or _now(evidence, name, phase, error))
    return analysis if lost is None else unknown(goal, lost)


def _limits(work: Callable[[], tuple[LimitAnalysis, ...]]) -> tuple[LimitAnalysis, ...]:
    try:
        found: tuple[LimitAnalysis, ...] = tuple(map(sound, work()))
    except MemoryError:
        raise
    except Exception:  # the metric is told to be broken already
        return ()
    return found


def _now(evidence: Evidence, metric: str, phase: int, error: Exception) -> Broken:
    """Of evidence that is there and cannot be judged. Its newest data tell since when, so that a replay says the
    same."""
    found = evidence.metrics.get(metric) or evidence.goals.get(metric)
    reading = evidence.readings.get(metric)
    at = found.newest_at if found is not None else None
    if at is None and reading is not None and reading.newest is not None:
        at = reading.newest.closed_at
    return Broken(metric=metric, phase=phase, at=at, what=what_broke(error))
