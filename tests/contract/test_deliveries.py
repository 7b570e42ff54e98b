"""Every control store keeps messages to people in the same way; Apprise really carries them."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest

from ebbgate.adapters.notify.apprise_channel import AppriseChannel
from ebbgate.core.alerts import ChannelRule, Message, Severity, Topic
from ebbgate.core.errors import NotFoundError, StoreUnavailableError
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.delivery_store import DeliveryRow

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_delivery(key: str = "k", channel: str = "mail", *, group: str = "", at: datetime = NOON) -> DeliveryRow:
    message = Message(topic=Topic.PAGE, severity=Severity.CRITICAL, title="t", words="w", group=group)
    return DeliveryRow(key=key, channel=channel, message=message, at=at, next_at=at)


def test_a_delivery_comes_back_as_it_was_put(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.add_delivery(a_delivery())
    with control_store.transaction() as tx:
        (row,) = tx.deliveries()
    assert msgspec.structs.replace(row, id=0) == a_delivery()


def test_a_channel_gets_a_key_once(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for channel in ("mail", "mail", "chat"):
            tx.add_delivery(a_delivery(channel=channel))
        assert [row.channel for row in tx.deliveries(key="k")] == ["mail", "chat"]


def test_only_open_deliveries_whose_time_has_come_are_due(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for number in range(3):
            tx.add_delivery(a_delivery(f"k{number}", at=NOON + timedelta(hours=number)))
        first = tx.deliveries()[0]
        tx.put_delivery(msgspec.structs.replace(first, delivered_at=NOON, attempts=1))
        assert [row.key for row in tx.due_deliveries(NOON + timedelta(hours=1))] == ["k1"]


def test_what_is_due_for_one_channel_is_found_behind_all_that_waits_for_another(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for number in range(60):
            tx.add_delivery(a_delivery(f"k{number}", channel="mail"))
        tx.add_delivery(a_delivery("page", channel="chat"))
        assert [row.key for row in tx.due_deliveries(NOON, channel="chat")] == ["page"]
        assert [row.key for row in tx.due_deliveries(NOON, channel="mail", limit=2)] == ["k0", "k1"]


def test_a_delivery_that_is_not_there_cannot_be_changed(control_store: ControlStore) -> None:
    with pytest.raises(NotFoundError), control_store.transaction() as tx:
        tx.put_delivery(msgspec.structs.replace(a_delivery(), id=7))


def test_deliveries_are_found_by_when_they_were_made(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        for number in range(3):
            tx.add_delivery(a_delivery(f"k{number}", at=NOON + timedelta(hours=number)))
        assert [row.key for row in tx.deliveries(since=NOON + timedelta(hours=1))] == ["k1", "k2"]


def test_the_newest_of_a_group_is_found_by_channel(control_store: ControlStore) -> None:
    with control_store.transaction() as tx:
        tx.add_delivery(a_delivery("k1", group="g"))
        tx.add_delivery(a_delivery("k2", group="g", at=NOON + timedelta(hours=1)))
        assert tx.last_of_group("mail", "g") == NOON + timedelta(hours=1)
        assert tx.last_of_group("chat", "g") is None


@contextmanager
def a_service(status: int, before: Callable[[], object] = lambda: None) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """A web service on loopback that answers `status`; what it was told. before: it answers, this is called."""
    told: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            before()
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1], told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


MESSAGE = Message(topic=Topic.ROLLBACK, severity=Severity.CRITICAL, title="w-1 is being taken back", words="errors")


def test_a_webhook_hears_title_words_and_severity() -> None:
    with a_service(200) as (port, told):
        AppriseChannel(ChannelRule(name="hook", url=f"json://127.0.0.1:{port}/")).send(MESSAGE)
    ((said),) = told
    assert (said["title"], said["message"], said["type"]) == ("w-1 is being taken back", "errors", "failure")


def test_a_service_that_refuses_is_an_error_that_says_so() -> None:
    with a_service(500) as (port, _), pytest.raises(StoreUnavailableError) as raised:
        AppriseChannel(ChannelRule(name="hook", url=f"json://127.0.0.1:{port}/")).send(MESSAGE)
    assert "json did not take it" in raised.value.message


def test_a_url_that_apprise_cannot_read_is_a_problem_of_that_channel_alone() -> None:
    channel = AppriseChannel(ChannelRule(name="odd", url="nonsense://secret@x"))
    assert channel.problem
    assert "secret" not in channel.problem
    with pytest.raises(StoreUnavailableError):
        channel.send(MESSAGE)


def test_what_one_service_refused_is_no_word_on_another_that_is_sent_to_at_the_same_time() -> None:
    """Apprise says why in its log alone, which all channels share."""
    refused: list[str] = []

    def send(port: int) -> None:
        try:
            AppriseChannel(ChannelRule(name="hook", url=f"json://127.0.0.1:{port}/")).send(MESSAGE)
        except StoreUnavailableError as error:
            refused.append(error.message)

    both = threading.Barrier(2, timeout=5)
    with a_service(500, both.wait) as (one, told), a_service(404, both.wait) as (other, also):
        threads = [threading.Thread(target=send, args=(port,)) for port in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(told), len(also)) == (1, 1)
    assert sorted(("500" in words, "404" in words) for words in refused) == [(False, True), (True, False)], refused
