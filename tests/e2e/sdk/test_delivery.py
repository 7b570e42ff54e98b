"""Exposures and events over faults: at least once, with the same ids, within a bound (RULES C)."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ebbgate.core.clock import ClockMapping
from ebbgate.core.events.types import WireEntry
from ebbgate.sdk.timing import Timing


def test_each_unit_is_exposed_once_for_a_flag_and_version(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    edge.publish(a_snapshot(1))
    client = connect()
    assert client.wait_ready(5)
    for _ in range(3):
        for i in range(50):
            client.boolean_value("new", False, {"targetingKey": f"user-{i}"})
            client.boolean_value("old", False, {"targetingKey": f"user-{i}"})  # under no rollout
    client.boolean_value("new", False, {"targetingKey": 7})
    client.boolean_value("new", False, {"targetingKey": ""})
    client.boolean_value("new", False)
    assert client.flush()

    exposures = edge.of_type("exposure")
    assert sorted(e["unit"] for e in exposures) == sorted(f"user-{i}" for i in range(50))
    assert {e["variant"] for e in exposures} == {"on", "off"}  # control units, too
    assert {(e["flag"], e["snapshot_version"], e["environment"], e["flag_set"]) for e in exposures} == {
        ("new", 1, "production", "app")
    }
    eventually(lambda: edge.reports("heartbeat") and edge.reports("heartbeat")[-1]["counts"].get("keyless"))
    counts = edge.reports("heartbeat")[-1]["counts"]
    assert counts["evaluations"] == {"new": 153, "old": 150}
    assert counts["keyless"] == {"new": 3}

    edge.publish(a_snapshot(2))
    eventually(lambda: client.snapshot_version == 2)
    client.boolean_value("new", False, {"targetingKey": "user-1"})
    assert client.flush()
    assert edge.of_type("exposure")[-1]["snapshot_version"] == 2


def test_entries_are_what_the_server_decodes_and_dated_on_the_plan_clock(
    edge: Any, connect: Any, a_snapshot: Any
) -> None:
    origin = datetime(2040, 1, 1, tzinfo=UTC)
    mapping = ClockMapping(origin_at=origin, plan_origin_at=origin + timedelta(days=1000), scale=1.0)
    client = connect()
    early = client.track("early", "user-1")  # before any snapshot: dated once the clock is known
    edge.publish(a_snapshot(1, clock=mapping))
    assert client.wait_ready(5)
    later = client.track(
        "click", {"targetingKey": "user-1"}, 2, {"endpoint": "/a", "n": 3, "ok": True, "nested": {}}, of=early
    )
    client.track("broken", "user-1", float("nan"))
    assert client.track("nobody", "") is None
    assert client.flush()

    entries = msgspec.convert(edge.of_type("event"), list[WireEntry], strict=False)
    by_name = {entry.name: entry for entry in entries}
    assert set(by_name) == {"early", "click", "broken"}
    click = by_name["click"]
    assert (click.id, click.of, click.value, click.snapshot_version) == (later, early, 2.0, 1)
    assert click.attributes == {"endpoint": "/a", "n": 3.0, "ok": True}
    assert by_name["broken"].value is None
    assert by_name["broken"].invalid
    assert by_name["early"].snapshot_version is None
    shift = timedelta(days=1000)
    for entry in entries:
        machine_at = entry.occurred_at - shift
        assert machine_at - timedelta(minutes=5) < entry.sent_at - shift
        assert entry.occurred_at <= entry.sent_at
        assert entry.sent_at - entry.occurred_at < timedelta(minutes=1)
    status = client.status
    assert (status.dropped_attributes, status.dropped_events) == (1, 1)


def test_what_was_buffered_during_an_outage_is_delivered_once(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    edge.publish(a_snapshot(1))
    client = connect()
    assert client.wait_ready(5)
    edge.stop()
    eventually(lambda: not client.status.is_live)
    ids = [client.track("click", f"user-{i}") for i in range(300)]
    assert client.status.queued == 300
    edge.start()
    eventually(lambda: client.status.queued == 0)
    assert sorted(e["id"] for e in edge.of_type("event")) == sorted(ids)


def test_a_lost_answer_is_repeated_with_the_same_ids(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    """At least once: the server tells repeated ids apart (RULES C4)."""
    edge.publish(a_snapshot(1))
    client = connect()
    assert client.wait_ready(5)
    eventually(lambda: edge.reports("confirmed"))
    edge.loses_answers = True
    event_id = client.track("click", "user-1")
    eventually(lambda: len(edge.of_type("event")) >= 2, "a repetition")
    assert client.status.queued == 1
    edge.loses_answers = False
    eventually(lambda: client.status.queued == 0)
    assert {e["id"] for e in edge.of_type("event")} == {event_id}
    first, last = edge.of_type("event")[0], edge.of_type("event")[-1]
    assert first["occurred_at"] == last["occurred_at"]
    assert first["sent_at"] < last["sent_at"]  # of each attempt


def test_one_bad_entry_costs_no_other(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    edge.publish(a_snapshot(1))
    edge.refuses_units = {"user-13"}
    client = connect()
    assert client.wait_ready(5)
    for i in range(40):
        client.track("click", f"user-{i}")
    client.track("half a pair", "\ud800")  # cannot be encoded at all
    eventually(lambda: client.status.queued == 0)
    assert {e["unit"] for e in edge.of_type("event")} == {f"user-{i}" for i in range(40)} - {"user-13"}
    status = client.status
    assert status.rejected == {"http_400": 1}
    assert status.dropped_events == 1


def test_retry_after_is_honoured(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    edge.publish(a_snapshot(1))
    client = connect()
    assert client.wait_ready(5)
    eventually(lambda: edge.reports("confirmed"))
    edge.event_answers = [(429, {"Retry-After": "1"})]
    client.track("click", "user-1")
    eventually(lambda: not edge.event_answers, "the 429")
    posts = len(edge.posts)
    assert not client.flush(timeout=0.5)
    assert len(edge.posts) == posts  # nothing at all was sent meanwhile
    assert client.flush(timeout=5)


def test_a_full_queue_drops_the_oldest_exposures_first(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    edge.publish(a_snapshot(1))
    client = connect(timing=Timing(queue_max=10, batch_max=5, backoff_base_s=0.02, backoff_cap_s=0.1))
    assert client.wait_ready(5)
    edge.stop()
    eventually(lambda: not client.status.is_live)
    for i in range(10):
        client.boolean_value("new", False, {"targetingKey": f"user-{i}"})
    for i in range(10):
        client.track("click", f"user-{i}")
    for i in range(10, 14):
        client.track("click", f"user-{i}")
    status = client.status
    assert status.queued <= 10
    assert status.dropped_exposures + status.dropped_events == 14
    assert status.dropped_exposures >= 5  # those in the batch being sent stay
    edge.start()
    eventually(lambda: client.status.queued == 0)
    newest = [e["unit"] for e in edge.of_type("event")][-1]
    assert newest == "user-13"


def test_closing_delivers_what_is_queued_and_has_a_deadline(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    edge.publish(a_snapshot(1))
    client = connect(timing=Timing(flush_interval_s=60))
    assert client.wait_ready(5)
    client.track("click", "user-1")
    client.close(timeout=5)
    assert len(edge.of_type("event")) == 1
    (goodbye,) = edge.reports("closed")
    assert (goodbye["evaluator"], goodbye["snapshot_version"]) == (client.status.evaluator, 1)
    assert client.boolean_value("old", True, {"targetingKey": "user-1"}) is False  # still answered
    assert client.track("click", "user-1") is None
    client.close()

    slow = connect(timing=Timing(flush_interval_s=60))
    assert slow.wait_ready(5)
    eventually(lambda: edge.reports("confirmed")[-1]["evaluator"] == slow.status.evaluator)
    edge.gate.clear()
    slow.track("click", "user-2")
    slow.close(timeout=0.3)
    assert slow.status.queued == 1


def test_an_exit_sends_what_is_queued(edge: Any, a_snapshot: Any) -> None:
    edge.publish(a_snapshot(1))
    program = (
        "import sys, ebbgate\n"
        "client = ebbgate.Client(sys.argv[1], 'ebb_server_test')\n"
        "assert client.wait_ready(5)\n"
        "client.track('click', 'user-1')\n"
    )
    subprocess.run([sys.executable, "-c", program, edge.url], check=True, timeout=60)
    assert [e["name"] for e in edge.of_type("event")] == ["click"]
