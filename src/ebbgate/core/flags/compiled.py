"""One flag, compiled: from a type and a context to an answer. The order of cases is flags.md's table."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from sys import intern
from typing import Any, Literal
from zlib import compress, decompress

import msgspec

from ebbgate.core.audiences import Bucketing, CompiledRule, RuleError, compile_rule
from ebbgate.core.audiences.coercion import SAFE_INTEGER, number_text
from ebbgate.core.flags.attributes import attributes_read
from ebbgate.core.flags.details import ErrorCode, EvaluationDetails, Reason, ValueType
from ebbgate.core.flags.document import Flag, MetadataValue
from ebbgate.core.flags.generated import TooLarge, constants_of, generate, with_constants

Timestamp = int | Callable[[], int] | None
"""Unix seconds for `$flagd.timestamp`, or what gives them when a rule asks; None: such rules see null."""

Resolver = Callable[[Any, Mapping[str, Any] | None, Timestamp], EvaluationDetails]
"""(default, context, timestamp) -> answer."""

Entry = EvaluationDetails | Resolver
"""What an evaluator's table holds: an answer that depends on nothing, or what finds it."""

_MISMATCH = object()


class CompiledFlag:
    """A flag whose rule is compiled when it is first asked for. `metadata` is the document's with the flag's winning.
    `attributes`: what of the context its rule reads.

    Until then, and for `replay`, the rule is kept packed: a thirtieth of the tree, which is not needed beside the
    function made of it.
    """

    __slots__ = ("_bucketing", "_flag", "_key", "_packed", "attributes", "evaluators", "metadata")

    def __init__(
        self,
        key: str,
        flag: Flag,
        *,
        metadata: dict[str, MetadataValue],
        evaluators: Mapping[str, Any],
        bucketing: Bucketing,
    ) -> None:
        self._key = key
        variants = {intern(name): _shared(value) for name, value in flag.variants.items()}
        default = _shared(flag.default_variant)
        self._flag = msgspec.structs.replace(flag, variants=variants, default_variant=default, targeting=None)
        self._packed: bytes | dict[str, Any] | None = None
        self.attributes: tuple[str, ...] = ()
        self.evaluators = evaluators
        self._bucketing: Bucketing = bucketing
        self.metadata = {**metadata, **flag.metadata} if flag.metadata else metadata
        if flag.targeting is not None and flag.state == "ENABLED":
            self._packed = _packed(flag.targeting)
            self.attributes = attributes_read(flag.targeting, evaluators)

    @property
    def rule(self) -> dict[str, Any] | None:
        """The rule as written; None where there is none, or the flag is disabled."""
        return _unpacked(self._packed) if isinstance(self._packed, bytes) else self._packed

    def says_the_same(self, other: "CompiledFlag", *, same_evaluators: bool) -> bool:
        """Whether the other was made of an equal flag, so that its answers are this one's, but for the metadata that
        both have from their documents.
        """
        return (
            self._packed == other._packed
            and self._flag == other._flag
            and repr(self._flag.variants) == repr(other._flag.variants)  # 1, 1.0 and true are equal in Python
            and repr(self._flag.metadata) == repr(other._flag.metadata)
            and self._bucketing == other._bucketing
            and (self._packed is None or same_evaluators)
        )

    @property
    def key(self) -> str:
        """The flag's key."""
        return self._key

    @property
    def variants(self) -> dict[str, Any]:
        """The values by variant."""
        return self._flag.variants

    @property
    def default_variant(self) -> str | None:
        """None means that the caller's default is served."""
        return self._flag.default_variant

    def entry(self, expected: ValueType | None) -> Entry:
        """The flag's table entry for a type."""
        if self._flag.state == "DISABLED":
            return self._without_variant("DISABLED")
        rule = self.rule
        if rule is None:
            name = self._flag.default_variant
            return self._without_variant("DEFAULT") if name is None else self.outcome(name, "STATIC", expected)
        try:
            compiled = self._closures(rule)
        except RuleError as error:
            return self._failure("PARSE_ERROR", error.message)
        with suppress(TooLarge):
            return self._generated(rule, compiled, expected)
        return self._targeted(compiled, expected)

    def taken_over(self, find: Resolver, expected: ValueType | None) -> Resolver | None:
        """What finds this flag's answers, from what finds those of a flag that says the same: its code, with answers
        that carry this flag's metadata. None where that code has to be made anew.
        """
        answers: dict[tuple[str, Reason], Entry] = {}

        def renewed(part: Any) -> Any:
            if isinstance(part, _Outcomes):
                return _Outcomes(self, expected)
            if not isinstance(part, EvaluationDetails):
                return part
            assert part.variant is not None
            known = part.variant, part.reason
            if known not in answers:
                answers[known] = self.outcome(*known, expected)
            return answers[known]

        constants = constants_of(find)
        outcomes = next((part for part in constants if isinstance(part, _Outcomes)), None)
        if outcomes is None or outcomes.has_calls:
            return None
        return with_constants(find, tuple(map(renewed, constants)))

    def reference(self, expected: ValueType | None) -> Entry:
        """As `entry`, by closures instead of generated code. What the two must agree on."""
        rule = self.rule
        if self._flag.state == "DISABLED" or rule is None:
            return self.entry(expected)
        try:
            return self._targeted(self._closures(rule), expected)
        except RuleError as error:
            return self._failure("PARSE_ERROR", error.message)

    def too_deep(self) -> Resolver:
        """What answers while the host's stack is nearly used up."""
        return self._failure("PARSE_ERROR", "the rule is nested too deeply for this stack")

    def forced(self, name: str, reason: Literal["STATIC", "STALE"], expected: ValueType | None) -> Entry:
        """The entry that serves a variant whatever the flag says (B7)."""
        if name not in self._flag.variants:
            return self._failure("GENERAL", f"flag {self._key!r} is forced to {name!r}, which is none of its variants")
        return self.outcome(name, reason, expected)

    def outcome(self, name: str, reason: Reason, expected: ValueType | None) -> Entry:
        """The entry for one of the flag's variants."""
        value = typed(self._flag.variants[name], expected)
        if value is _MISMATCH:
            return self._failure("TYPE_MISMATCH", f"flag {self._key!r} has no {expected} value in variant {name!r}")
        metadata = self.metadata
        if isinstance(value, dict):
            # A caller may change what it gets; the snapshot must not change with it.
            return lambda default, context, timestamp: EvaluationDetails(
                value=fresh(value), variant=name, reason=reason, metadata=metadata
            )
        return EvaluationDetails(value=value, variant=name, reason=reason, metadata=metadata)

    def _without_variant(self, reason: Reason) -> Resolver:
        metadata = self.metadata
        return lambda default, context, timestamp: EvaluationDetails(value=default, reason=reason, metadata=metadata)

    def _failure(self, code: ErrorCode, message: str) -> Resolver:
        metadata = self.metadata
        return lambda default, context, timestamp: EvaluationDetails(
            value=default, reason="ERROR", error_code=code, error_message=message, metadata=metadata
        )

    def _closures(self, rule: dict[str, Any]) -> CompiledRule:
        return compile_rule(rule, flag_key=self._key, bucketing=self._bucketing, evaluators=self.evaluators)

    def _generated(self, rule: dict[str, Any], compiled: CompiledRule, expected: ValueType | None) -> Resolver:
        """Raises TooLarge."""
        return generate(
            rule,
            _Outcomes(self, expected),
            flag_key=self._key,
            bucketing=self._bucketing,
            evaluators=self.evaluators,
            needs_flagd=compiled.needs_flagd,
        )

    def by_result(self, result: Any, expected: ValueType | None) -> Entry:
        """The entry for a result of the rule."""
        if result is None:
            name = self._flag.default_variant
            return self._without_variant("DEFAULT") if name is None else self.outcome(name, "DEFAULT", expected)
        name = variant_name(result)
        return (
            self.outcome(name, "TARGETING_MATCH", expected) if name in self._flag.variants else self._no_variant(name)
        )

    def _targeted(self, rule: CompiledRule, expected: ValueType | None) -> Resolver:
        key, call, needs_flagd = self._key, rule.call, rule.needs_flagd
        matched = {name: self.by_result(name, expected) for name in self._flag.variants}
        fallback = self.by_result(None, expected)

        def find(default: Any, context: Mapping[str, Any] | None, timestamp: Timestamp) -> EvaluationDetails:
            try:
                if context.__class__ is not dict or needs_flagd:
                    context = enriched(context, key, timestamp) if needs_flagd else dict(context or ())
                result = call(context)
                if result is None:
                    entry: Entry = fallback
                elif result.__class__ is str:
                    entry = matched[result]
                else:
                    entry = matched[variant_name(result)]
            except LookupError:
                return self._unknown(call, default, context)
            except Exception as error:
                return self._failed(default, error)
            if entry.__class__ is EvaluationDetails:
                return entry
            return entry(default, context, timestamp)  # type: ignore[operator]

        return find

    def _unknown(self, call: Callable[[Any], Any], default: Any, context: Any) -> EvaluationDetails:
        """The rule gave a name that is no variant, unless the lookup failed inside a strange context."""
        try:
            name = variant_name(call(context))
        except Exception as error:
            return self._failed(default, error)
        return self._no_variant(name)(default, None, None)

    def _no_variant(self, name: str) -> Resolver:
        return self._failure("GENERAL", f"the rule of {self._key!r} gave {name!r}, which is none of its variants")

    def _failed(self, default: Any, error: Exception) -> EvaluationDetails:
        message = f"the rule of {self._key!r} cannot be applied to this context ({type(error).__name__})"
        return self._failure("PARSE_ERROR", message)(default, None, None)


class _Outcomes:
    """What generated code asks of its flag, beside its own constants."""

    __slots__ = ("_entries", "_expected", "_flag", "_replay", "has_calls")

    def __init__(self, flag: CompiledFlag, expected: ValueType | None) -> None:
        self._flag = flag
        self._expected: ValueType | None = expected
        self._entries: dict[str | None, Entry] | None = None  # by variant, for results that are computed
        self._replay: Entry | None = None
        self.has_calls = False  # whether the code holds answers that are made when they are given

    def constant(self, result: Any) -> tuple[Entry, bool]:
        entry = self._flag.by_result(result, self._expected)
        is_call = not isinstance(entry, EvaluationDetails)
        self.has_calls = self.has_calls or is_call
        return entry, is_call

    def finish(self, result: Any, default: Any, context: Any, timestamp: Timestamp) -> EvaluationDetails:
        if self._entries is None:
            names = (None, *self._flag.variants)
            self._entries = {name: self._flag.by_result(name, self._expected) for name in names}
        entry = self._entries.get(result if result is None or result.__class__ is str else variant_name(result))
        if entry is None:
            entry = self._flag.by_result(result, self._expected)
        return entry if isinstance(entry, EvaluationDetails) else entry(default, context, timestamp)

    def enriched(self, context: Mapping[str, Any] | None, timestamp: Timestamp) -> dict[str, Any]:
        return enriched(context, self._flag.key, timestamp)

    def replay(self, default: Any, context: Any, timestamp: Timestamp) -> EvaluationDetails:
        if self._replay is None:
            self._replay = self._flag.reference(self._expected)
        assert not isinstance(self._replay, EvaluationDetails)
        return self._replay(default, context, timestamp)


def enriched(context: Mapping[str, Any] | None, key: str, timestamp: Timestamp) -> dict[str, Any]:
    """The context with flagd's own properties, which override the caller's."""
    now = timestamp() if callable(timestamp) else timestamp
    return {**(context or {}), "$flagd": {"flagKey": key, "timestamp": now}}


def variant_name(result: Any) -> str:
    """The variant that a rule's result names. Source: flags.md section 1."""
    if isinstance(result, str):
        return result
    if isinstance(result, bool):
        return "true" if result else "false"
    return number_text(result) if isinstance(result, int | float) else type(result).__name__


def _shared(value: Any) -> Any:
    """A text as the one copy of it that all flags have; anything else as it is."""
    return intern(value) if type(value) is str else value


def _packed(rule: dict[str, Any]) -> bytes | dict[str, Any]:
    try:
        return compress(msgspec.msgpack.encode(rule), level=1)  # 5 us for five rules; higher levels save nothing
    except (OverflowError, UnicodeError, TypeError):  # from Python, not from JSON: huge integers, lone surrogates
        return rule


def _unpacked(packed: bytes) -> dict[str, Any]:
    rule: dict[str, Any] = msgspec.msgpack.decode(decompress(packed))
    return rule


def typed(value: Any, expected: ValueType | None) -> Any:
    """The value as the type asked for, or the mismatch marker. Numbers convert where nothing is lost."""
    if expected is None:
        return value
    if expected == "boolean":
        return value if isinstance(value, bool) else _MISMATCH
    if expected == "string":
        return value if isinstance(value, str) else _MISMATCH
    if expected == "object":
        return value if isinstance(value, dict) else _MISMATCH
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _MISMATCH
    if expected == "integer":
        whole = isinstance(value, int) or value.is_integer()
        return int(value) if whole and abs(value) <= SAFE_INTEGER else _MISMATCH
    if isinstance(value, int):
        return float(value) if abs(value) <= SAFE_INTEGER else _MISMATCH
    return value


def fresh(value: Any) -> Any:
    """A copy of a JSON value that shares nothing mutable with it."""
    if isinstance(value, dict):
        return {key: fresh(item) for key, item in value.items()}
    if isinstance(value, list):
        return [fresh(item) for item in value]
    return value
