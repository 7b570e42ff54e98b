"""Targeting rules: JsonLogic compiled once into closures, so that an evaluation only calls."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ebbgate.core.audiences.bucketing import Bucketing
from ebbgate.core.audiences.compiler import Compiler
from ebbgate.core.audiences.node import Call
from ebbgate.core.errors import EbbgateError

# Far above what people write (a list of 50,000 opted-in users still fits); below what a stack or a second can bear.
DEPTH_MAX = 100
SIZE_MAX = 100_000


class RuleError(EbbgateError):
    """A rule cannot be applied."""

    code: ClassVar[str] = "rule_invalid"
    status: ClassVar[int] = 422


class CompiledRule:
    """A rule, ready to call with a context (a dict). needs_flagd: it reads `$flagd`, which must be in the context."""

    __slots__ = ("call", "needs_flagd")

    def __init__(self, call: Call, *, needs_flagd: bool) -> None:
        self.call = call
        self.needs_flagd = needs_flagd


def compile_rule(
    rule: Any, *, flag_key: str = "", bucketing: Bucketing = "v2", evaluators: Mapping[str, Any] | None = None
) -> CompiledRule:
    """Compile a rule whose bounds were checked. Raises RuleError for an unknown operator, `$ref`, or a cycle."""
    compiler = Compiler(flag_key=flag_key, bucketing=bucketing, evaluators=evaluators or {})
    try:
        node = compiler.compile(rule, top=True)
    except LookupError as error:
        raise RuleError(str(error.args[0]), hint="Use an operator that flagd's targeting schema allows.") from None
    return CompiledRule(node.call, needs_flagd=compiler.needs_flagd)
