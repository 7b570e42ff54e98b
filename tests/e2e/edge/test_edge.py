"""Tokens, flags, events and streams of an edge, seen over the wire (RULES I3, C4)."""

import json
import signal
import subprocess
import threading
from typing import Any

import httpx
import msgspec

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.access import make_token
from ebbgate.core.events.types import EvaluatorReport, Exposure, Heartbeat, TrackedEvent
from ebbgate.core.flags import Snapshot, render_kill

CLOCK = SystemClock()


def an_event(event_id: str) -> dict[str, object]:
    at = CLOCK.machine_now().isoformat()
    return {"type": "event", "id": event_id, "unit": "u1", "name": "click", "occurred_at": at, "sent_at": at}


def test_a_request_without_a_token_or_with_a_wrong_or_weak_one_gets_a_problem(edge: Any) -> None:
    """Acceptance 8 of the main job."""
    absent = edge.get("/v1/snapshot")
    wrong = httpx.get(edge.url + "/v1/snapshot", headers={"x-api-key": make_token("server", b"?" * 32)})
    weak = edge.get("/v1/snapshot", "client")
    enough = edge.get("/v1/snapshot", "server")

    assert [absent.status_code, wrong.status_code, weak.status_code, enough.status_code] == [401, 401, 403, 200]
    for answer in (absent, wrong, weak):
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "code", "detail", "hint"} <= answer.json().keys()
    assert absent.headers["www-authenticate"].startswith("Bearer")


def test_ofrep_single_and_bulk_answer_and_a_repeated_bulk_is_not_modified(edge: Any) -> None:
    single = edge.ofrep("newWidgets", "u1")
    encoded = edge.ofrep("a%2Fb%20c", "u1")
    unknown = edge.ofrep("nope", "u1")
    bulk = edge.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "u1"}})
    again = edge.post(
        "/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "u1"}}, **{"if-none-match": bulk.headers["etag"]}
    )

    assert (single.status_code, single.json()["reason"]) == (200, "TARGETING_MATCH")
    assert encoded.json() == {"key": "a/b c", "value": False, "reason": "STATIC", "variant": "off"}
    assert (unknown.status_code, unknown.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
    assert {flag["key"] for flag in bulk.json()["flags"]} == {"newWidgets", "a/b c"}
    assert single.json() in bulk.json()["flags"]
    assert (again.status_code, again.content) == (304, b"")


def test_kill_nine_loses_no_event_that_was_acknowledged(edge: Any, wait_until: Any) -> None:
    """RULES C4: acknowledged means fsynced, whenever the edge dies."""
    acknowledged: list[str] = []

    def send(worker: int) -> None:
        with httpx.Client(base_url=edge.url, headers=edge.bearer("client")) as client:
            for n in range(100_000):
                ids = [f"{worker}-{n}-{place}" for place in range(5)]
                try:
                    answer = client.post("/v1/events", content=json.dumps([an_event(event_id) for event_id in ids]))
                except httpx.TransportError:
                    return
                assert answer.json() == {"accepted": 5, "rejected": []}
                acknowledged.extend(ids)

    workers = [threading.Thread(target=send, args=[worker]) for worker in range(4)]
    for worker in workers:
        worker.start()
    wait_until(lambda: len(acknowledged) >= 500)
    edge.stop(signal.SIGKILL)
    for worker in workers:
        worker.join()

    edge.start()
    late = edge.post("/v1/events", [an_event("late")])
    stored = [event.id for event in edge.entries(TrackedEvent)]

    assert late.json()["accepted"] == 1
    assert {*acknowledged, "late"} <= set(stored)
    assert len(stored) == len(set(stored))


def test_an_edge_without_files_is_alive_but_not_ready_and_becomes_so_by_itself(make_edge: Any, wait_until: Any) -> None:
    edge = make_edge()
    edge.start()
    before = edge.get("/readyz")
    refused = edge.ofrep("newWidgets", "u1")

    edge.publish_access()
    edge.publish(1, {"newWidgets": edge.rollout})
    wait_until(lambda: edge.get("/readyz").status_code == 200)
    served = edge.ofrep("newWidgets", "u1")

    assert (before.status_code, refused.status_code) == (503, 503)
    assert {"snapshot", "access"} <= set(before.json()["missing"])
    assert served.status_code == 200
    assert edge.stop() == 0


def test_a_change_is_pushed_and_a_stream_is_reported_and_the_stop_is_quick(edge: Any, wait_until: Any) -> None:
    versions: list[int] = []
    seen = threading.Event()

    def follow() -> None:
        parameters = {"evaluator": "e1", "name": "host:1", "environment": "production"}
        with httpx.stream("GET", edge.url + "/v1/stream", params=parameters, headers=edge.bearer("server")) as lines:
            for line in lines.iter_lines():
                if line.startswith("data: "):
                    versions.append(msgspec.json.decode(line[6:], type=Snapshot).version)
                    seen.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert seen.wait(5)
    edge.publish(2, {"newWidgets": render_kill(edge.rollout, "off")})
    wait_until(lambda: versions == [1, 2])
    began = CLOCK.monotonic()
    status = edge.stop()
    took = CLOCK.monotonic() - began
    follower.join(5)

    assert status == 0
    assert took < 2
    reports = [(report.evaluator, report.name, report.state) for report in edge.entries(EvaluatorReport)]
    assert reports == [("e1", "host:1", "connected"), ("e1", "host:1", "disconnected")]


def test_exposures_over_ofrep_are_in_the_log_once_for_each_unit_and_version(edge: Any, wait_until: Any) -> None:
    """RULES C2; what waits when the edge is told to stop is written before it ends."""
    for unit in ("u1", "u2", "u1", "u1"):
        edge.ofrep("newWidgets", unit)
        edge.ofrep("a%2Fb%20c", unit)
    edge.post("/ofrep/v1/evaluate/flags/newWidgets", {})
    edge.publish(2, {"newWidgets": edge.rollout})
    wait_until(lambda: edge.get("/v1/snapshot", "server").json()["version"] == 2)
    variant = edge.ofrep("newWidgets", "u1").json()["variant"]
    edge.stop()

    exposures = edge.entries(Exposure)
    assert [(e.unit, e.flag, e.snapshot_version, e.source) for e in exposures] == [
        ("u1", "newWidgets", 1, "ofrep"),
        ("u2", "newWidgets", 1, "ofrep"),
        ("u1", "newWidgets", 2, "ofrep"),
    ]
    assert exposures[0].variant == exposures[2].variant == variant
    assert len({exposure.id for exposure in exposures}) == 3
    [report] = edge.entries(EvaluatorReport)
    assert (report.kind, report.counts.evaluations) == ("ofrep", {"newWidgets": 6, "a/b c": 4})
    assert report.counts.keyless == {"newWidgets": 1}


def test_flags_are_served_while_the_log_cannot_be_written_and_events_are_not(make_edge: Any, wait_until: Any) -> None:
    edge = make_edge()
    (edge.directory / "log").write_text("in the way")  # a file where the folder should be
    edge.publish_access()
    edge.publish(1, {"newWidgets": edge.rollout})
    edge.start()
    ready = edge.get("/readyz")
    refused = edge.post("/v1/events", [an_event("1")])
    flag = edge.ofrep("newWidgets", "u1")

    (edge.directory / "log").unlink()
    wait_until(lambda: edge.get("/readyz").status_code == 200)
    taken = edge.post("/v1/events", [an_event("1")])
    edge.stop()

    assert (ready.status_code, ready.json()["missing"]) == (503, ["log"])
    assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
    assert flag.status_code == 200
    assert taken.json() == {"accepted": 1, "rejected": []}
    assert [exposure.unit for exposure in edge.entries(Exposure)] == ["u1"]


def test_a_batch_is_taken_entry_by_entry_and_its_limits_are_said(edge: Any) -> None:
    mixed = edge.post("/v1/events", {"entries": [an_event("1"), {"type": "event", "id": "2"}]})
    packed = edge.post("/v1/events", msgspec.msgpack.encode([an_event("3")]), **{"content-type": "application/msgpack"})
    unreadable = edge.post("/v1/events", b"{nonsense")
    large = edge.post("/v1/events", b"[" + b" " * 5_000_001)

    assert mixed.json()["accepted"] == 1
    assert [(refused["index"], refused["code"]) for refused in mixed.json()["rejected"]] == [(1, "missing_field")]
    assert packed.json() == {"accepted": 1, "rejected": []}
    assert (unreadable.status_code, large.status_code) == (400, 413)
    assert {event.id for event in edge.entries(TrackedEvent)} == {"1", "3"}


def test_heartbeats_move_the_watermark_without_any_traffic(edge: Any, wait_until: Any) -> None:
    wait_until(lambda: len(edge.entries(Heartbeat)) >= 3)
    times = [record.received_at for record in edge.records()]
    assert times == sorted(times)


def test_a_second_edge_on_the_same_directory_is_refused_and_tokens_are_never_logged(edge: Any) -> None:
    edge.get("/v1/snapshot", "client")
    edge.ofrep("newWidgets", "u1")
    port = (edge.directory / "edge.port").read_text()
    second = subprocess.run(edge.command(), capture_output=True, timeout=20, check=False)

    assert second.returncode != 0
    assert b"another edge" in second.stderr
    assert (edge.directory / "edge.port").read_text() == port
    assert edge.ofrep("newWidgets", "u1").status_code == 200
    edge.stop()
    lines = [json.loads(line) for line in edge.stderr.splitlines()]
    assert {"access_loaded", "snapshot_served"} <= {line["event"] for line in lines}
    assert not any(token.encode() in edge.stderr for token in edge.tokens.values())


def test_metrics_count_evaluations_events_and_the_version_served(edge: Any) -> None:
    edge.ofrep("a%2Fb%20c", "u1")
    edge.post("/v1/events", [an_event("1"), {}])
    refused = edge.get("/metrics", "server")
    text = edge.get("/metrics", "operator").text

    assert refused.status_code == 403
    assert 'ebbgate_evaluations_total{flag="a/b c",variant="off"} 1.0' in text
    assert "ebbgate_events_accepted_total 1.0" in text
    assert 'ebbgate_snapshot_version{environment="production"} 1.0' in text
    assert "ebbgate_log_writable 1.0" in text
    assert "ebbgate_log_fsync_seconds_count" in text


def test_the_socket_works_in_a_directory_whose_path_is_longer_than_the_kernel_takes(
    make_edge: Any, wait_until: Any
) -> None:
    edge = make_edge("x" * 120)
    edge.publish_access()
    edge.publish(1, {"newWidgets": edge.rollout})
    edge.start()
    assert (edge.directory / "edge.sock").is_socket()
    edge.publish(2, {"newWidgets": edge.rollout})
    wait_until(lambda: edge.get("/v1/snapshot", "server").json()["version"] == 2)
    edge.stop()
    assert not (edge.directory / "edge.sock").exists()
