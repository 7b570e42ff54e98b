"""Snapshots and tokens through files, with notices: both ends over a real directory (RULES I3)."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ebbgate.adapters.snapshots import (
    FileAccessPublisher,
    FileAccessSource,
    FileSnapshotPublisher,
    FileSnapshotSource,
    NoticeSender,
    NoticeSocket,
)
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.access import AccessList, StoredToken, token_sha256
from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.flags import Snapshot, raw_document
from ebbgate.ports.access import AccessPublisher, AccessSource
from ebbgate.ports.snapshots import ChangeNotices, SnapshotPublisher, SnapshotSource

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_snapshot(version: int, environment: str = "production") -> Snapshot:
    return Snapshot(
        version=version,
        environment=environment,
        flag_set="shop",
        published_at=NOON,
        clock=ClockMapping(origin_at=NOON, plan_origin_at=NOON),
        document=raw_document({"flags": {}}),
    )


def an_access(token_id: str) -> AccessList:
    return AccessList(tokens=(StoredToken(id=token_id, kind="client", sha256=token_sha256(token_id)),))


@pytest.fixture
def publisher(tmp_path: Path) -> SnapshotPublisher:
    return FileSnapshotPublisher(tmp_path / "snapshots", NoticeSender(tmp_path / "edge.sock"))


@pytest.fixture
def source(tmp_path: Path) -> SnapshotSource:
    return FileSnapshotSource(tmp_path / "snapshots")


def test_a_source_gives_what_changed_and_nothing_twice(publisher: SnapshotPublisher, source: SnapshotSource) -> None:
    assert source.read_changed() == []
    publisher.publish(a_snapshot(1))
    publisher.publish(a_snapshot(2, "staging"))
    first = {published.snapshot.environment: published.snapshot.version for published in source.read_changed()}
    nothing = source.read_changed()
    publisher.publish(a_snapshot(3))
    [changed] = source.read_changed()
    assert (first, nothing) == ({"production": 1, "staging": 2}, [])
    assert changed.snapshot == a_snapshot(3)


def test_a_new_source_reads_what_an_earlier_control_left(publisher: SnapshotPublisher, source: SnapshotSource) -> None:
    publisher.publish(a_snapshot(1))
    assert [published.snapshot.version for published in source.read_changed()] == [1]


def test_a_snapshot_that_cannot_be_read_is_named_until_it_is_replaced(
    tmp_path: Path, publisher: SnapshotPublisher, source: SnapshotSource
) -> None:
    publisher.publish(a_snapshot(1))
    (tmp_path / "snapshots" / "production.json").write_text('{"version": 1')
    assert source.read_changed() == []
    assert source.failures().keys() == {"production"}
    publisher.publish(a_snapshot(2))
    assert len(source.read_changed()) == 1
    assert source.failures() == {}


def test_line_breaks_of_a_document_do_not_reach_the_event_stream(
    tmp_path: Path, publisher: SnapshotPublisher, source: SnapshotSource
) -> None:
    publisher.publish(a_snapshot(1))
    path = tmp_path / "snapshots" / "production.json"
    path.write_bytes(path.read_bytes().replace(b'{"flags"', b'{\r\n  "flags"'))
    [published] = source.read_changed()
    assert not {b"\n"[0], b"\r"[0]} & set(published.data)


def test_a_publisher_leaves_only_whole_files_and_says_when_it_cannot(
    tmp_path: Path, publisher: SnapshotPublisher
) -> None:
    publisher.publish(a_snapshot(1))
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["production.json"]
    (tmp_path / "blocked").write_text("")
    elsewhere = FileSnapshotPublisher(tmp_path / "blocked" / "snapshots", NoticeSender(tmp_path / "edge.sock"))
    with pytest.raises(StoreUnavailableError):
        elsewhere.publish(a_snapshot(1))


def test_tokens_arrive_and_a_list_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    publisher: AccessPublisher = FileAccessPublisher(path, NoticeSender(tmp_path / "edge.sock"))
    source: AccessSource = FileAccessSource(path)
    assert source.read_changed() is None
    publisher.publish(an_access("a"))
    assert source.read_changed() == an_access("a")
    assert source.read_changed() is None
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("{torn")
    assert source.read_changed() is None
    publisher.publish(an_access("b"))
    assert source.read_changed() == an_access("b")


async def test_a_notice_wakes_long_before_the_second_is_over(tmp_path: Path) -> None:
    clock = SystemClock()
    notices: ChangeNotices = NoticeSocket(tmp_path / "edge.sock", clock)
    sender = NoticeSender(tmp_path / "edge.sock")
    waiting = asyncio.create_task(notices.wait())
    sender.send(b"snapshot")
    sender.send(b"access")
    began = clock.monotonic()
    await waiting
    woken_after_s = clock.monotonic() - began
    await notices.wait()
    silent_after_s = clock.monotonic() - began
    notices.close()
    assert woken_after_s < 0.9 <= silent_after_s
    sender.send(b"snapshot")  # nobody listens: no error
    assert not (tmp_path / "edge.sock").exists()


async def test_a_socket_that_cannot_be_bound_leaves_the_look_every_second(tmp_path: Path) -> None:
    clock = SystemClock()
    notices = NoticeSocket(tmp_path / "missing" / "edge.sock", clock)
    began = clock.monotonic()
    await notices.wait()
    notices.close()
    assert clock.monotonic() - began >= 0.9
