"""One flag, compiled: from a type and a context to an answer. The order of cases is flags.md's table."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from ebbgate.core.audiences import Bucketing, CompiledRule, RuleError, compile_rule
from ebbgate.core.audiences.coercion import SAFE_INTEGER, number_text
from ebbgate.core.flags.details import ErrorCode, EvaluationDetails, Reason, ValueType
from ebbgate.core.flags.document import Flag, MetadataValue

Timestamp = int | Callable[[], int] | None
"""Unix seconds for `$flagd.timestamp`, or what gives them when a rule asks; None: such rules see null."""

Resolver = Callable[[Any, Mapping[str, Any] | None, Timestamp], EvaluationDetails]
"""(default, context, timestamp) -> answer."""

Entry = EvaluationDetails | Resolver
"""What an evaluator's table holds: an answer that depends on nothing, or what finds it."""

_MISMATCH = object()


class CompiledFlag:
    """A flag whose rule is compiled. `metadata` is the document's with the flag's winning."""

    __slots__ = ("_error", "_flag", "_key", "_rule", "metadata")

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
        self._flag = msgspec.structs.replace(flag, targeting=None)  # the tree is not needed beside its closures
        self._rule: CompiledRule | None = None
        self._error: str | None = None
        self.metadata = {**metadata, **flag.metadata} if flag.metadata else metadata
        if flag.targeting is not None and flag.state == "ENABLED":
            try:
                self._rule = compile_rule(flag.targeting, flag_key=key, bucketing=bucketing, evaluators=evaluators)
            except RuleError as error:
                self._error = error.message
            except RecursionError:  # the host's stack was nearly used up
                self._error = "the rule is nested too deeply for this stack"

    @property
    def variants(self) -> dict[str, Any]:
        """The values by variant."""
        return self._flag.variants

    def entry(self, expected: ValueType | None) -> Entry:
        """The flag's table entry for a type."""
        if self._flag.state == "DISABLED":
            return self._without_variant("DISABLED")
        if self._error is not None:
            return self._failure("PARSE_ERROR", self._error)
        if self._rule is None:
            name = self._flag.default_variant
            return self._without_variant("DEFAULT") if name is None else self.outcome(name, "STATIC", expected)
        return self._targeted(self._rule, expected)

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

    def _targeted(self, rule: CompiledRule, expected: ValueType | None) -> Resolver:
        key, call, needs_flagd = self._key, rule.call, rule.needs_flagd
        matched = {name: self.outcome(name, "TARGETING_MATCH", expected) for name in self._flag.variants}
        name = self._flag.default_variant
        fallback = self._without_variant("DEFAULT") if name is None else self.outcome(name, "DEFAULT", expected)

        def find(default: Any, context: Mapping[str, Any] | None, timestamp: Timestamp) -> EvaluationDetails:
            try:
                if context.__class__ is not dict or needs_flagd:
                    context = _enriched(context, key, timestamp) if needs_flagd else dict(context or ())
                result = call(context)
                if result is None:
                    entry: Entry = fallback
                elif result.__class__ is str:
                    entry = matched[result]
                else:
                    entry = matched[_variant_name(result)]
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
            name = _variant_name(call(context))
        except Exception as error:
            return self._failed(default, error)
        return self._failure("GENERAL", f"the rule of {self._key!r} gave {name!r}, which is none of its variants")(
            default, None, None
        )

    def _failed(self, default: Any, error: Exception) -> EvaluationDetails:
        message = f"the rule of {self._key!r} cannot be applied to this context ({type(error).__name__})"
        return self._failure("PARSE_ERROR", message)(default, None, None)


def _enriched(context: Mapping[str, Any] | None, key: str, timestamp: Timestamp) -> dict[str, Any]:
    """The context with flagd's own properties, which override the caller's."""
    now = timestamp() if callable(timestamp) else timestamp
    return {**(context or {}), "$flagd": {"flagKey": key, "timestamp": now}}


def _variant_name(result: Any) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, bool):
        return "true" if result else "false"
    return number_text(result) if isinstance(result, int | float) else type(result).__name__


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
