"""The evaluator: a document compiled once, then only called."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, Self

from ebbgate.core.audiences import Bucketing
from ebbgate.core.flags.compiled import CompiledFlag, Resolver, Timestamp, enriched
from ebbgate.core.flags.details import EvaluationDetails, ValueType
from ebbgate.core.flags.document import FlagDocument, MetadataValue, parse_document
from ebbgate.core.flags.explain import Explanation, explain
from ebbgate.core.flags.snapshot import Snapshot

__all__ = ["Evaluator", "Timestamp"]

_Forced = tuple[str, Literal["STATIC", "STALE"]]

_Row = tuple[EvaluationDetails, Resolver | None]
"""(answer that depends on nothing, what finds one otherwise): quicker to tell apart than by class."""

_DEPENDS = EvaluationDetails(value=None, reason="DEFAULT")  # stands where an answer has to be found, and is not read


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
        the same in both keep their compiled code, also where only the document's metadata changed. Raises
        FlagDocumentError.
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
        self._evaluators = document.evaluators
        self._forced: dict[str, _Forced] = {}
        self._unforced: Self | None = None  # of the same flags, where some are forced here
        self._tables = _empty_tables()
        self._is_whole = False  # whether the table for no type has every flag, in the document's order
        if previous is not None:
            self._take_over(previous)

    @property
    def flag_keys(self) -> tuple[str, ...]:
        """Every flag, in the document's order."""
        return tuple(self._flags)

    @property
    def flags(self) -> Mapping[str, CompiledFlag]:
        """What the document says of each flag, whatever is forced."""
        return self._flags

    def changed_since(self, previous: Self) -> set[str]:
        """Flags of either document that may answer otherwise than in the other: to be told of, or to be compiled.

        Metadata counts but for the document's `version`, which changes with every document. What is forced does not.
        """
        mine, theirs = ({**each.metadata, "version": ""} for each in (self, previous))
        if repr(mine) != repr(theirs):
            return self._flags.keys() | previous._flags.keys()
        same = self._same_flags(previous)
        return {key for key in self._flags.keys() | previous._flags.keys() if key not in same}

    def evaluate(
        self,
        flag_key: str,
        default: Any,
        context: Mapping[str, Any] | None,
        expected_type: ValueType | None,
        timestamp: Timestamp = None,
    ) -> EvaluationDetails:
        """One flag for one context. Never raises, whatever the context holds."""
        try:
            answer, find = self._tables[expected_type][flag_key]
        except KeyError:
            if flag_key not in self._flags:
                return _not_found(flag_key, default, self.metadata)
            answer, find = self._row(flag_key, expected_type)
        if find is None:
            return answer
        return find(default, context, timestamp)

    def value(
        self,
        flag_key: str,
        default: Any,
        context: Mapping[str, Any] | None,
        expected_type: ValueType | None,
        timestamp: Timestamp = None,
    ) -> Any:
        """As `evaluate`, only the value."""
        try:
            answer, find = self._tables[expected_type][flag_key]
        except KeyError:
            return self.evaluate(flag_key, default, context, expected_type, timestamp).value
        if find is None:
            return answer.value
        return find(default, context, timestamp).value

    def evaluate_all(
        self, context: Mapping[str, Any] | None, *, timestamp: Timestamp = None
    ) -> dict[str, EvaluationDetails]:
        """Every flag for one context, by key; the value is None where the caller's default would stand."""
        table = self._tables[None] if self._is_whole else self._make_whole()
        if context.__class__ is not dict:
            with suppress(Exception):  # a context that cannot be read: each rule says so itself
                context = dict(context or ())
        return {
            key: answer if find is None else find(None, context, timestamp) for key, (answer, find) in table.items()
        }

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
        other.bucketing, other.metadata = self.bucketing, self.metadata
        other._flags, other._evaluators, other._unforced = self._flags, self._evaluators, self._unforced or self
        other._forced = {**self._forced, **{key: (name, reason) for key, name in forced.items() if key in self._flags}}
        other._tables = _empty_tables()
        other._is_whole = False
        return other

    def _same_flags(self, previous: Self) -> set[str]:
        same_evaluators = repr(self._evaluators) == repr(previous._evaluators)
        pairs = ((key, flag, previous._flags.get(key)) for key, flag in self._flags.items())
        return {key for key, flag, old in pairs if old and flag.says_the_same(old, same_evaluators=same_evaluators)}

    def _take_over(self, previous: Self) -> None:
        """Keep the code of flags that did not change."""
        same_metadata = repr(self.metadata) == repr(previous.metadata)
        tables = (previous._unforced or previous)._tables
        for key in self._same_flags(previous):
            if same_metadata:
                self._flags[key] = previous._flags[key]
            for expected, table in tables.items():
                row = table.get(key)
                if row is None:
                    continue
                if same_metadata:
                    self._tables[expected][key] = row
                elif row[1] is not None and (find := self._flags[key].taken_over(row[1], expected)):
                    self._tables[expected][key] = _DEPENDS, find

    def _row(self, flag_key: str, expected_type: ValueType | None) -> _Row:
        table = self._tables[expected_type]
        row = table.get(flag_key)
        if row is None:
            flag = self._flags[flag_key]
            forced = self._forced.get(flag_key)
            if forced is None and self._unforced is not None:
                row = table[flag_key] = self._unforced._row(flag_key, expected_type)
                return row
            try:
                entry = flag.forced(*forced, expected_type) if forced else flag.entry(expected_type)
            except RecursionError:  # the host's stack is nearly used up: not kept, it may be better next time
                return _DEPENDS, flag.too_deep()
            row = table[flag_key] = (entry, None) if isinstance(entry, EvaluationDetails) else (_DEPENDS, entry)
        return row

    def _make_whole(self) -> dict[str, _Row]:
        """The table for no type, with every flag. It takes the place of the one that grew as flags were asked for."""
        table = {key: self._row(key, None) for key in self._flags}
        if all(key in self._tables[None] for key in table):
            self._tables[None] = table
            self._is_whole = True
        return table


def _empty_tables() -> dict[ValueType | None, dict[str, _Row]]:
    return {None: {}, "boolean": {}, "string": {}, "integer": {}, "float": {}, "object": {}}


def _not_found(flag_key: str, default: Any, metadata: dict[str, MetadataValue]) -> EvaluationDetails:
    return EvaluationDetails(
        value=default,
        reason="ERROR",
        error_code="FLAG_NOT_FOUND",
        error_message=f"there is no flag {flag_key!r}",
        metadata=metadata,
    )
