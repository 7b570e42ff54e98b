"""Every kind of metric, from what arrives to a verdict: over both stores (DESIGN section 7)."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from ebbgate.adapters.events.duckdb_store import DuckDbEventStore
from ebbgate.adapters.sources import Sources
from ebbgate.control.evidence import Summary, fold_rollout
from ebbgate.control.evidence_health import health_of
from ebbgate.control.readings import ReadingService
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.metrics.analysis import GoalStanding, LimitStanding, Verdict
from ebbgate.core.metrics.blocks import ProportionBlock
from ebbgate.core.releases import Artifact, BudgetResult, BuildRecord, Documents, Release
from ebbgate.core.rollouts import plan_from_data
from ebbgate.core.rollouts.plan import Mode, Source
from ebbgate.core.rollouts.state import PhaseRecord, RolloutState, Status
from ebbgate.ports.control_store import Evidence
from ebbgate.ports.event_store import EventStore
from ebbgate.ports.metric_source import Answer, Question
from ebbgate.testing.event_script import ORIGIN, EventScript, minute
from ebbgate.testing.memory_control import MemoryControlStore
from ebbgate.testing.memory_events import MemoryEventStore

SALT, TREATED = "newWidgets-1", 500_000
UNITS = 600


@pytest.fixture(params=["memory", "duckdb"])
def store(request: pytest.FixtureRequest) -> Iterator[EventStore]:
    store: EventStore = MemoryEventStore() if request.param == "memory" else DuckDbEventStore(":memory:")
    yield store
    store.close()


def a_state(plan: dict[str, Any], **changes: Any) -> RolloutState:
    data = {"app": "shop", "flag": "newWidgets", "tick": "1m", "min_units": 100, **plan}
    data.setdefault("phases", [{"to": "50%", "stay": "1d..2d"}, {"to": "100%"}])
    record = PhaseRecord(
        index=0, entered_at=ORIGIN, snapshot_version=1, attribute_share=0.0, hash_from=0, hash_to=TREATED
    )
    fields: dict[str, Any] = {
        "id": "newWidgets-1",
        "lineage": SALT,
        "attempt": 1,
        "release": "2.0.0",
        "plan": plan_from_data(data),
        "mode": Mode.OBSERVE,
        "status": Status.RUNNING,
        "created_at": ORIGIN,
        "phases": (record,),
        "summarised_to": ORIGIN,
    }
    return RolloutState(**{**fields, **changes})


def looked(state: RolloutState, store: EventStore, script: EventScript, *, times: int = 3) -> Summary:
    """What is known after some looks, at the end of the script."""
    evidence, summary = Evidence(), None
    per = len(script.records) // times + 1
    for place in range(times):
        store.ingest(script.records[: (place + 1) * per])
        summary = fold_rollout(state, evidence, store, until=store.watermark())
        evidence = msgspec.msgpack.decode(msgspec.msgpack.encode(summary.evidence), type=Evidence)
        state = msgspec.structs.replace(state, summarised_to=summary.summarised_to)
    assert summary is not None
    return summary


def is_new(unit: str) -> bool:
    return unit_bucket(SALT, unit) < TREATED


def people(script: EventScript) -> Iterator[tuple[str, bool, float]]:
    """Each unit with whether it has the new version and when it came: all within an hour."""
    for number in range(UNITS):
        unit, at = f"user-{number}", number / 10
        script.expose(unit, "on" if is_new(unit) else "off", at)
        yield unit, is_new(unit), at


def test_a_gauge_is_judged_by_its_last_reading_or_its_largest(store: EventStore) -> None:
    measured = {"window": "10m", "lateness": "1m", "worse_by": "20%", "tolerate": "5%", "baseline": "50MB"}
    state = a_state(
        {
            "guardrails": {
                "last": {"gauge": "widget_memory_mb", **measured},
                "peak": {"gauge": "widget_memory_mb", "take": "max", **measured},
            }
        }
    )
    script, chance = EventScript(), Random(1)
    for unit, new, at in people(script):
        peak = 100.0 if new else 60.0
        script.track(unit, "widget_memory_mb", at + 0.01, chance.gauss(peak, 5))
        script.track(unit, "widget_memory_mb", at + 0.02, chance.gauss(50, 5))
    script.quiet_until(90)
    analyses = looked(state, store, script).analyses
    assert (analyses["last"].verdict, analyses["peak"].verdict) == (Verdict.SAFE, Verdict.HARM)
    assert analyses["peak"].treatment_value == pytest.approx(100, abs=2)


def test_a_survey_that_other_people_answer_is_neither_met_nor_safe(store: EventStore) -> None:
    state = a_state(
        {
            "goals": {
                "stars": {"survey": "stars", "scale": "1..5", "goal": "+10%", "window": "10m", "lateness": "1m"},
            }
        }
    )
    script, chance = EventScript(), Random(2)
    for unit, new, at in people(script):
        if chance.random() < (0.9 if not new else 0.45):  # whoever is unhappy with the new version says nothing
            script.track(unit, "stars", at + 0.01, float(chance.choice((4, 5) if new else (2, 3))))
    script.quiet_until(90)
    goal = looked(state, store, script).goals["stars"]
    assert goal.standing is GoalStanding.UNKNOWN
    assert goal.interval is not None
    assert goal.interval[0] > 0.1
    assert "not those of the same people" in goal.words


def test_g1_each_endpoint_is_shown_and_limited_by_itself(store: EventStore) -> None:
    api_time = {
        "p50": "api_ms",
        "by": "endpoint",
        "worse_by": "20%",
        "critical": "> 500ms for 5m",
        "window": "10m",
        "lateness": "1m",
    }
    state = a_state({"guardrails": {"api_time": api_time}})
    script, chance = EventScript(), Random(3)
    for unit, new, at in people(script):
        endpoint = "/pay" if chance.random() < 0.3 else "/list"
        slow = new and endpoint == "/pay"
        script.track(unit, "api_ms", at + 0.01, chance.gauss(900 if slow else 100, 10), endpoint=endpoint)
    script.quiet_until(90)
    analysis = looked(state, store, script, times=12).analyses["api_time"]
    standings = {limit.function: (limit.standing, limit.attributable) for limit in analysis.limits}
    assert standings.keys() == {"", "/list", "/pay"}
    assert standings["/pay"] == (LimitStanding.BREACHED, True)
    assert standings["/list"][0] is not LimitStanding.BREACHED
    parts = {part.metric: part for part in analysis.parts}
    assert parts["api_time[/pay]"].treatment_value == pytest.approx(900, rel=0.1)
    assert parts["api_time[/pay]"].control_value == pytest.approx(100, rel=0.1)
    assert parts["api_time[/list]"].treatment_value == pytest.approx(100, rel=0.1)


def test_another_systems_exposures_are_judged_by_their_variant(store: EventStore) -> None:
    plan = {
        "mode": "observe",
        "exposures": "external",
        "phases": [{"to": "50%", "watch": "1d"}],
        "guardrails": {"errors": {"rate": "fail / call", "worse_by": "1pp", "window": "10m", "lateness": "1m"}},
    }
    state = a_state(plan, status=Status.WATCHING)
    script, chance = EventScript(), Random(4)
    script.expose("before", "on", -1, version=0)
    script.expose("ours", "on", 0, version=3)
    for number in range(UNITS):
        unit, new = f"user-{number}", chance.random() < 0.5  # by no hash of ours
        script.expose(unit, "on" if new else "off", number / 10, version=0)
        script.track(unit, "call", number / 10 + 0.01)
        if chance.random() < (0.3 if new else 0.02):
            script.track(unit, "fail", number / 10 + 0.02)
    script.quiet_until(90)
    summary = looked(state, store, script)
    assert summary.analyses["errors"].verdict is Verdict.HARM
    seen = summary.assignment
    assert seen.treatment + seen.control == UNITS
    assert seen.expected_share == 0.5
    assert not summary.evidence.sample_ratio.fired


def test_a_wrong_share_of_another_systems_arms_is_doubted(store: EventStore) -> None:
    phases = [{"to": "50%", "watch": "1d"}]
    state = a_state({"mode": "observe", "exposures": "external", "phases": phases}, status=Status.WATCHING)
    script = EventScript()
    for number in range(UNITS):
        script.expose(f"user-{number}", "off" if number % 3 else "on", number / 10, version=0)
    script.quiet_until(90)
    assert looked(state, store, script).evidence.sample_ratio.fired


def test_requests_that_a_source_counts_are_judged_and_marked_as_such(tmp_path: Path) -> None:
    path, chance = tmp_path / "mesh.db", Random(5)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE calls (version TEXT, at TEXT, failed INTEGER)")
    for second in range(3600):
        at = (ORIGIN + timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S.%f")
        for version, share in (("canary", 0.2), ("stable", 0.02)):
            connection.execute("INSERT INTO calls VALUES (?, ?, ?)", (version, at, chance.random() < share))
    connection.commit()
    connection.close()
    where = "FROM calls WHERE at >= :opened_at AND at < :closed_at GROUP BY version"
    query = {
        "query": f"SELECT version, sum(failed) AS value {where}",
        "of": f"SELECT version, count(*) AS value {where}",
        "source": "mesh",
        "arm": "version",
        "arms": {"treatment": "canary", "control": "stable"},
        "interval": "5m",
        "timeout": "10s",
        "worse_by": "1pp",
        "critical": "> 10% for 15m",
    }
    read = {**query, "limit": "10"}
    del read["of"], read["worse_by"], read["critical"]
    plan = {
        "guardrails": {"mesh_errors": query, "mesh_number": read},
        "sources": {"mesh": {"sql": f"sqlite:///{path}"}},
    }
    state, evidence = a_state(plan), Evidence()
    service = ReadingService(MemoryControlStore(), Sources())
    summary = None
    for until in (minute(3), minute(31), minute(70)):
        readings = service.read(state, evidence, until=until)
        summary = fold_rollout(state, evidence, MemoryEventStore(), until=until, readings=readings)
        evidence = msgspec.msgpack.decode(msgspec.msgpack.encode(summary.evidence), type=Evidence)
        state = msgspec.structs.replace(state, summarised_to=summary.summarised_to)
    assert summary is not None
    errors, number = summary.analyses["mesh_errors"], summary.analyses["mesh_number"]
    assert (errors.verdict, errors.treatment_n, errors.control_n) == (Verdict.HARM, 3600, 3600)
    assert errors.words.endswith("(by requests from mesh, not by users)")
    assert [(x.standing, x.attributable, x.treatment_n > 0) for x in errors.limits] == [
        (LimitStanding.BREACHED, True, True)
    ]
    assert number.verdict is Verdict.NOT_APPLICABLE
    assert number.limits[0].standing is LimitStanding.BREACHED
    assert service.read(state, evidence, until=minute(70)).counted == []  # each interval once


def test_a_source_that_falls_silent_is_missing_data_unless_the_plan_says_never_mind() -> None:
    query = {"query": "x", "of": "y", "source": "mesh", "arm": "version", "worse_by": "1pp"}
    plan = {
        "guardrails": {"minded": query, "unminded": {**query, "no_data": "ignore"}},
        "sources": {"mesh": {"prometheus": "http://127.0.0.1:1"}},
    }
    state = a_state(plan)
    service = ReadingService(MemoryControlStore(), Sources())
    readings = service.read(state, Evidence(), until=minute(10))
    assert (readings.counted, readings.read) == ([], [])
    first = {(one.metric, one.source, one.since) for one in readings.failures}
    assert first == {("minded", "mesh", minute(10)), ("unminded", "mesh", minute(10))}
    assert all(one.error for one in readings.failures)
    later = service.read(state, Evidence(), until=minute(12))
    assert {one.since for one in later.failures} == {minute(10)}, "the first of a row of failures"
    seen = fold_rollout(state, Evidence(), MemoryEventStore(), until=minute(12), readings=later)
    assert seen.data.failures == later.failures, "stored with the look"
    for until, missing in ((minute(3), ()), (minute(10), ("minded",))):
        summary = fold_rollout(state, Evidence(), MemoryEventStore(), until=until)
        assert health_of(state, summary, stale_for=timedelta(0)).missing == missing


class Told:
    """A source that answers with the numbers that it was given."""

    def __init__(self, **answers: dict[str, float]) -> None:
        self.answers = answers

    def ask(self, source: Source, question: Question) -> Answer:
        return dict.fromkeys(question.closes, self.answers[question.expression])


def test_d5_a_source_s_numbers_that_no_metric_can_use_are_as_if_nothing_had_been_said() -> None:
    """An arm whose errors cannot be told is left out with its requests: it is not an arm without errors."""
    ratio = {"query": "bad", "of": "all", "source": "mesh", "arm": "version", "worse_by": "1pp"}
    read = {"query": "load", "source": "mesh", "arm": "version", "limit": "10ms"}
    plan = {
        "guardrails": {"errors": ratio, "load_ms": read},
        "sources": {"mesh": {"prometheus": "http://127.0.0.1:1"}},
    }
    told = Told(bad={"on": 1e200, "off": 2.0}, all={"on": 100.0, "off": 90.0}, load={"on": -3.0, "off": 1e300})
    readings = ReadingService(MemoryControlStore(), told).read(a_state(plan), Evidence(), until=minute(3))
    counted = [block for block in readings.counted if isinstance(block, ProportionBlock)]
    assert {(block.treatment_n, block.control_n, block.control_y) for block in counted} == {(0, 90, 2)}
    assert readings.read == []
    sound = Told(bad={"on": float("inf")}, all={"on": float("nan"), "off": 1e12}, load={"on": 4.0, "off": 5.0})
    readings = ReadingService(MemoryControlStore(), sound).read(a_state(plan), Evidence(), until=minute(3))
    assert readings.counted == []
    assert {(block.treatment, block.control) for block in readings.read} == {(4.0, 5.0)}


def test_a_number_of_the_release_is_held_against_its_limit() -> None:
    control, digest = MemoryControlStore(), f"sha256:{'0' * 64}"
    budgets = tuple(BudgetResult(files="*.js", kind="growth", limit=1, used=u, is_met=False) for u in (10, 612_000))
    release = Release(
        id="shop@2.0.0",
        app="shop",
        version="2.0.0",
        artifact=Artifact(digest=digest, archive_bytes=1, content_bytes=1, gzip_bytes=1, files=1),
        documents=Documents(manifest=digest),
        created_at=ORIGIN,
        build=BuildRecord(
            builder="ebbgate", started_at=ORIGIN, took=timedelta(seconds=1), commands=(), budgets=budgets
        ),
    )
    with control.transaction() as tx:
        tx.put_release(release)
    state = a_state({"guardrails": {"bundle": {"build": "growth_bytes", "limit": "500KB"}}})
    readings = ReadingService(control, Sources()).read(state, Evidence(), until=minute(1))
    summary = fold_rollout(state, Evidence(), MemoryEventStore(), until=minute(1), readings=readings)
    bundle = summary.analyses["bundle"]
    assert (bundle.verdict, bundle.treatment_value) == (Verdict.NOT_APPLICABLE, 612_000)
    assert bundle.limits[0].standing is LimitStanding.BREACHED
