"""Answers from an older snapshot than there is, which say so whatever protocol they go out by."""

from collections.abc import Mapping
from typing import Any, Protocol

from ebbgate.core.audiences import Bucketing
from ebbgate.core.flags.compiled import Timestamp
from ebbgate.core.flags.details import EvaluationDetails, ValueType, stale


class Evaluates(Protocol):
    """What answers callers: `core.flags.Evaluator`, or something around it."""

    @property
    def bucketing(self) -> Bucketing: ...

    def evaluate(
        self,
        flag_key: str,
        default: Any,
        context: Mapping[str, Any] | None,
        expected_type: ValueType | None,
        timestamp: Timestamp = None,
    ) -> EvaluationDetails: ...

    def evaluate_all(
        self, context: Mapping[str, Any] | None, *, timestamp: Timestamp = None
    ) -> dict[str, EvaluationDetails]: ...


class StaleEvaluator:
    """Gives OpenFeature's reason STALE to every answer that is none of the caller's own defaults."""

    def __init__(self, fresh: Evaluates) -> None:
        self._fresh = fresh

    @property
    def bucketing(self) -> Bucketing:
        return self._fresh.bucketing

    def evaluate(
        self,
        flag_key: str,
        default: Any,
        context: Mapping[str, Any] | None,
        expected_type: ValueType | None,
        timestamp: Timestamp = None,
    ) -> EvaluationDetails:
        return stale(self._fresh.evaluate(flag_key, default, context, expected_type, timestamp))

    def evaluate_all(
        self, context: Mapping[str, Any] | None, *, timestamp: Timestamp = None
    ) -> dict[str, EvaluationDetails]:
        found = self._fresh.evaluate_all(context, timestamp=timestamp)
        return {key: stale(details) for key, details in found.items()}
