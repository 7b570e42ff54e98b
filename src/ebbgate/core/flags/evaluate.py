"""The evaluator: a document compiled once, then only called."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

from ebbgate.core.flags.details import EvaluationDetails, ValueType
from ebbgate.core.flags.document import FlagDocument
from ebbgate.core.flags.snapshot import Bucketing, Snapshot

Timestamp = int | Callable[[], int] | None
"""Unix seconds for `$flagd.timestamp`, or what gives them when a rule asks; None: such rules see null."""


class Evaluator:
    """Answers for one document. Immutable, hence safe for threads and asyncio without locks; swap it to change."""

    def __init__(
        self, document: FlagDocument | Snapshot | Mapping[str, Any] | bytes, *, bucketing: Bucketing | None = None
    ) -> None:
        """bucketing: by default the snapshot's, or v2. Raises FlagDocumentError."""
        raise NotImplementedError

    def evaluate(
        self,
        flag_key: str,
        default: Any,
        context: Mapping[str, Any] | None,
        expected_type: ValueType | None,
        *,
        timestamp: Timestamp = None,
    ) -> EvaluationDetails:
        """One flag for one context. Never raises, whatever the context holds."""
        raise NotImplementedError

    def evaluate_all(
        self, context: Mapping[str, Any] | None, *, timestamp: Timestamp = None
    ) -> dict[str, EvaluationDetails]:
        """Every flag for one context, by key; the value is None where the caller's default would stand."""
        raise NotImplementedError

    def with_forced(self, forced: Mapping[str, str], *, reason: Literal["STATIC", "STALE"] = "STATIC") -> Self:
        """The same flags, where each flag named serves that variant, whatever its state or rule (B7).

        reason: STATIC for a local kill, STALE for a lapsed lease. Keys that are no flag are ignored; a variant that
        does not exist gives the caller's default with GENERAL. A later call wins over an earlier one.
        """
        raise NotImplementedError
