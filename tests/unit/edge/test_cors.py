"""Browsers: which pages may read what, with which tokens, and what an answer to them tells."""

from typing import Any

import pytest

BULK = "/ofrep/v1/evaluate/flags"
SHOP = "https://shop.example"


@pytest.fixture
def edge(make_edge: Any) -> Any:
    made = make_edge(cors_origins=(SHOP,))
    made.grant()
    made.serve()
    return made


async def preflight(edge: Any, path: str, origin: str) -> Any:
    asked = {"origin": origin, "access_control_request_method": "POST"}
    return await edge.call("OPTIONS", path, kind=None, **asked)


async def test_a_preflight_of_an_allowed_page_is_answered_without_a_token(edge: Any) -> None:
    answer = await preflight(edge, BULK, SHOP)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "if-none-match" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize("path", ["/v1/snapshot", "/v1/stream", "/metrics", "/readyz"])
async def test_pages_may_read_nothing_that_shows_rules(edge: Any, path: str) -> None:
    asked = await preflight(edge, path, SHOP)
    read = await edge.call("GET", path, kind="client", origin=SHOP)
    assert "access-control-allow-origin" not in asked.headers.keys() | read.headers.keys()


async def test_other_pages_and_by_default_all_get_no_leave(edge: Any, make_edge: Any) -> None:
    closed = make_edge()
    closed.grant()
    closed.serve()
    for made, origin in ((edge, "https://evil.example"), (closed, SHOP)):
        asked = await preflight(made, BULK, origin)
        read = await made.bulk({}, origin=origin)
        assert "access-control-allow-origin" not in asked.headers.keys() | read.headers.keys()


async def test_a_page_reads_answers_tags_and_refusals(edge: Any) -> None:
    good = await edge.bulk({"targetingKey": "u1"}, origin=SHOP)
    same = await edge.bulk({"targetingKey": "u1"}, origin=SHOP, if_none_match=good.headers["etag"])
    refused = await edge.call("POST", BULK, kind=None, origin=SHOP)
    plain = await edge.ofrep("plain", {}, origin=SHOP)
    assert (good.status, same.status, refused.status, plain.status) == (200, 304, 401, 200)
    for answer in (good, same, refused, plain):
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["vary"] == "origin"
    assert "etag" in good.headers["access-control-expose-headers"]
    assert "vary" not in (await edge.ofrep("plain", {})).headers  # the shared answer was not changed


@pytest.mark.parametrize("kind", ["server", "operator", "admin"])
async def test_a_page_that_holds_another_token_than_a_clients_is_refused(edge: Any, kind: str) -> None:
    from_page = await edge.bulk({}, kind=kind, origin=SHOP)
    assert (from_page.status, from_page.json()["code"]) == (403, "forbidden")


async def test_any_origin_can_be_allowed(make_edge: Any) -> None:
    edge = make_edge(cors_origins=("*",))
    edge.grant()
    edge.serve()
    assert (await preflight(edge, BULK, "https://a.example")).headers["access-control-allow-origin"] == (
        "https://a.example"
    )


async def test_a_client_learns_nothing_of_a_rule_not_even_how_it_fails(edge: Any) -> None:
    rule = {"if": [{"==": [{"var": "email"}, "boss@shop.example"]}, "secret-variant", "off"]}
    flag = {"state": "ENABLED", "variants": {"off": False}, "defaultVariant": "off", "targeting": rule}
    edge.serve(2, odd=flag, plain={**flag, "targeting": None, "metadata": {"owner": "web"}})
    context = {"targetingKey": "u1", "email": "boss@shop.example"}
    bulk = await edge.bulk(context)
    single = await edge.ofrep("odd", context)
    to_server = await edge.ofrep("odd", context, kind="server")
    odd, plain = sorted(bulk.json()["flags"], key=lambda flag: flag["key"])
    unsaid = {"key": "odd", "errorCode": "GENERAL", "errorDetails": "the flag cannot be evaluated"}
    assert odd == single.json() == unsaid
    assert plain == {
        "key": "plain", "value": False, "variant": "off", "reason": "STATIC", "metadata": {"owner": "web"},
    }  # fmt: skip
    assert "secret-variant" in to_server.json()["errorDetails"]
