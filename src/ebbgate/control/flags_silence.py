"""Silence around flags, named: never evaluated, attributes that never arrive, code defaults served (flags.md 6)."""

from collections.abc import Iterable, Iterator
from typing import Any

from ebbgate.control.flags_rows import require_environment, view_flags
from ebbgate.core.flags.attributes import attributes_read
from ebbgate.core.flags.environments_view import SilentFlag
from ebbgate.core.flags.view import FlagView
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.event_store import EvaluationCounts, EventStore


def silent_flags(store: ControlStore, events: EventStore, environment: str) -> list[SilentFlag]:
    """What does not arrive, by flag of the environment. Raises NotFoundError.

    As evaluators of that environment count; one that does not say its environment counts in each.
    """
    with store.transaction() as tx:
        require_environment(tx, environment)
        flags = view_flags(tx, environment, tx.flags(environment))
        known = {row.key for name in tx.environments() for row in tx.flags(name)}
    counts = {row.flag: row for row in events.evaluation_counts(environment)}
    found = [finding for flag in flags for finding in _of_flag(flag, counts.get(flag.key))]
    return [*found, *_unknown(counts.values(), known)]


def _of_flag(flag: FlagView, counts: EvaluationCounts | None) -> Iterator[SilentFlag]:
    if counts is None or counts.evaluations == 0:
        yield SilentFlag(flag=flag.key, kind="never_evaluated", sentence="was never evaluated", count=0, evaluations=0)
        return
    total = counts.evaluations
    for name in attributes_read((flag.served or flag.definition).get("targeting"), {}):
        if missing := counts.missing_attributes.get(name, 0):
            sentence = f"its rule asks for `{name}`, which {_share(missing, total)} lacked"
            yield SilentFlag(
                flag=flag.key,
                kind="attribute_missing",
                sentence=sentence,
                count=missing,
                evaluations=total,
                attribute=name,
            )
    if counts.code_defaults:
        sentence = f"{_share(counts.code_defaults, total)} got the code's default{_why(flag.definition)}"
        yield SilentFlag(
            flag=flag.key, kind="code_default", sentence=sentence, count=counts.code_defaults, evaluations=total
        )


def _unknown(counts: Iterable[EvaluationCounts], known: set[str]) -> Iterator[SilentFlag]:
    for row in sorted(counts, key=lambda row: row.flag):
        if row.flag not in known and row.evaluations:
            sentence = f"was asked for {row.evaluations:,} times, but there is no such flag"
            yield SilentFlag(
                flag=row.flag,
                kind="unknown_flag",
                sentence=sentence,
                count=row.evaluations,
                evaluations=row.evaluations,
            )


def _share(count: int, total: int) -> str:
    return f"{count:,} of {total:,} evaluations ({min(1.0, count / total):.1%})"


def _why(definition: dict[str, Any]) -> str:
    """What of the definition explains it; nothing where that must be looked for."""
    if definition.get("state") == "DISABLED":
        return ": the flag is DISABLED"
    return "" if definition.get("defaultVariant") else ": the flag has no defaultVariant"
