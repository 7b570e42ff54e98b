"""One flag's rule as one Python function (docs/adr/0009): compiled from text once, then only called."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, Protocol

from ebbgate.core.audiences import Bucketing
from ebbgate.core.audiences.compiler import Compiler
from ebbgate.core.audiences.source import Emitter, Ends
from ebbgate.core.audiences.source_names import NAMES

_HEAD = "def evaluate(default, context, timestamp):"


class TooLarge(Exception):
    """Python's compiler will not take the text; the closures serve instead."""


class Outcomes(Protocol):
    """What a flag does with its rule's results."""

    def constant(self, result: Any) -> tuple[Any, bool]:
        """(answer, whether it is to be called with default, context and timestamp) for a result known beforehand."""
        ...

    def finish(self, result: Any, default: Any, context: Any, timestamp: Any) -> Any:
        """The answer for a result that is computed."""
        ...

    def enriched(self, context: Any, timestamp: Any) -> dict[str, Any]:
        """The context with flagd's own properties."""
        ...

    def replay(self, default: Any, context: Any, timestamp: Any) -> Any:
        """The whole evaluation again, by closures, after any exception."""
        ...


def generate(
    rule: Any,
    outcomes: Outcomes,
    *,
    flag_key: str,
    bucketing: Bucketing,
    evaluators: Mapping[str, Any],
    needs_flagd: bool,
) -> Callable[[Any, Any, Any], Any]:
    """(default, context, timestamp) -> answer, as a function made for this rule.

    The rule must have compiled as closures before, which also tells needs_flagd. Raises TooLarge where Python's
    parser gives up.
    """
    emitter = Emitter(
        Compiler(flag_key=flag_key, bucketing=bucketing, evaluators=evaluators),
        flag_key=flag_key,
        bucketing=bucketing,
        evaluators=evaluators,
    )
    here = emitter.mark(outcomes)
    constants: dict[tuple[type, Any], tuple[Any, bool]] = {}

    def returns(value: Any) -> str:
        answer, is_call = constants.setdefault((type(value), repr(value)), outcomes.constant(value))
        return f"(f := {emitter.mark(answer)})(default, d, timestamp)" if is_call else emitter.mark(answer)

    body = emitter.body(rule, Ends(returns, f"{here}.finish", replay="raise Error"))
    start = "if d.__class__ is not dict: d = dict(d or ())"
    if needs_flagd:
        start = f"d = {here}.enriched(context, timestamp)"
    caught = f" except Error: return {here}.replay(default, context, timestamp)"
    text = " s = str" if any("is s" in line for line in body) else ""  # a local variable is shorter than a global one
    lines = [_HEAD, " d = context", text, " try:", f"  {start}", *(f"  {line}" for line in body), caught]
    try:
        module = compile("\n".join(lines), "<flag>", "exec", dont_inherit=True, optimize=2)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        raise TooLarge from error
    (code,) = (constant for constant in module.co_consts if isinstance(constant, CodeType))
    return FunctionType(_with_objects(code, emitter.marks), _GLOBALS, "evaluate")


@lru_cache(maxsize=4096)  # code of one length shares its table
def _positions(units: int) -> bytes:
    return b"\xff" * (units // 8) + (bytes((0xF8 | units % 8 - 1,)) if units % 8 else b"")


_GLOBALS = {**NAMES, "Error": Exception}


def constants_of(function: Callable[..., Any]) -> tuple[Any, ...]:
    """The objects that stand in generated code; none where the function is not generated."""
    is_generated = isinstance(function, FunctionType) and function.__globals__ is _GLOBALS
    return function.__code__.co_consts if is_generated else ()


def with_constants(function: Callable[..., Any], constants: tuple[Any, ...]) -> Callable[[Any, Any, Any], Any]:
    """Generated code again, with other objects in their places."""
    assert isinstance(function, FunctionType)
    return FunctionType(function.__code__.replace(co_consts=constants), _GLOBALS, "evaluate")


def _with_objects(code: CodeType, marks: dict[bytes, Any]) -> CodeType:
    """The code with its marks replaced by the objects that they stand for, and without its table of positions.

    Objects as constants of the code are as fast as any constant and need no table of names. No one debugs this text:
    a table that says "no position" (PEP 626's form: one byte for eight code units) saves half of the memory.
    """
    positions = _positions(len(code.co_code) // 2)
    constants = tuple(marks[value] if isinstance(value, bytes) else value for value in code.co_consts)
    return code.replace(co_consts=constants, co_linetable=positions, co_name="evaluate", co_filename="<flag>")
