"""Routes, health, what is served of control's files, and heartbeats."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from ebbgate.core.events.types import Heartbeat
from ebbgate.core.flags import Snapshot
from ebbgate.edge.http import NotReadyError
from ebbgate.ports.snapshots import PublishedSnapshot


@pytest.mark.parametrize("path", ["/", "/nope", "/ofrep/v1/configuration", "/v1/events/"])
async def test_an_unknown_path_is_404(edge: Any, path: str) -> None:
    answer = await edge.call("GET", path)
    assert (answer.status, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/ofrep/v1/evaluate/flags/plain"), ("PUT", "/v1/events"), ("POST", "/healthz")]
)
async def test_another_method_is_405(edge: Any, method: str, path: str) -> None:
    assert (await edge.call(method, path)).status == 405


async def test_health_is_open_and_says_ok(make_edge: Any) -> None:
    answer = await make_edge().call("GET", "/healthz", kind=None)
    assert (answer.status, answer.body) == (200, b"ok")


async def test_ready_says_what_is_missing_until_all_is_there(make_edge: Any) -> None:
    edge = make_edge()
    missing = []
    for step in (edge.grant, edge.serve, lambda: None):
        missing.append((await edge.call("GET", "/readyz", kind=None)).json()["missing"])
        step()
    await edge.edge.background.beat()
    assert missing == [["snapshot", "access", "log"], ["snapshot", "log"], ["log"]]
    assert (await edge.call("GET", "/readyz", kind=None)).json() == {"is_ready": True, "missing": []}


async def test_the_snapshot_is_given_as_it_came_with_a_tag(edge: Any) -> None:
    answer = await edge.call("GET", "/v1/snapshot", kind="server", query="environment=production")
    again = await edge.call("GET", "/v1/snapshot", kind="server", if_none_match=answer.headers["etag"])
    assert msgspec.json.decode(answer.body, type=Snapshot).version == 1
    assert (again.status, again.body) == (304, b"")


async def test_an_older_or_equal_snapshot_does_not_replace_a_newer_one(edge: Any) -> None:
    edge.serve(3)
    edge.serve(2, plain={"state": "ENABLED", "variants": {"old": "old"}, "defaultVariant": "old"})
    assert (await edge.ofrep("plain", {})).json()["variant"] == "off"


async def test_a_restored_server_is_followed_to_its_lower_or_equal_version(edge: Any) -> None:
    edge.serve(3)
    later = edge.clock.machine_now() + timedelta(hours=1)
    for version, variant in ((2, "old"), (2, "older")):
        flag = {"state": "ENABLED", "variants": {variant: variant}, "defaultVariant": variant}
        edge.serve(version, published_at=later, plain=flag)
        assert (await edge.ofrep("plain", {})).json()["variant"] == variant
        later += timedelta(hours=1)


async def test_a_snapshot_whose_document_is_refused_leaves_the_last_good_one(edge: Any) -> None:
    edge.serve(2, plain={"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "nope"})
    metrics = await edge.call("GET", "/metrics", kind="operator")
    assert (await edge.ofrep("plain", {})).json()["variant"] == "off"
    assert b'ebbgate_snapshot_version{environment="production"} 1.0' in metrics.body
    assert b"ebbgate_snapshot_failures_total 1.0" in metrics.body


async def test_a_file_that_cannot_be_read_is_counted_once(edge: Any) -> None:
    edge.control.broken = {"production": "torn"}
    edge.look()
    edge.look()
    assert b"ebbgate_snapshot_failures_total 1.0" in (await edge.call("GET", "/metrics", kind="operator")).body


async def test_a_heartbeat_needs_the_plan_clock_and_moves_the_watermark(make_edge: Any) -> None:
    edge = make_edge()
    with pytest.raises(NotReadyError):
        await edge.edge.background.beat()
    edge.serve()
    edge.clock.seconds = 7
    await edge.edge.background.beat()
    [beat] = edge.entries
    assert isinstance(beat, Heartbeat)
    assert beat.received_at == edge.writer.records[0].received_at == edge.clock.plan_now()


def test_the_plan_clock_is_the_newest_snapshots(edge: Any) -> None:
    [published] = [edge.edge.snapshots.get("production")]
    assert isinstance(published.version, int)
    scaled = msgspec.structs.replace(edge.clock.mapping, scale=60.0)
    snapshot = msgspec.json.decode(published.data, type=Snapshot)
    newer = msgspec.structs.replace(snapshot, version=2, clock=scaled)
    edge.control.changed.append(PublishedSnapshot(snapshot=newer, data=b"{}"))
    edge.look()
    edge.clock.seconds = 10
    plan_at, machine_at = edge.edge.snapshots.moment()
    assert (plan_at - machine_at).total_seconds() == 590
