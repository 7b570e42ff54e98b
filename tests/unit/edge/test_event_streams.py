"""OFREP's event streams: an address in the bulk answer, opened with a ticket, that says when to evaluate anew."""

import asyncio
import json
from typing import Any

import pytest

from ebbgate.core.access import StoredToken, token_sha256
from ebbgate.core.events.types import EvaluatorReport

PATH = "/ofrep/v1/stream"


class Page:
    """An EventSource: it has a URL, and no header but Last-Event-ID."""

    def __init__(self, edge: Any, uri: str, **headers: str) -> None:
        path, _, query = uri.partition("?")
        self.sent: list[Any] = []
        self.gone = asyncio.Event()
        scope = {
            "type": "http", "method": "GET", "path": path, "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        self.task = asyncio.create_task(edge.edge.app(scope, self.receive, self.send))

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    async def leave(self) -> None:
        self.gone.set()
        await self.task


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await asyncio.wait([asyncio.ensure_future(_nothing())])


async def _nothing() -> None:
    return


async def uri_of(edge: Any, **more: Any) -> str:
    """The stream's address in a bulk answer."""
    [stream] = (await edge.bulk({"targetingKey": "u1"}, **more)).json()["eventStreams"]
    return stream["endpoint"]["requestUri"]


async def test_a_bulk_answer_names_a_stream_without_the_token(edge: Any) -> None:
    answer = await edge.bulk({})
    [stream] = answer.json()["eventStreams"]
    assert stream.keys() == {"type", "endpoint", "inactivityDelaySec"}
    assert (stream["type"], stream["inactivityDelaySec"]) == ("sse", 120)
    assert stream["endpoint"].keys() == {"requestUri"}
    assert edge.tokens["client"].encode() not in answer.body
    assert token_sha256(edge.tokens["client"]).encode() not in answer.body


async def test_with_a_public_address_the_stream_has_a_whole_url_instead(make_edge: Any) -> None:
    edge = make_edge(public_url="https://flags.shop.example/")
    edge.grant()
    edge.serve()
    [stream] = (await edge.bulk({})).json()["eventStreams"]
    assert stream.keys() == {"type", "url", "inactivityDelaySec"}
    assert stream["url"].startswith("https://flags.shop.example/ofrep/v1/stream?ticket=")


async def test_the_address_and_with_it_the_tag_stay_until_the_ticket_is_half_old(edge: Any) -> None:
    first = await edge.bulk({})
    edge.clock.seconds = 1799.0
    same = await edge.bulk({}, if_none_match=first.headers["etag"])
    edge.clock.seconds = 1800.0
    renewed = await edge.bulk({}, if_none_match=first.headers["etag"])
    assert (same.status, renewed.status) == (304, 200)


async def test_a_page_is_told_at_once_and_on_every_change_to_evaluate_anew(edge: Any) -> None:
    page = Page(edge, await uri_of(edge))
    await settle()
    edge.serve(2)
    await settle()
    await page.leave()
    first, second = [block for block in page.text.split("\n\n") if block.startswith("id: ")]
    assert (first.split("\n")[0], second.split("\n")[0]) == ("id: 1", "id: 2")
    assert second.split("\n")[1] == "event: message"
    data = json.loads(second.split("\n")[2].removeprefix("data: "))
    assert (data["type"], data["lastModified"]) == ("refetchEvaluation", 1767268800)
    assert data["etag"].startswith('"')
    assert "variants" not in page.text


async def test_a_page_that_has_seen_the_version_served_is_told_nothing_until_the_next(edge: Any) -> None:
    uri = await uri_of(edge)
    current, behind = Page(edge, uri, last_event_id="1"), Page(edge, uri, last_event_id="0")
    await settle()
    assert "refetch" not in current.text
    assert "refetch" in behind.text
    edge.serve(2)
    await settle()
    assert "id: 2" in current.text
    await current.leave()
    await behind.leave()


async def test_readers_of_notices_are_no_evaluators_to_wait_for(edge: Any) -> None:
    """RULES H2: they confirm nothing, and their token's evaluations are reported already."""
    page = Page(edge, await uri_of(edge))
    await settle()
    await page.leave()
    await edge.flush()
    assert not [entry for entry in edge.entries if isinstance(entry, EvaluatorReport)]
    assert edge.edge.hub.counts() == {}


async def test_a_client_that_can_set_headers_needs_no_ticket(edge: Any) -> None:
    page = Page(edge, PATH, x_api_key=edge.tokens["client"])
    await settle()
    assert page.status == 200
    await page.leave()
    assert (await edge.call("GET", PATH, kind="operator")).status == 403


async def test_a_ticket_opens_nothing_else(edge: Any) -> None:
    ticket = (await uri_of(edge)).partition("?")[2]
    for method, path in (("GET", "/v1/stream"), ("GET", "/v1/snapshot"), ("POST", "/ofrep/v1/evaluate/flags")):
        assert (await edge.call(method, path, kind=None, query=ticket)).status == 401
    as_token = {"x-api-key": ticket.removeprefix("ticket=")}
    assert (await edge.call("POST", "/ofrep/v1/evaluate/flags", kind=None, **as_token)).status == 401


@pytest.mark.parametrize("place", [0, 20, 45, 60])
async def test_a_forged_ticket_is_refused_and_not_repeated(edge: Any, place: int) -> None:
    ticket = (await uri_of(edge)).removeprefix(PATH + "?ticket=")
    forged = ticket[:place] + ("A" if ticket[place] != "A" else "B") + ticket[place + 1 :]
    answer = await edge.call("GET", PATH, kind=None, query=f"ticket={forged}")
    assert answer.status == 401
    assert forged.encode() not in answer.body


@pytest.mark.parametrize("ticket", ["", "a", "é", "A" * 2_000, "A" * 60])
async def test_what_is_no_ticket_is_refused(edge: Any, ticket: str) -> None:
    assert (await edge.call("GET", PATH, kind=None, query=f"ticket={ticket}")).status == 401


async def test_an_expired_ticket_gets_one_notice_and_the_end(edge: Any) -> None:
    uri = await uri_of(edge)
    edge.clock.seconds = 2 * 1800.0
    page = Page(edge, uri)
    await page.task
    assert page.status == 200
    assert page.text.startswith("retry: 60000\nid: 1\n")
    assert await uri_of(edge) != uri


async def test_revoking_the_token_ends_the_stream_and_the_ticket(edge: Any) -> None:
    uri = await uri_of(edge)
    page = Page(edge, uri)
    await settle()
    edge.grant(StoredToken(id="other", kind="client", sha256=token_sha256("other")))
    await page.task
    assert (await edge.call("GET", PATH, kind=None, query=uri.partition("?")[2])).status == 401


async def test_a_ticket_is_for_its_environment(edge: Any) -> None:
    edge.serve(7, environment="staging")
    page = Page(edge, await uri_of(edge, query="environment=staging"))
    await settle()
    edge.serve(8)
    await settle()
    assert "id: 7" in page.text
    assert "id: 8" not in page.text
    await page.leave()


async def test_a_ticket_is_good_at_another_edge_with_the_same_tokens(edge: Any, make_edge: Any) -> None:
    """An EventSource that is refused once never comes back, so a restart must not refuse it."""
    uri = await uri_of(edge)
    other = make_edge()
    other.grant()
    other.serve()
    page = Page(other, uri)
    await settle()
    assert page.status == 200
    await page.leave()
