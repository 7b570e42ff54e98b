"""What a caller evaluates in: an environment, and perhaps one flag set of it, by flagd's selector."""

from typing import Any, NamedTuple

from ebbgate.core.flags.compiled import Timestamp
from ebbgate.core.flags.details import EvaluationDetails, ValueType
from ebbgate.core.flags.selector import parse_selector
from ebbgate.edge.guard import Grant, Guard
from ebbgate.edge.http import Scope, header
from ebbgate.edge.served import Served, ServedSnapshots


class Selection(NamedTuple):
    """A snapshot, or the flags of one set in it. flag_set: "" = flags without a set, None = all there are.

    A flag of another set is one that is not there.
    """

    served: Served
    flag_set: str | None

    @property
    def keys(self) -> frozenset[str]:
        """The flags that are there."""
        if self.flag_set is None:
            return self.served.own
        return self.served.flag_sets.get(self.flag_set, frozenset())

    def evaluate(
        self, key: str, context: dict[str, Any] | None, expected: ValueType | None, timestamp: Timestamp
    ) -> EvaluationDetails:
        """One flag; the value is None where the caller's default would stand."""
        if self.flag_set is not None and key not in self.keys:
            return EvaluationDetails(
                value=None,
                reason="ERROR",
                error_code="FLAG_NOT_FOUND",
                error_message=f"there is no flag {key!r} in flag set {self.flag_set!r}",
                metadata=self.served.metadata,
            )
        return self.served.evaluator.evaluate(key, None, context, expected, timestamp=timestamp)

    def evaluate_all(self, context: dict[str, Any] | None, timestamp: Timestamp) -> dict[str, EvaluationDetails]:
        """Every flag, by key, in the document's order."""
        results = self.served.evaluator.evaluate_all(context, timestamp=timestamp)
        if self.flag_set is None:
            return results
        keys = self.keys
        return {key: details for key, details in results.items() if key in keys}


class Selections:
    """Finds what a request is about."""

    def __init__(self, guard: Guard, snapshots: ServedSnapshots) -> None:
        self._guard = guard
        self._snapshots = snapshots

    def of(self, scope: Scope, grant: Grant, *, otherwise: str = "") -> Selection:
        """By the header `Flagd-Selector`, or else `otherwise`: its source is an environment, and goes before the query.

        Raises SelectorError, NotFoundError, NotReadyError, PermissionDeniedError, BadRequestError.
        """
        asked = header(scope, b"flagd-selector")
        selector = parse_selector(otherwise if asked is None else asked.decode("latin-1"))
        if selector.source is None:
            environment = self._guard.environment(scope, grant)
        else:
            environment = self._guard.environment_of(selector.source, grant)
        return Selection(self._snapshots.get(environment), selector.flag_set)
