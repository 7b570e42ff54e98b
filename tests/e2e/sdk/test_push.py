"""The client against a live server: snapshots pushed, confirmed, and lost."""

import contextlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.errors import BadRequestError
from ebbgate.sdk.client import Client
from ebbgate.sdk.timing import Timing

USER = {"targetingKey": "user-1"}


def test_a_pushed_flag_is_served_and_confirmed(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    edge.publish(a_snapshot(1))
    client = connect()
    assert client.wait_ready(5)
    assert client.boolean_value("old", True, USER) is False
    eventually(lambda: edge.reports("confirmed"), "the first confirmation")

    edge.publish(a_snapshot(2, old="on"))

    eventually(lambda: client.boolean_value("old", False, USER), "the new value")
    eventually(lambda: [r["snapshot_version"] for r in edge.reports("confirmed")] == [1, 2], "confirmations")
    report = edge.reports("confirmed")[1]
    assert (report["name"], report["kind"]) == ("test", "sdk")
    assert report["evaluator"] == client.status.evaluator


def test_an_older_version_is_ignored(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    edge.publish(a_snapshot(5, old="on"))
    client = connect()
    assert client.wait_ready(5)
    edge.push(a_snapshot(4, old="off"))
    edge.push(a_snapshot(6, old="on"))
    eventually(lambda: client.snapshot_version == 6)
    assert client.boolean_value("old", False, USER) is True
    eventually(lambda: edge.reports("confirmed") and edge.reports("confirmed")[-1]["snapshot_version"] == 6)
    assert 4 not in {r["snapshot_version"] for r in edge.reports("confirmed")}


def test_a_refused_snapshot_leaves_the_last_good_one(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    edge.publish(a_snapshot(1, old="on"))
    client = connect()
    assert client.wait_ready(5)
    errors: list[str] = []
    client.on("error", lambda notice: errors.append(notice.message))
    edge.push(b'{"version":2}')
    edge.push(a_snapshot(3, environment="staging"))
    eventually(lambda: len(errors) == 2)
    assert client.boolean_value("old", False, USER) is True
    assert client.status.snapshot_version == 1
    eventually(lambda: edge.reports("confirmed"), "the confirmation of what is served")
    assert [r["snapshot_version"] for r in edge.reports("confirmed")] == [1]


def test_a_lost_stream_is_opened_again_and_what_was_missed_is_served(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    edge.publish(a_snapshot(1))
    client = connect()
    notices: list[str] = []
    for kind in ("ready", "stale", "changed"):
        client.on(kind, lambda notice: notices.append(notice.kind))
    assert client.wait_ready(5)

    edge.stop()
    eventually(lambda: not client.status.is_live)
    edge.snapshot = a_snapshot(2, old="on")
    edge.start()

    eventually(lambda: client.boolean_value("old", False, USER), "the missed version")
    eventually(lambda: client.status.is_live)
    eventually(lambda: notices == ["ready", "stale", "changed", "ready"], "the notices in order")


def test_a_server_that_gives_no_streams_is_polled_with_an_etag(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    edge.stream_status = 503
    edge.publish(a_snapshot(1))
    client = connect()
    eventually(lambda: client.snapshot_version == 1)
    eventually(lambda: edge.polls[-1] is not None, "a conditional poll")
    edge.publish(a_snapshot(2, old="on"))
    eventually(lambda: client.boolean_value("old", False, USER))
    eventually(lambda: [r["snapshot_version"] for r in edge.reports("confirmed")][-1] == 2)


def test_a_silent_stream_is_lost(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    edge.keepalive_s = 60
    edge.publish(a_snapshot(1))
    client = connect()
    stale: list[str] = []
    client.on("stale", lambda notice: stale.append(notice.message))
    assert client.wait_ready(5)
    eventually(lambda: stale, "the loss of a silent stream (read_timeout_s is 2)")


def test_a_wrong_token_is_told_and_nothing_fails(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any, caplog: Any
) -> None:
    edge.publish(a_snapshot(1))
    client = connect(token="ebb_server_other")
    errors: list[str] = []
    client.on("error", lambda notice: errors.append(notice.message))
    eventually(lambda: any("401" in message for message in errors))
    assert client.boolean_value("old", True, USER) is True
    assert client.string_details("old", "x", USER).reason == "ERROR"
    eventually(lambda: client.status.errors > 3, "more attempts")
    (line,) = [record for record in caplog.records if record.name == "ebbgate" and record.levelname == "WARNING"]
    assert line.getMessage() == client.status.last_error
    assert client._token not in caplog.text


def test_mistakes_of_the_set_up_are_heard_once_and_raise_nothing(
    edge: Any, connect: Any, eventually: Any, caplog: Any, monkeypatch: Any
) -> None:
    """Code defaults would be served for ever, and nobody would know why."""
    monkeypatch.delenv("EBBGATE_URL", raising=False)
    unreachable = connect(url="http://127.0.0.1:9")
    eventually(lambda: unreachable.status.errors > 1, "two attempts")
    edge.stream_status = 404
    lost = connect(environment="stagin")
    eventually(lambda: "404" in (lost.status.last_error or ""))
    nowhere, person = connect(url=None), connect(token="ebb_admin_x")
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sum("cannot be reached" in text for text in warnings) == 1
    assert sum("404" in text for text in warnings) == 1
    assert "EBBGATE_URL" in (nowhere.status.last_error or "")
    assert any("EBBGATE_URL" in text for text in warnings)
    assert any("of kind admin" in text for text in warnings)
    assert person.boolean_value("old", True, USER) is True


def test_the_constructor_does_not_wait_for_a_server_that_is_down() -> None:
    clock = SystemClock()
    began_at = clock.monotonic()
    with Client("http://127.0.0.1:9", "ebb_server_x") as client:
        assert client.boolean_value("old", True, USER) is True
        assert not client.wait_ready(0.05)
        assert clock.monotonic() - began_at < 1
        client.close(timeout=0.2)


def test_a_url_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(BadRequestError, match="no address"):
        Client("127.0.0.1:8120", "t")


def test_the_disk_copy_serves_while_the_server_is_down(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any, tmp_path: Path
) -> None:
    edge.publish(a_snapshot(3, old="on"))
    first = connect(cache_dir=tmp_path / "cache")
    assert first.wait_ready(5)
    stored = tmp_path / "cache" / "production.snapshot"
    eventually(stored.exists)
    first.close()
    edge.stop()

    second = connect(cache_dir=tmp_path / "cache")

    assert second.boolean_value("old", False, USER) is True  # at once, before any attempt to connect
    assert second.wait_ready(5)
    assert stored.stat().st_mode & 0o777 == 0o600


def test_the_lease_is_counted_over_a_restart(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any, tmp_path: Path
) -> None:
    """RULES B7: `server_lost` counts from the last contact, whichever process had it."""
    edge.publish(a_snapshot(1, old="on", server_lost_s=0.4))
    first = connect(cache_dir=tmp_path)
    assert first.wait_ready(5)
    users = [{"targetingKey": f"user-{i}"} for i in range(100)]
    treated = next(user for user in users if first.boolean_value("new", False, user))
    eventually((tmp_path / "production.snapshot").exists)
    edge.stop()
    first.close(timeout=0.1)
    SystemClock().sleep(timedelta(seconds=0.5))

    second = connect(cache_dir=tmp_path)

    details = second.boolean_details("new", True, treated)
    assert (details.value, details.variant, details.reason) == (False, "off", "STALE")
    assert second.boolean_value("old", False, treated) is True  # outside a rollout there is no limit


def test_a_lapsed_lease_gives_control_until_the_server_is_back(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    edge.publish(a_snapshot(1, server_lost_s=0.3))
    client = connect()
    assert client.wait_ready(5)
    treated = [u for i in range(100) if client.boolean_value("new", False, u := {"targetingKey": f"user-{i}"})]
    assert treated
    errors: list[str] = []
    client.on("error", lambda notice: errors.append(notice.message))

    edge.stop()
    assert client.boolean_value("new", False, treated[0]) is True  # the lease still runs
    eventually(lambda: not client.boolean_value("new", True, treated[0]), "control")
    eventually(lambda: any("control is served for new" in message for message in errors))

    edge.start()
    eventually(lambda: client.boolean_value("new", False, treated[0]), "treatment again")


def test_a_local_kill_works_without_a_server_and_outranks_everything(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any, tmp_path: Path, kill_file: Path
) -> None:
    edge.publish(a_snapshot(1, old="on", server_lost_s=0.2))
    first = connect(cache_dir=tmp_path)
    assert first.wait_ready(5)
    eventually((tmp_path / "production.snapshot").exists)
    edge.stop()

    client = connect(url="", cache_dir=tmp_path, kill="old, unknown, new=on", kill_file=str(kill_file))
    assert client.boolean_value("old", True, USER) is False
    assert client.boolean_value("new", False, USER) is True  # outranks the lease, which has lapsed or will
    assert client.boolean_value("unknown", True, USER) is False  # off by convention, whatever the code says
    client.close()

    client = connect(url="", cache_dir=tmp_path, kill_file=str(kill_file))
    changes: list[tuple[str, ...]] = []
    client.on("changed", lambda notice: changes.append(notice.flags_changed))
    assert client.boolean_value("old", False, USER) is True
    kill_file.write_text("old  # since 03:00\n")
    eventually(lambda: not client.boolean_value("old", True, USER), "the kill file")
    kill_file.unlink()
    eventually(lambda: client.boolean_value("old", False, USER), "the kill lifted")
    eventually(lambda: changes == [("old",), ("old",)])


def test_the_kill_list_is_read_from_the_environment(
    edge: Any, connect: Any, a_snapshot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EBBGATE_KILL", "old")
    monkeypatch.setenv("EBBGATE_URL", edge.url)
    edge.publish(a_snapshot(1, old="on"))
    client = connect(url=None)
    assert client.wait_ready(5)
    assert client.boolean_value("old", True, USER) is False


def test_a_handler_that_raises_is_counted(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    client = connect()
    client.on("ready", lambda notice: 1 / 0)
    edge.publish(a_snapshot(1))
    eventually(lambda: client.status.handler_errors == 1)
    edge.publish(a_snapshot(2, old="on"))
    eventually(lambda: client.boolean_value("old", False, USER))


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 and later, on every such fork
def test_a_forked_child_is_an_evaluator_of_its_own(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    edge.publish(a_snapshot(1))
    client = connect()
    assert client.wait_ready(5)
    edge.gate.clear()  # nothing of the parent's is delivered before the fork
    client.track("parent", "user-1")
    parents_stream = os.fstat(client._source._stream._sock.fileno()).st_ino
    child = os.fork()
    if child == 0:
        status = 1
        try:
            client.track("child", "user-1")
            ok = client.wait_ready(5) and client.boolean_value("old", True, USER) is False
            if parents_stream in _open_inodes():
                os._exit(3)  # the server could not see the parent's death
            status = 0 if ok and client.flush(5) else 2
            client.close(2)
        finally:
            os._exit(status)
    edge.gate.set()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    eventually(lambda: {e["name"] for e in edge.of_type("event")} == {"parent", "child"})
    assert len(edge.of_type("event")) == 2  # the child did not send the parent's
    assert len({r["evaluator"] for r in edge.of_type("evaluator")}) == 2
    assert len({e["id"].split("-")[0] for e in edge.of_type("event")}) == 2


def _open_inodes() -> set[int]:
    found = set()
    for descriptor in range(256):
        with contextlib.suppress(OSError):
            found.add(os.fstat(descriptor).st_ino)
    return found


def test_a_sign_in_page_is_no_server(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    """RULES B7: what a gateway answers in the server's place must not keep a lease alive."""
    edge.publish(a_snapshot(1))
    edge.stream_status = 204
    edge.content_type = "text/html"
    client = connect()
    client.track("click", "user-1")
    eventually(lambda: "not JSON" in (client.status.last_error or ""))
    assert client.status.contact_age_s is None
    assert client.status.queued == 1


def test_a_handler_may_close_the_client(edge: Any, connect: Any, a_snapshot: Any, eventually: Any) -> None:
    client = connect()
    client.on("ready", lambda notice: client.close(timeout=1))
    edge.publish(a_snapshot(1))
    eventually(lambda: edge.streams == 0 and client.status.snapshot_version == 1)
    assert client.status.handler_errors == 0


def test_a_stream_without_a_good_snapshot_renews_no_lease(
    edge: Any, connect: Any, a_snapshot: Any, eventually: Any
) -> None:
    """RULES B7: keepalives behind a snapshot that is refused prove nothing of what is served."""
    edge.keepalive_s = 0.05
    edge.publish(a_snapshot(1, server_lost_s=0.5))
    client = connect(timing=Timing(read_timeout_s=0.5, backoff_base_s=0.02, backoff_cap_s=0.1))
    assert client.wait_ready(5)
    users = [{"targetingKey": f"user-{i}"} for i in range(100)]
    treated = next(user for user in users if client.boolean_value("new", False, user))
    edge.snapshot = b'{"version": 99}'
    edge.push(edge.snapshot)
    eventually(lambda: not client.boolean_value("new", True, treated), "control")
    assert edge.streams == 1
    edge.publish(a_snapshot(2, server_lost_s=0.5))
    eventually(lambda: client.boolean_value("new", False, treated), "treatment again")
