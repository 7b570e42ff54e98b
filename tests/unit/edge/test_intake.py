"""Event intake: entry by entry, acknowledged only when on disk (RULES C3, C4)."""

from typing import Any

import msgspec
import pytest

from ebbgate.core.access import StoredToken, token_sha256
from ebbgate.core.events.types import TrackedEvent


async def test_an_accepted_entry_is_in_the_log_with_both_times_of_its_receipt(edge: Any) -> None:
    edge.clock.seconds = 5
    answer = await edge.events(edge.an_event())
    assert answer.json() == {"accepted": 1, "rejected": []}
    [record] = edge.writer.records
    [event] = record.entries
    assert isinstance(event, TrackedEvent)
    assert record.received_at == edge.clock.plan_now()
    assert event.received_at is None  # the record's holds for all of it
    assert record.machine_at == edge.clock.machine_now()


async def test_nothing_is_acknowledged_that_the_log_refused(edge: Any) -> None:
    edge.writer.is_failing = True
    refused = await edge.events(edge.an_event(name="new"))
    ready = await edge.call("GET", "/readyz", kind=None)
    flag = await edge.ofrep("plain", {})
    edge.writer.is_failing = False
    taken = await edge.events(edge.an_event())
    assert (refused.status, refused.json()["code"], refused.headers["retry-after"]) == (503, "store_unavailable", "1")
    assert (ready.status, ready.json()["missing"]) == (503, ["log"])
    assert (flag.status, taken.status) == (200, 200)
    assert (await edge.call("GET", "/readyz", kind=None)).status == 200


async def test_events_wait_for_the_plan_clock(make_edge: Any) -> None:
    edge = make_edge()
    edge.grant()
    assert (await edge.events(edge.an_event())).status == 503


async def test_a_batch_may_come_in_an_envelope_or_as_messagepack(edge: Any) -> None:
    entries = [edge.an_event("1"), {"type": "event", "id": "2"}]
    envelope = await edge.call("POST", "/v1/events", msgspec.json.encode({"entries": entries}))
    packed = await edge.call("POST", "/v1/events", msgspec.msgpack.encode(entries), content_type="application/msgpack")
    in_one_go = await edge.call(
        "POST", "/v1/events", msgspec.msgpack.encode(entries[:1]), content_type="application/msgpack"
    )
    assert envelope.json() == packed.json()
    assert (packed.json()["accepted"], packed.json()["rejected"][0]["index"]) == (1, 1)
    assert in_one_go.json() == {"accepted": 1, "rejected": []}


async def test_messagepack_text_with_nul_is_refused_entry_by_entry(edge: Any) -> None:
    entries = [edge.an_event("1"), edge.an_event("2\0")]
    body = msgspec.msgpack.encode(entries)
    answer = await edge.call("POST", "/v1/events", body, content_type="application/msgpack")
    assert [(refused["index"], refused["code"]) for refused in answer.json()["rejected"]] == [(1, "malformed")]


@pytest.mark.parametrize("kind", ["application/json", "application/msgpack"])
@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"7", b"\xc1", b'"text"', b"\x81\xa1a\x01"])
async def test_what_is_no_batch_is_400(edge: Any, body: bytes, kind: str) -> None:
    answer = await edge.call("POST", "/v1/events", body, content_type=kind)
    assert (answer.status, answer.json()["code"]) == (400, "bad_request")
    assert edge.writer.records == []


async def test_a_body_over_the_limit_and_a_batch_with_too_many_entries_are_413(make_edge: Any) -> None:
    edge = make_edge(event_bytes_max=200_000)
    edge.grant()
    edge.serve()
    assert (await edge.call("POST", "/v1/events", b" " * 200_001)).status == 413
    assert (await edge.call("POST", "/v1/events", b"[" + b"1," * 10_000 + b"1]")).status == 413


async def test_a_batch_of_which_nothing_is_good_is_answered_without_a_record(edge: Any) -> None:
    answer = await edge.events({}, 7)
    assert (answer.status, answer.json()["accepted"], len(answer.json()["rejected"])) == (200, 0, 2)
    assert edge.writer.records == []


async def test_environments_that_there_are_not_share_one_limit_of_names(make_edge: Any) -> None:
    """A page's token is public: whoever has it must not get a limit, and memory, for each name that he makes up."""
    edge = make_edge(names_max=1)
    edge.grant()
    edge.serve()
    taken = []
    for place in range(3):
        body = msgspec.json.encode([edge.an_event(str(place), name=f"name-{place}")])
        answer = await edge.call("POST", "/v1/events", body, query=f"environment=made-up-{place}")
        taken.append(answer.json()["accepted"])
    assert taken == [1, 0, 0]


async def test_names_are_limited_for_each_environment_apart(make_edge: Any) -> None:
    edge = make_edge(names_max=2)
    edge.grant()
    edge.serve()
    await edge.events(edge.an_event("1", "a"), edge.an_event("2", "b"))
    third = await edge.events(edge.an_event("3", "c"), edge.an_event("4", "a"))
    elsewhere = await edge.events(edge.an_event("5", "c"), query="environment=staging")
    assert [(refused["index"], refused["code"]) for refused in third.json()["rejected"]] == [(0, "too_many_names")]
    assert elsewhere.json()["accepted"] == 1


async def test_a_name_counts_only_once_it_is_in_the_log(make_edge: Any) -> None:
    edge = make_edge(names_max=1)
    edge.grant()
    edge.serve()
    edge.writer.is_failing = True
    await edge.events(edge.an_event("1", "a"))
    edge.writer.is_failing = False
    assert (await edge.events(edge.an_event("2", "b"))).json()["accepted"] == 1


async def test_a_token_of_one_environment_records_no_exposures_of_another(edge: Any) -> None:
    at = edge.clock.machine_now().isoformat()
    exposure = {
        "type": "exposure", "id": "x", "unit": "u", "environment": "staging", "flag_set": "shop", "flag": "f",
        "variant": "on", "snapshot_version": 1, "occurred_at": at, "sent_at": at,
    }  # fmt: skip
    text = edge.tokens["client"]
    edge.grant(StoredToken(id="c", kind="client", environment="production", sha256=token_sha256(text)))
    answer = await edge.events({}, exposure, edge.an_event("2"), {**exposure, "environment": "production"})
    assert answer.json()["accepted"] == 2
    assert [(r["index"], r["code"]) for r in answer.json()["rejected"]] == [
        (0, "missing_field"),
        (1, "wrong_environment"),
    ]


async def test_only_a_token_that_may_read_snapshots_reports_what_it_serves(edge: Any) -> None:
    """RULES H2: a browser's token must not be able to confirm a flag-off for the servers."""
    at = edge.clock.machine_now().isoformat()
    report = {
        "type": "evaluator", "evaluator": "e", "name": "web-1", "kind": "sdk", "state": "confirmed",
        "reported_at": at, "snapshot_version": 1,
    }  # fmt: skip
    forged = await edge.events(report, edge.an_event())
    ahead = await edge.events({**report, "snapshot_version": 2}, kind="server")
    taken = await edge.events(report, kind="server")
    assert (forged.json()["accepted"], forged.json()["rejected"][0]["code"]) == (1, "not_permitted")
    assert ahead.json()["rejected"][0]["code"] == "unknown_version"
    assert taken.json() == {"accepted": 1, "rejected": []}
