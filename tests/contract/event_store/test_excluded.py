"""RULES B3, D5: what every analysis store says of units that a plan excludes by audience (docs/adr/0017)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
from ebbgate.core.metrics.blocks import RECOVERY, AnyBlock, LimitBlock, ProportionBlock
from ebbgate.core.metrics.contrast import Interval, LimitQuery
from ebbgate.core.metrics.definition import MetricKind
from ebbgate.ports.event_store import EventStore
from ebbgate.testing.event_script import EventScript, minute

EXCLUDED = ["off_excluded", "on_excluded"]

Reopen = Callable[[], EventStore]
Counts = tuple[int, int, int, int] | None
"""(treatment n, y, control n, y), or None without a block."""


def counts(block: AnyBlock | None) -> Counts:
    assert block is None or isinstance(block, ProportionBlock | LimitBlock)
    return block and (block.treatment_n, block.treatment_y, block.control_n, block.control_y)


def rate(phase: Any, store: EventStore, /, opened: float = 0, closed: float = 30, **contrast: Any) -> Counts:
    return counts(phase.block(store, phase.metric(), opened, closed, **contrast))


def limit(
    phase: Any,
    store: EventStore,
    /,
    opened: float = 0,
    closed: float = 30,
    kind: MetricKind = MetricKind.RATE,
    **contrast: Any,
) -> Counts:
    query, span = LimitQuery(metric=phase.metric(kind), limit=0.05), (minute(opened), minute(closed))
    blocks = store.limit_blocks(phase.contrast(**contrast), query, opened_at=span[0], closed_at=span[1])
    return counts(next(iter(blocks), None))


def late(phase: Any, store: EventStore) -> Counts:
    """Of late harm, those newly exposed among the treated."""
    span = {"epoch_at": minute(0), "opened_at": minute(0), "closed_at": minute(30)}
    return counts(store.late_block(phase.contrast(), phase.metric(), with_new=True, **span))


def visit(script: EventScript, unit: str, variant: str, at: float, *, fails: bool = False, version: int = 1) -> None:
    script.expose(unit, variant, at, version=version)
    script.track(unit, "api_request", at + 1)
    if fails:
        script.track(unit, "api_error", at + 1.5)


def test_excluded_units_are_in_no_comparison_no_limit_and_no_count(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    for units, variant in ((phase.treated(3), "on"), (phase.controls(3), "off"), (phase.veterans(3), "on")):
        visit(script, units[0], variant, 0)
        for unit, excluded in zip(units[1:], EXCLUDED, strict=True):
            visit(script, unit, excluded, 0, fails=True)
    script.quiet_until(60)
    store.ingest(script.records)
    assert rate(phase, store) == (1, 0, 1, 0)
    assert limit(phase, store) == (2, 0, 1, 0)
    assert limit(phase, store, kind=MetricKind.COUNT) == (2, 0, 1, 0)
    assert late(phase, store) == (2, 0, 1, 0)
    volume = store.volume_block(phase.contrast(), ["api_request"], opened_at=minute(0), closed_at=minute(30))
    assert (volume.treatment_n, volume.control_n) == (2, 1)
    arrived = store.arrival_block(phase.contrast(), phase.metric(), opened_at=minute(0), closed_at=minute(60))
    assert arrived is not None
    assert (arrived.treatment_n, arrived.control_n) == (1, 1)
    seen = store.assignment(phase.contrast())
    assert (seen.treatment, seen.control, seen.veterans, seen.audience, seen.crossed) == (1, 1, 1, 0, 0)
    assert seen.excluded == 6
    asked: dict[str, Any] = {"environment": "production", "flag": "newWidgets", "versions": (1, None)}
    assert store.exposed_units(**asked, variants=EXCLUDED) == 6


def test_nobody_is_treated_where_only_excluded_units_came(store: EventStore, script: EventScript, phase: Any) -> None:
    for unit, variant in zip(phase.treated(2), EXCLUDED, strict=True):
        visit(script, unit, variant, 0, fails=True)
    script.quiet_until(60)
    store.ingest(script.records)
    assert store.first_treated_at(phase.contrast()) is None
    assert (rate(phase, store), limit(phase, store), late(phase, store)) == (None, None, None)


@pytest.mark.parametrize("at_once", [True, False])
def test_who_turns_out_to_be_excluded_is_left_out_from_then_on(
    reopen: Reopen, script: EventScript, phase: Any, at_once: bool
) -> None:
    """Such as a bot that is told by an attribute which its first request lacks. What was counted stays counted."""
    soon, later = phase.controls(2)
    for unit in (soon, later):
        visit(script, unit, "off", 0, fails=True)
    script.expose(soon, "off_excluded", 5)  # before its window closes, in minute 12
    script.quiet_until(13)
    script.expose(later, "off_excluded", 20)
    script.track(later, "api_error", 9, received=22)  # late, if anybody still counted it
    for unit in (soon, later):
        visit(script, unit, "off", 30, fails=True)
    script.quiet_until(60)
    store = reopen()
    for batch in [script.records] if at_once else [[record] for record in script.records]:
        store.ingest(batch)
        store.assignment(phase.contrast())
    for is_again in (False, True):  # and the same after a restart
        asked = reopen() if is_again else store
        assert rate(phase, asked) == (0, 0, 1, 1)
        assert limit(phase, asked, 0, 15) == (0, 0, 2, 2)
        assert limit(phase, asked, 15, 60) is None
        assert limit(phase, asked, 15, 60, kind=MetricKind.COUNT) is None
        volume = asked.volume_block(phase.contrast(), ["api_request"], opened_at=minute(25), closed_at=minute(60))
        assert volume.control_n == 0
        seen = asked.assignment(phase.contrast())
        assert (seen.control, seen.crossed, seen.control_late) == (0, 0, 0)


def test_a_unit_known_as_excluded_before_it_is_drawn_is_never_counted(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    bot, new = phase.treated(2)
    script.expose(bot, "off_excluded", 0)
    visit(script, bot, "on", 1, fails=True)
    visit(script, new, "on", 1)
    script.quiet_until(60)
    store.ingest(script.records)
    assert (rate(phase, store), limit(phase, store), late(phase, store)) == ((1, 0, 0, 0),) * 3
    assert store.assignment(phase.contrast()).treatment == 1


def test_after_a_rollback_excluded_units_are_not_taken_for_formerly_treated_ones(
    store: EventStore, script: EventScript, phase: Any
) -> None:
    """RULES H3: off means `off` for everybody, so that they are known by what they reported before."""
    (new, *bots), old = phase.treated(3), phase.controls(1)[0]
    after: dict[str, Any] = {
        "phase": RECOVERY,
        "version_from": 5,
        "treatment": Interval(start=0, end=300_000),
        "treatment_variant": "off",
    }
    for unit, variant in zip(bots, EXCLUDED, strict=True):
        script.expose(unit, variant, 0, version=3)
    for unit in (new, old, *bots):
        visit(script, unit, "off", 10, fails=unit in bots, version=5)
    script.quiet_until(60)
    store.ingest(script.records)
    assert rate(phase, store, **after) == (1, 0, 1, 0)
    assert limit(phase, store, **after) == (1, 0, 1, 0)
    seen = store.assignment(phase.contrast(**after))
    assert (seen.treatment, seen.control) == (1, 1)


def test_another_flag_system_can_report_whom_it_excludes(store: EventStore, script: EventScript, phase: Any) -> None:
    nobody = Interval(start=0, end=0)
    external: dict[str, Any] = {
        "version_from": 0,
        "version_to": 1,
        "treatment": nobody,
        "control": nobody,
        "is_external": True,
    }
    for unit, variant in zip("abcd", ("on", "off", *EXCLUDED), strict=True):
        visit(script, unit, variant, 0, version=0)
    script.quiet_until(60)
    store.ingest(script.records)
    assert rate(phase, store, **external) == (1, 0, 1, 0)
    assert limit(phase, store, **external) == (1, 0, 1, 0)


def test_tables_of_an_older_version_are_made_again(tmp_path: Path, script: EventScript, phase: Any) -> None:
    visit(script, phase.treated()[0], "on", 0)
    visit(script, phase.controls()[0], "off_excluded", 0)
    script.quiet_until(60)
    path = tmp_path / "analysis.duckdb"
    store = DuckDbEventStore(path)
    store.ingest(script.records)
    assert rate(phase, store) == (1, 0, 0, 0)
    store.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE entrants_0 DROP COLUMN excluded_at; DROP TABLE excluded_0")
        ((body,),) = connection.execute("SELECT body FROM phases").fetchall()
        ledger = msgspec.msgpack.decode(body)
        del ledger["tables"]
        connection.execute("UPDATE phases SET body = ?", [msgspec.msgpack.encode(ledger)])
    again = DuckDbEventStore(path)
    assert rate(phase, again) == (1, 0, 0, 0)
    assert again.assignment(phase.contrast()).control == 0
    again.close()
