"""Calls, with the clock held still: what they answer, and what they record."""

import gc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import BadRequestError
from ebbgate.sdk.client import Client
from ebbgate.sdk.timing import Timing
from ebbgate.sdk.transport import Transport

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
USER = {"targetingKey": "user-1"}


@pytest.fixture
def client(clock: Any, a_snapshot: Any) -> Iterator[Client]:
    """A client with no server, that was given a snapshot by hand."""
    client = Client("", "", clock=clock, timing=Timing(queue_max=100))
    client._holder.receive(a_snapshot(1))
    client._holder.heard()
    yield client
    client.close(timeout=0)


def recorded(client: Client) -> list[tuple[str, str]]:
    return [(entry.unit, getattr(entry, "variant", "")) for entry in client._buffer.take_batch()]


def test_a_process_that_was_frozen_gives_control_at_its_first_call(client: Client, clock: Any) -> None:
    """RULES B7: the lease is looked at in the call, not by a thread that may not have run."""
    assert client.boolean_value("new", False, USER) is True
    clock.now = 3600.0
    details = client.boolean_details("new", True, USER)
    assert (details.value, details.variant, details.reason) == (False, "off", "STALE")
    assert client.boolean_value("old", False, USER) is True


def test_a_closed_client_has_given_its_leases_back(client: Client) -> None:
    """RULES B7, H2: it hears no change any more, and has said that it exposes nobody."""
    assert client.boolean_value("new", False, USER) is True
    client.close(timeout=0)
    details = client.boolean_details("new", True, USER)
    assert (details.value, details.variant, details.reason) == (False, "off", "STALE")
    assert client.boolean_value("old", False, USER) is True
    assert recorded(client) == [("user-1", "on")]


def test_an_answer_from_a_server_that_is_not_heard_says_so(client: Client, clock: Any, a_snapshot: Any) -> None:
    fresh = client.boolean_details("old", False, USER)
    clock.now = 30.0
    lost = client.boolean_details("old", False, USER)
    assert (fresh.reason, lost.reason, lost.metadata["staleReason"]) == ("STATIC", "STALE", "STATIC")
    assert (lost.value, lost.variant) == (fresh.value, fresh.variant)
    assert client.boolean_details("nope", False, USER).reason == "ERROR"
    killed = Client("", "", clock=clock, kill="old=on")
    killed._holder.receive(a_snapshot(1))
    clock.now = 60.0
    assert killed.boolean_details("old", False, USER).reason == "STATIC"
    killed.close(timeout=0)


@pytest.mark.parametrize("flag", ["old", "new", "nope"])
@pytest.mark.parametrize("seconds", [0.0, 30.0, 3600.0])
def test_a_hook_that_writes_into_metadata_changes_no_later_answer(
    client: Client, clock: Any, flag: str, seconds: float
) -> None:
    clock.now = seconds
    before = client.boolean_details(flag, False, USER)
    told = dict(before.metadata)
    before.metadata["mine"] = True
    assert client.boolean_details(flag, False, USER).metadata == told
    assert "mine" not in client.boolean_details("old", False, USER).metadata


def test_what_a_lapsed_lease_or_a_kill_serves_is_no_exposure(clock: Any, client: Client, a_snapshot: Any) -> None:
    clock.now = 3600.0
    client.boolean_value("new", True, USER)
    assert recorded(client) == []
    killed = Client("", "", clock=clock, kill="new")
    killed._holder.receive(a_snapshot(1))
    killed._holder.heard()
    assert killed.boolean_value("new", True, USER) is False
    assert recorded(killed) == []
    killed.close(timeout=0)


def test_an_exposure_is_recorded_once_for_unit_and_version(client: Client, a_snapshot: Any) -> None:
    """RULES C1."""
    for _ in range(3):
        client.boolean_value("new", False, USER)
        client.string_value("new", "", {"targetingKey": "user-2"})  # another type is answered by the default
        client.boolean_value("old", False, USER)
    assert recorded(client) == [("user-1", "on")]
    client._buffer.settle(1)
    client._holder.receive(a_snapshot(2))
    client.boolean_value("new", False, USER)
    assert recorded(client) == [("user-1", "on")]


def test_only_a_text_key_is_a_unit(client: Client) -> None:
    """RULES B2: control, and counted."""
    for context in (None, {}, {"targetingKey": ""}, {"targetingKey": 7}):
        assert client.boolean_value("new", True, context) is False
    assert recorded(client) == []
    counts = client._holder.tallies.counts()
    assert counts.keyless == {"new": 4}
    assert counts.evaluations == {"new": 4, "old": 0}


def test_attributes_that_a_rule_reads_and_that_do_not_arrive_are_counted_without_a_rollout_too(
    client: Client, a_snapshot: Any
) -> None:
    rule = {"if": [{"ends_with": [{"var": "email"}, "@x.io"]}, "on", "off"]}
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", "targeting": rule}
    client._holder.receive(a_snapshot(2, flags={"old": flag, "new": flag, "asked": flag}))
    for context in (None, {}, USER, {"email": "a@x.io"}):
        client.boolean_value("old", False, context)
        client.boolean_details("new", False, context)
    client.boolean_value("asked", False, {"email": ""})
    counts = client._holder.tallies.counts()
    assert counts.missing_attributes == {"old": {"email": 3}, "new": {"email": 3}}


def test_code_defaults_are_counted_before_and_after_the_first_snapshot(clock: Any, a_snapshot: Any) -> None:
    client = Client("", "", clock=clock)
    assert client.integer_value("old", 7, USER) == 7
    client._holder.receive(a_snapshot(1))
    client._holder.heard()
    assert client.integer_value("old", 7, USER) == 7  # it is a boolean
    assert client.boolean_value("old", False, USER) is True
    assert client._holder.tallies.counts().code_defaults == {"old": 2}
    client.close(timeout=0)


def test_ids_are_unique_over_clients(clock: Any) -> None:
    clients = [Client("", "", clock=clock) for _ in range(3)]
    ids = [client.track("click", "user-1") for client in clients for _ in range(100)]
    assert len(set(ids)) == 300
    for client in clients:
        client.close(timeout=0)


def test_a_local_kill_gives_off_even_where_nothing_was_ever_received(clock: Any) -> None:
    """RULES B6, B7: the old version, though the code's own default is the new one."""
    client = Client("", "", clock=clock, kill="new")
    assert client.boolean_value("new", True, USER) is False
    assert client.boolean_value("other", True, USER) is True
    assert client.string_value("new", "mine", USER) == "mine"
    client.close(timeout=0)


def test_rules_see_the_plan_clock(clock: Any, a_snapshot: Any) -> None:
    """RULES A1: as the edge answers its callers."""
    mapping = ClockMapping(origin_at=NOON, plan_origin_at=NOON, scale=3600.0)
    rule = {"if": [{">": [{"var": "$flagd.timestamp"}, int(NOON.timestamp()) + 3000]}, "on", "off"]}
    flag = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off", "targeting": rule}
    client = Client("", "", clock=clock)
    client._holder.receive(a_snapshot(1, flags={"old": flag}, leases={}, clock=mapping))
    assert client.boolean_value("old", False, USER) is False
    clock.now = 1.0  # an hour of plan time
    assert client.boolean_value("old", False, USER) is True
    client.close(timeout=0)


@pytest.mark.parametrize(
    "url", ["http://h:port", "http://h:", "http://h:0", "http://h:70000", "http://:80", "http://a b", "http://[::1]:x"]
)
def test_a_url_with_a_bad_host_or_port_is_refused(url: str) -> None:
    with pytest.raises(BadRequestError):
        Transport(url, "t", Timing())


@pytest.mark.parametrize(
    "url", ["http://h", "http://h:80", " https://h:8120/base/ ", "http://[::1]:80", "http://[::1]"]
)
def test_a_good_url_is_taken(url: str) -> None:
    Transport(url, "t", Timing())


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("http://127.0.0.1:9", "ebb_server_SECRET\n2"),
        ("http://127.0.0.1:9", "ebb_server_SECRET\u00e9"),
        ("ebb_server_SECRET", "http://127.0.0.1:9"),
    ],
)
def test_no_message_tells_the_token(url: str, token: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        Client(url, token)
    assert "SECRET" not in str(refused.value) + repr(refused.value)


def test_white_space_around_a_token_is_no_part_of_it(clock: Any) -> None:
    client = Client("", " ebb_server_x\n", clock=clock)
    assert client._token == "ebb_server_x"
    client.close(timeout=0)


def test_a_client_that_is_dropped_ends_its_threads(clock: Any) -> None:
    client = Client("", "", clock=clock)
    (thread,) = client._threads
    assert thread.is_alive()
    del client
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
