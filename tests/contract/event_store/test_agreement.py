"""Both stores say the same of any stream: plain Python against SQL, number by number (RULES D)."""

import math
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.events import Entry, Exposure, Record, TrackedEvent
from ebbgate.core.metrics.blocks import RECOVERY, RETURNED
from ebbgate.core.metrics.contrast import TOTAL_PPM, Contrast, Interval, LimitQuery
from ebbgate.core.metrics.definition import Direction, HarmBy, Margin, Metric, MetricKind, Reading
from ebbgate.testing.event_script import minute
from ebbgate.testing.memory_events import MemoryEventStore

SALT = "lineage-7"
EXAMPLES = 3


def a_contrast(**changes: Any) -> Contrast:
    fields: dict[str, Any] = {
        "rollout_id": "r1",
        "environment": "production",
        "flag": "newWidgets",
        "salt": SALT,
        "phase": 1,
        "version_from": 2,
        "version_to": None,
        "treatment": Interval(start=100_000, end=400_000),
        "control": Interval(start=400_000, end=TOTAL_PPM),
        "treatment_variant": "on",
        "control_variant": "off",
        "audience_variant": "on_audience",
    }
    return Contrast(**{**fields, **changes})


CONTRASTS = (
    a_contrast(),
    a_contrast(phase=0, version_from=1, version_to=2, treatment=Interval(start=0, end=100_000)),
    a_contrast(treatment=Interval(start=100_000, end=900_000), control=Interval(start=900_000, end=TOTAL_PPM)),
    a_contrast(phase=RECOVERY, version_from=3, treatment=Interval(start=0, end=400_000), treatment_variant="off"),
    a_contrast(
        phase=RETURNED,
        version_from=3,
        treatment=Interval(start=0, end=400_000),
        treatment_variant="off",
        returning_from=2,
    ),
)


def a_metric(name: str, kind: MetricKind, window: float, **changes: Any) -> Metric:
    has_trial = kind in (MetricKind.RATE, MetricKind.SHARE, MetricKind.RATIO)
    fields: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "event": "api_error" if has_trial else "api_ms",
        "trial": "api_request" if has_trial else None,
        "bad": Direction.INCREASE,
        "harm": HarmBy.MEAN,
        "window": timedelta(minutes=window),
        "lateness": timedelta(minutes=1.5),
    }
    return Metric(**{**fields, **changes})


METRICS = (
    a_metric("rate", MetricKind.RATE, 5),
    a_metric("rate_on", MetricKind.RATE, 8, on=("a", "1.5", "true")),
    a_metric("share", MetricKind.SHARE, 11, by="end point", on=("x",)),
    a_metric("ratio", MetricKind.RATIO, 7),
    a_metric("ratio_on", MetricKind.RATIO, 7, on=("b",)),
    a_metric("mean", MetricKind.MEAN, 6),
    a_metric("mean_fall", MetricKind.MEAN, 6, bad=Direction.DECREASE, cap=300.0),
    a_metric("balance", MetricKind.MEAN, 9, event="balance"),
    a_metric("latency", MetricKind.QUANTILE, 4, quantile=0.95),
    a_metric("latency_on", MetricKind.QUANTILE, 9, quantile=0.95, on=("a",)),
    a_metric("tickets", MetricKind.COUNT, 10, event="api_error", room=Margin(relative=0.25)),
    a_metric("newest", MetricKind.GAUGE, 8, room=Margin(absolute=20.0)),
    a_metric("highest", MetricKind.GAUGE, 8, reading=Reading.MAX, by="end point", on=("x",)),
    a_metric("answered", MetricKind.SHARE, 12, event="stars", trial=None),
    a_metric("stars", MetricKind.SURVEY, 12, event="stars", scale=(1.0, 5.0), bad=Direction.DECREASE),
)


LATE = ("rate", "ratio", "mean", "latency", "tickets")


class Stream:
    """Seeded records: returning units, changing variants, wrong clocks, slow ways, repeated and late entries."""

    def __init__(self, seed: int, units: int) -> None:
        self._random = random.Random(seed)
        self._units = [f"unit-{seed}-{i}" for i in range(units)]
        self._sent: list[Entry] = []
        self._requests: list[str] = []
        self._number = 0

    def records(self, n: int) -> Iterator[tuple[int, Record]]:
        chance = self._random
        now = 0.0
        for place in range(n):
            now += chance.choice((0.0, 0.1, 0.25, 0.5))
            entries = [entry for _ in range(chance.randrange(0, 10)) for entry in self._visit(now)]
            if self._sent and chance.random() < 0.2:
                entries.append(chance.choice(self._sent))
            self._sent.extend(entries[:1])
            stamped = minute(now - chance.choice((0.0, 0.0, 0.3)))
            yield (place + 1) * 10, Record(received_at=stamped, machine_at=stamped, entries=entries)

    def _visit(self, now: float) -> Iterator[Entry]:
        """A unit comes: mostly it is exposed, and then something happens to it, in any order."""
        chance, unit = self._random, self._random.choice(self._units)
        if chance.random() < 0.7:
            yield self._exposure(unit, now)
        for _ in range(chance.randrange(0, 7)):
            yield self._event(unit, now)

    def _times(self, now: float) -> dict[str, Any]:
        self._number += 1
        chance = self._random
        happened = now - chance.choice((0.0, 0.0, 0.0, 0.02, 0.05, 0.3, chance.choice((1.0, 6.0))))
        sent, skew = now - chance.choice((0.0, 0.0, 0.01, 0.4)), chance.choice((0.0, 0.0, 7.0, -300.0))
        return {"occurred_at": minute(happened + skew), "sent_at": minute(sent + skew)}

    def _exposure(self, unit: str, now: float) -> Exposure:
        times, chance = self._times(now), self._random
        version = 1 if now < 12 else 2 if now < 40 else 3
        version = max(1, version - (chance.random() < 0.05))
        return Exposure(
            id=f"x{self._number}",
            unit=unit,
            environment="production" if chance.random() < 0.97 else "staging",
            flag_set="default",
            flag="newWidgets",
            variant=self._variant(unit, version),
            snapshot_version=version,
            **times,
        )

    def _event(self, unit: str, now: float) -> TrackedEvent:
        times, chance = self._times(now), self._random
        name = chance.choice(("api_request", "api_request", "api_error", "api_ms", "api_ms", "balance", "stars"))
        identity = f"e{self._number}"
        if name == "api_request":
            self._requests.append(identity)
        of = chance.choice(self._requests[-4:]) if self._requests and chance.random() < 0.2 else None
        functions: list[str | float | bool] = ["a", "b", 1.5, True]
        attributes: dict[str, str | float | bool] = {}
        if chance.random() < 0.7:
            attributes = {"function": chance.choice(functions), "end point": chance.choice(("x", "y"))}
        return TrackedEvent(
            id=identity, unit=unit, name=name, value=self._value(name), of=of, attributes=attributes, **times
        )

    def _variant(self, unit: str, version: int) -> str:
        chance = self._random.random()
        if chance < 0.005:
            return self._random.choice(("on", "off", "on_audience", "off_holdout", "on_excluded", "something_else"))
        if unit.endswith("3"):
            return "off_holdout"
        if unit.endswith("5"):  # told by an attribute that not every request carries
            return "off" if version == 3 or chance < 0.3 else "off_excluded"
        bucket = unit_bucket(SALT, unit)
        if unit.endswith("7"):
            return "off" if version == 3 else "on_audience"
        exposed = {1: 100_000, 2: 400_000, 3: 0}[version]
        return "on" if bucket < exposed else "off"

    def _value(self, name: str) -> float | None:
        chance = self._random
        if name in ("api_request", "api_error"):
            return None
        if chance.random() < 0.1:
            return chance.choice((None, float("nan"), -4.0, float("inf"), 1e200, 0.0))
        if name == "stars":
            return float(chance.randrange(0, 8))
        return chance.choice((chance.lognormvariate(4, 1), float(chance.randrange(1, 9)))) - (
            5 if name == "balance" else 0
        )


@pytest.mark.parametrize("contrast", CONTRASTS, ids=[str(place) for place in range(len(CONTRASTS))])
def test_both_stores_give_the_same_numbers_for_any_log(contrast: Contrast, drawn: Any) -> None:
    """Of few visits each, so that whatever differs is found in a log that can be read: late, repeated and future-dated
    entries, equal times and values, numbers that are none, every kind of metric."""
    compared = Counter[str]()

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck]
    )
    @given(st.lists(drawn.visits, min_size=25, max_size=60), st.integers(1, 50))
    def ask(visits: list[Any], first: int) -> None:
        memory, duck = MemoryEventStore(), DuckDbEventStore(":memory:")
        records, opened = drawn.records(visits, salt=SALT), -1.0
        for batch in (records[: first + 1], records[first:]):  # the last of the first again, as after a failure
            if not batch:
                continue
            memory.ingest(batch)
            duck.ingest(batch)
            watermark = memory.watermark()
            assert watermark is not None
            assert (memory.offset(), watermark, memory.totals()) == (duck.offset(), duck.watermark(), duck.totals())
            closed = (watermark - minute(0)) / timedelta(minutes=1)
            compared.update(compare(memory, duck, contrast, opened, closed))
            opened = closed
        compare_later(memory, duck, contrast, -1.0, opened)
        duck.close()

    ask()
    assert {metric.name for metric in METRICS} == set(compared), compared


def test_both_stores_give_the_same_numbers_for_a_long_stream() -> None:
    """Of thousands of entries, read in several goes: what only comes with size."""
    memory, duck = MemoryEventStore(), DuckDbEventStore(":memory:")
    records = list(Stream(1, units=700).records(200))
    seen = compared = 0
    opened = -1.0
    while seen < len(records):
        batch = records[max(0, seen - 2) : seen + 100]  # read again a little, as after a failure
        seen += 100
        memory.ingest(batch)
        duck.ingest(batch)
        assert (memory.offset(), memory.watermark(), memory.totals()) == (
            duck.offset(),
            duck.watermark(),
            duck.totals(),
        )
        watermark = memory.watermark()
        assert watermark is not None
        closed = (watermark - minute(0)) / timedelta(minutes=1)
        compared += len(compare(memory, duck, CONTRASTS[0], opened, closed))
        compare_later(memory, duck, CONTRASTS[0], opened, closed)
        opened = closed
    compared += len(compare(memory, duck, CONTRASTS[0], -1.0, 20.0))
    assert memory.names() == duck.names()
    assert compared > 25
    duck.close()


def compare(
    memory: MemoryEventStore, duck: DuckDbEventStore, contrast: Contrast, opened: float, closed: float
) -> list[str]:
    """Everything that the stores say of a contrast; returns the metrics of which there were blocks."""
    found: list[str] = []
    span = {"opened_at": minute(opened), "closed_at": minute(closed)}
    for metric in METRICS:
        expected, got = memory.block(contrast, metric, **span), duck.block(contrast, metric, **span)
        assert_same(expected, got, f"{metric.name} phase {contrast.phase} ({opened}, {closed}]")
        found += [metric.name] if expected is not None else []
        if metric.kind is MetricKind.SHARE and metric.trial is None:
            continue  # a response rate, which has neither limits nor a late-harm test
        query = LimitQuery(metric=metric, limit=3.0, functions=("a", "b") if len(metric.on) == 1 else ())
        limits = memory.limit_blocks(contrast, query, **span), duck.limit_blocks(contrast, query, **span)
        assert limits[0] == limits[1], metric.name
    assert memory.assignment(contrast) == duck.assignment(contrast)
    names = ("api_request", "api_ms")
    assert memory.volume_block(contrast, names, **span) == duck.volume_block(contrast, names, **span)
    assert memory.first_treated_at(contrast) == duck.first_treated_at(contrast)
    versions = (contrast.version_from, contrast.version_to)
    for variants in (["on", "on_audience"], ["off"]):
        arguments: dict[str, Any] = {"environment": "production", "flag": "newWidgets", "versions": versions}
        assert memory.exposed_units(**arguments, variants=variants) == duck.exposed_units(
            **arguments, variants=variants
        )
        assert memory.active_units(**arguments) == duck.active_units(**arguments)
    return found


def compare_later(
    memory: MemoryEventStore, duck: DuckDbEventStore, contrast: Contrast, opened: float, closed: float
) -> None:
    """Late harm, of an epoch that goes on and of ones with a day before them, and how events arrived."""
    span = {"opened_at": minute(opened), "closed_at": minute(closed)}
    epoch = -1.0 if contrast.phase == 1 else opened
    for metric in (metric for metric in METRICS if metric.name in LATE):
        late: dict[str, Any] = {"epoch_at": minute(epoch), "with_new": contrast.phase == 0, **span}
        expected, got = memory.late_block(contrast, metric, **late), duck.late_block(contrast, metric, **late)
        assert_same(expected, got, f"late {metric.name} phase {contrast.phase} ({opened}, {closed}]")
        arrived = memory.arrival_block(contrast, metric, **span), duck.arrival_block(contrast, metric, **span)
        assert arrived[0] == arrived[1], metric.name


def assert_same(expected: Any, got: Any, where: str) -> None:
    """Equal, numbers to 1e-9."""
    if expected is None or got is None:
        assert expected is got, where
        return
    one, other = flat(msgspec.to_builtins(expected)), flat(msgspec.to_builtins(got))
    assert one.keys() == other.keys(), where
    for path, value in one.items():
        same = value == other[path] if not isinstance(value, float) else isclose(value, other[path])
        assert same, f"{where}{path}: {value} and {other[path]}"


def isclose(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {key: leaf for name, part in value.items() for key, leaf in flat(part, f"{path}.{name}").items()}
    if isinstance(value, (list, tuple)):
        return {key: leaf for place, part in enumerate(value) for key, leaf in flat(part, f"{path}.{place}").items()}
    return {path: value}


def test_both_stores_tell_the_same_history() -> None:
    memory, duck = MemoryEventStore(), DuckDbEventStore(":memory:")
    records = list(Stream(5, units=300).records(300))
    assert memory.history(METRICS, days=1, units=1_000).rows == duck.history(METRICS, days=1, units=1_000).rows == ()
    memory.ingest(records)
    duck.ingest(records)
    one, other = (store.history(METRICS, days=2, units=1_000) for store in (memory, duck))
    assert (one.sampled, one.began_at, one.units) == (1.0, other.began_at, other.units)
    assert 100 < len(one.rows) == len(other.rows)
    for mine, theirs in zip(one.rows, other.rows, strict=True):
        assert_same(msgspec.to_builtins(mine), msgspec.to_builtins(theirs), f"unit {mine.unit} at {mine.at_s}")
    assert 0 < duck.history(METRICS, days=2, units=50).units < 100
