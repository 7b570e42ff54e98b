"""An evaluator as the benchmark asks it: what each peer's file builds, and _flags_measure.py times."""

from collections.abc import Callable
from typing import Any

Context = dict[str, Any]
Call = Callable[[Any], Any]


class Subject:
    """One row of the table.

    prepare: from a context to what the evaluator takes, outside the timing. one: by case, from that to a value, or to
    details with a `value`. every: ways to ask for all 200 mixed flags, to values by key; the quickest counts. lacks: by
    case, why it cannot be asked.
    """

    def __init__(
        self,
        name: str,
        prepare: Callable[[Context], Any],
        one: dict[str, Call],
        every: list[Call],
        *,
        lacks: dict[str, str] | None = None,
    ) -> None:
        self.name, self.prepare, self.one, self.every = name, prepare, one, every
        self.lacks = lacks or {}


def attributes(context: Context) -> Context:
    """All but the key."""
    return {name: value for name, value in context.items() if name != "targetingKey"}
