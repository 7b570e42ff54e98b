"""Why a flag answers as it does: the path that one context takes through its rule, as data and as lines.

Values come from the same closures that the generated code is held to; a test compares the result with `evaluate`.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from ebbgate.core.audiences import Bucketing, compile_rule, targeting_key
from ebbgate.core.audiences.bucketing import hash_text, hash_value
from ebbgate.core.audiences.coercion import to_text, truthy
from ebbgate.core.audiences.fractional import read_entries
from ebbgate.core.audiences.source_shapes import operation
from ebbgate.core.audiences.targeting import RuleError
from ebbgate.core.flags.details import EvaluationDetails

_INNER = frozenset({"map", "filter", "reduce", "all", "none", "some"})  # their rules see items, not the context
_TEXT_MAX = 60


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation that was reached. value: what it gave. role: what it is to the step above: `condition`, `then`,
    `else`, or an argument. bucket and total: of `fractional`, where the unit fell. steps: what it looked at, in order.
    """

    operator: str
    rule: str
    value: Any
    role: str = ""
    bucket: int | None = None
    total: int | None = None
    steps: tuple["Step", ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """An answer and how it came about. path: None where no rule was applied. lines: the same for a person."""

    flag_key: str
    details: EvaluationDetails
    path: Step | None
    lines: tuple[str, ...]


def explain(
    flag_key: str,
    details: EvaluationDetails,
    rule: Any,
    context: Mapping[str, Any],
    *,
    bucketing: Bucketing,
    evaluators: Mapping[str, Any],
) -> Explanation:
    """The path through `rule`, None for no rule. context: with `$flagd` in it where the rule reads that.

    A rule that cannot be applied has no path: `details` says why.
    """
    path = None
    if rule is not None and details.error_code not in ("PARSE_ERROR", "FLAG_NOT_FOUND"):
        walk = _Walk(flag_key=flag_key, bucketing=bucketing, evaluators=evaluators, context=dict(context))
        try:
            path = walk.step(rule, "")
        except (RecursionError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError):
            path = None  # a context that is not JSON: the answer stands without its path
    lines = [] if path is None else _lines(path, 0)
    return Explanation(flag_key=flag_key, details=details, path=path, lines=(*lines, _verdict(flag_key, details)))


class _Walk:
    def __init__(
        self, *, flag_key: str, bucketing: Bucketing, evaluators: Mapping[str, Any], context: dict[str, Any]
    ) -> None:
        self._flag_key = flag_key
        self._bucketing: Bucketing = bucketing
        self._evaluators = evaluators
        self._context = context

    def value(self, rule: Any) -> Any:
        rule = compile_rule(rule, flag_key=self._flag_key, bucketing=self._bucketing, evaluators=self._evaluators)
        return rule.call(self._context)

    def step(self, rule: Any, role: str) -> Step | None:
        """The step of an operation; None for a literal, which explains itself."""
        name, arguments = operation(rule)
        if name is None:
            return None
        if name == "$ref":
            steps = self._steps([(self._evaluators[arguments[0]], "")])
        elif name in ("if", "?:"):
            steps = self._branches(arguments)
        elif name in ("and", "or"):
            steps = self._until(arguments, stops_on=name == "or")
        elif name == "var":
            steps = ()
        else:
            steps = self._steps([(argument, "") for argument in (arguments[:1] if name in _INNER else arguments)])
        bucket, total = self._bucket(arguments) if name == "fractional" else (None, None)
        return Step(
            operator=name,
            rule=_short(rule),
            value=self.value(rule),
            role=role,
            bucket=bucket,
            total=total,
            steps=steps,
        )

    def _steps(self, parts: list[tuple[Any, str]]) -> tuple[Step, ...]:
        found = []
        for part, role in parts:
            with suppress(
                RuleError, KeyError
            ):  # an argument too many, which the operator never reads: it may be no rule
                found.append(self.step(part, role))
        return tuple(step for step in found if step is not None)

    def _branches(self, arguments: list[Any]) -> tuple[Step, ...]:
        parts: list[tuple[Any, str]] = []
        for index in range(len(arguments) // 2):
            parts.append((arguments[2 * index], "condition"))
            if truthy(self.value(arguments[2 * index])):
                return self._steps([*parts, (arguments[2 * index + 1], "then")])
        if len(arguments) % 2:
            parts.append((arguments[-1], "else"))
        return self._steps(parts)

    def _until(self, arguments: list[Any], *, stops_on: bool) -> tuple[Step, ...]:
        parts = []
        for argument in arguments:
            parts.append((argument, ""))
            if truthy(self.value(argument)) is stops_on:
                break
        return self._steps(parts)

    def _bucket(self, arguments: list[Any]) -> tuple[int | None, int | None]:
        """Where the unit falls, and of how many; None where `fractional` gives null."""
        values = [self.value(argument) for argument in arguments]
        is_shorthand = bool(values) and isinstance(values[0], list)
        entries = read_entries(values if is_shorthand else values[1:])
        if entries is None:
            return None, None
        total = sum(weight for _, weight in entries)
        head = None if is_shorthand else values[0]
        if head is None:
            unit = targeting_key(self._context) if is_shorthand or self._bucketing == "v2" else None
            if unit is None:
                return None, total
            digest = hash_text(self._flag_key + unit) if self._bucketing == "v2" else hash_value([self._flag_key, unit])
        elif self._bucketing == "v3" and not isinstance(head, list | tuple):
            digest = hash_value(head)
        elif isinstance(head, str):
            digest = hash_text(head)
        else:
            return None, total
        return (digest * total) >> 32, total


def _lines(step: Step, indent: int) -> list[str]:
    said = f"{step.role}: " if step.role else ""
    share = f" (bucket {step.bucket} of {step.total})" if step.bucket is not None else ""
    head = f"{'  ' * indent}{said}{step.rule} -> {_short(step.value)}{share}"
    return [head, *(line for inner in step.steps for line in _lines(inner, indent + 1))]


def _verdict(flag_key: str, details: EvaluationDetails) -> str:
    if details.error_code is not None:
        return f"{flag_key}: {details.error_code}: {details.error_message}; the caller's default is served"
    if details.variant is None:
        return f"{flag_key}: {details.reason}; the caller's default is served"
    return f"{flag_key}: {details.variant} = {_short(details.value)} ({details.reason})"


def _short(value: Any) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        text = to_text(value)
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX - 3]}..."
