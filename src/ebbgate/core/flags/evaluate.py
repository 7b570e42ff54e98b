"""The evaluator: a document compiled once, then only called."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, Self

from ebbgate.core.audiences import Bucketing
from ebbgate.core.flags.compiled import CompiledFlag, Entry, Timestamp, enriched
from ebbgate.core.flags.details import EvaluationDetails, ValueType
from ebbgate.core.flags.document import FlagDocument, MetadataValue, parse_document
from ebbgate.core.flags.explain import Explanation, explain
from ebbgate.core.flags.snapshot import Snapshot

__all__ = ["Evaluator", "Timestamp"]

_Forced = tuple[str, Literal["STATIC", "STALE"]]


class Evaluator:
    """Answers for one document. Immutable for its users, hence safe for threads and asyncio without locks: to change
    flags, make another and swap the reference.

    Entries are made when a flag is first asked for by a type, and kept: by flag and type, never by context or result.
    Two threads may make the same one, which does no harm.
    """

    def __init__(
        self,
        document: FlagDocument | Snapshot | Mapping[str, Any] | bytes,
        *,
        bucketing: Bucketing | None = None,
        previous: Self | None = None,
    ) -> None:
        """bucketing: by default the snapshot's, or v2. previous: the evaluator that this one follows; flags that are
        the same in both keep their compiled code. Raises FlagDocumentError.
        """
        if isinstance(document, Snapshot):
            bucketing = bucketing or document.bucketing
            document = bytes(document.document)
        if not isinstance(document, FlagDocument):
            document = parse_document(document if isinstance(document, bytes) else dict(document))
        self.bucketing: Bucketing = bucketing or "v2"
        self.metadata: dict[str, MetadataValue] = document.metadata
        self._flags = {
            key: CompiledFlag(
                key, flag, metadata=document.metadata, evaluators=document.evaluators, bucketing=self.bucketing
            )
            for key, flag in document.flags.items()
        }
        self._forced: dict[str, _Forced] = {}
        self._tables = _empty_tables()
        if previous is not None:
            self._take_over(previous)

    @property
    def flag_keys(self) -> tuple[str, ...]:
        """Every flag, in the document's order."""
        return tuple(self._flags)

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
        entry = self._tables[expected_type].get(flag_key)
        if entry is None:
            if flag_key not in self._flags:
                return _not_found(flag_key, default, self.metadata)
            entry = self._entry(flag_key, expected_type)
        if entry.__class__ is EvaluationDetails:
            return entry
        return entry(default, context, timestamp)  # type: ignore[operator]

    def value(
        self,
        flag_key: str,
        default: Any,
        context: Mapping[str, Any] | None,
        expected_type: ValueType | None,
        *,
        timestamp: Timestamp = None,
    ) -> Any:
        """As `evaluate`, only the value."""
        entry = self._tables[expected_type].get(flag_key)
        if entry is None:
            return self.evaluate(flag_key, default, context, expected_type, timestamp=timestamp).value
        if entry.__class__ is EvaluationDetails:
            return entry.value
        return entry(default, context, timestamp).value  # type: ignore[operator]

    def evaluate_all(
        self, context: Mapping[str, Any] | None, *, timestamp: Timestamp = None
    ) -> dict[str, EvaluationDetails]:
        """Every flag for one context, by key; the value is None where the caller's default would stand."""
        table = self._tables[None]
        if context.__class__ is not dict:
            with suppress(Exception):  # a context that cannot be read: each rule says so itself
                context = dict(context or ())
        answers: dict[str, EvaluationDetails] = {}
        for key in self._flags:  # not the table: its order depends on what was asked before
            entry = table.get(key) or self._entry(key, None)
            answers[key] = entry if entry.__class__ is EvaluationDetails else entry(None, context, timestamp)  # type: ignore[operator]
        return answers

    def explain(self, flag_key: str, context: Mapping[str, Any] | None, *, timestamp: Timestamp = None) -> Explanation:
        """How the answer for a context comes about: the path through the rule, as data and as lines."""
        now = timestamp() if callable(timestamp) else timestamp
        details = self.evaluate(flag_key, None, context, None, timestamp=now)
        flag = self._flags.get(flag_key)
        # A forced flag has a rule that nothing asks.
        rule = None if flag is None or flag_key in self._forced else flag.rule
        data: dict[str, Any] = {}
        if rule is not None and details.error_code != "PARSE_ERROR":
            data = enriched(context, flag_key, now)
        return explain(
            flag_key, details, rule, data, bucketing=self.bucketing, evaluators=flag.evaluators if flag else {}
        )

    def with_forced(self, forced: Mapping[str, str], *, reason: Literal["STATIC", "STALE"] = "STATIC") -> Self:
        """The same flags, where each flag named serves that variant, whatever its state or rule (B7).

        reason: STATIC for a local kill, STALE for a lapsed lease. Keys that are no flag are ignored; a variant that
        does not exist gives the caller's default with GENERAL. A later call wins over an earlier one.
        """
        other = type(self).__new__(type(self))
        other.bucketing, other.metadata, other._flags = self.bucketing, self.metadata, self._flags
        other._forced = {**self._forced, **{key: (name, reason) for key, name in forced.items() if key in self._flags}}
        other._tables = _empty_tables()
        return other

    def _take_over(self, previous: Self) -> None:
        """Keep the code of flags that did not change, and what was made of it, unless it was forced."""
        same_evaluators: dict[
            int, bool
        ] = {}  # by the old flag's: flags that were taken over have those of their document
        for key, flag in self._flags.items():
            old = previous._flags.get(key)
            if old is None:
                continue
            shared = id(old.evaluators)
            if shared not in same_evaluators:
                same_evaluators[shared] = repr(old.evaluators) == repr(flag.evaluators)
            if old.says_the_same(flag, same_evaluators=same_evaluators[shared]):
                self._flags[key] = old
                if key not in previous._forced:
                    for expected, table in previous._tables.items():
                        if entry := table.get(key):
                            self._tables[expected][key] = entry

    def _entry(self, flag_key: str, expected_type: ValueType | None) -> Entry:
        table = self._tables[expected_type]
        if flag_key not in table:
            flag = self._flags[flag_key]
            if forced := self._forced.get(flag_key):
                table[flag_key] = flag.forced(*forced, expected_type)
            else:
                try:
                    table[flag_key] = flag.entry(expected_type)
                except RecursionError:  # the host's stack is nearly used up: not kept, it may be better next time
                    return flag.too_deep()
        return table[flag_key]


def _empty_tables() -> dict[ValueType | None, dict[str, Entry]]:
    return {None: {}, "boolean": {}, "string": {}, "integer": {}, "float": {}, "object": {}}


def _not_found(flag_key: str, default: Any, metadata: dict[str, MetadataValue]) -> EvaluationDetails:
    return EvaluationDetails(
        value=default,
        reason="ERROR",
        error_code="FLAG_NOT_FOUND",
        error_message=f"there is no flag {flag_key!r}",
        metadata=metadata,
    )
