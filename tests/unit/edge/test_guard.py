"""Who may do what, and how much of it."""

from typing import Any

import pytest

from ebbgate.core.access import StoredToken, token_sha256


async def test_nobody_is_refused_as_unknown_before_the_tokens_are_read(make_edge: Any) -> None:
    edge = make_edge()
    edge.serve()
    answer = await edge.ofrep("plain", {})
    assert (answer.status, answer.json()["code"], answer.headers["retry-after"]) == (503, "not_ready", "1")


@pytest.mark.parametrize("value", ["Bearer ", "Bearer nope", "Basic abc", "bearer"])
async def test_an_unknown_or_unreadable_token_is_401(edge: Any, value: str) -> None:
    answer = await edge.call("GET", "/v1/snapshot", kind=None, authorization=value)
    assert (answer.status, answer.headers["content-type"]) == (401, "application/problem+json")


async def test_who_sends_an_empty_token_is_told_that_there_is_none(edge: Any) -> None:
    answer = await edge.call("GET", "/v1/snapshot", kind=None, authorization="Bearer ")
    assert answer.json()["detail"] == "no token was sent"


async def test_the_api_key_header_does_as_well_and_the_scheme_has_no_case(edge: Any) -> None:
    by_key = await edge.call("GET", "/v1/snapshot", kind=None, x_api_key=edge.tokens["server"])
    by_scheme = await edge.call("GET", "/v1/snapshot", kind=None, authorization=f"bearer {edge.tokens['server']}")
    assert (by_key.status, by_scheme.status) == (200, 200)


@pytest.mark.parametrize(
    ("method", "path", "kinds"),
    [
        ("POST", "/ofrep/v1/evaluate/flags/plain", {"client", "server", "admin"}),
        ("POST", "/ofrep/v1/evaluate/flags", {"client", "server", "admin"}),
        ("GET", "/v1/snapshot", {"server", "operator", "admin"}),
        ("GET", "/metrics", {"operator", "admin"}),
    ],
)
async def test_each_route_takes_the_kinds_that_may(edge: Any, method: str, path: str, kinds: set[str]) -> None:
    admitted = {kind for kind in edge.tokens if (await edge.call(method, path, kind=kind)).status == 200}
    refused = {kind for kind in edge.tokens if (await edge.call(method, path, kind=kind)).status == 403}
    assert (admitted, refused) == (kinds, set(edge.tokens) - kinds)


async def test_a_revoked_token_is_refused_from_the_next_list_on(edge: Any) -> None:
    assert (await edge.ofrep("plain", {})).status == 200
    text = edge.tokens["client"]
    edge.grant(StoredToken(id="client", kind="client", sha256=token_sha256(text), is_revoked=True))
    assert (await edge.ofrep("plain", {})).status == 401


async def test_a_token_of_one_environment_is_no_good_in_another(edge: Any) -> None:
    edge.serve(
        2, environment="staging", plain={"state": "ENABLED", "variants": {"s": "staging"}, "defaultVariant": "s"}
    )
    text = edge.tokens["client"]
    edge.grant(StoredToken(id="c", kind="client", environment="staging", sha256=token_sha256(text)))
    own = await edge.ofrep("plain", {})
    named = await edge.ofrep("plain", {}, query="environment=staging")
    other = await edge.ofrep("plain", {}, query="environment=production")
    assert (own.json()["value"], named.json()["value"], other.status) == ("staging", "staging", 403)


async def test_an_environment_that_does_not_exist_is_404(edge: Any) -> None:
    assert (await edge.ofrep("plain", {}, query="environment=nope")).json()["code"] == "not_found"


async def test_too_many_requests_get_429_with_the_time_to_wait(make_edge: Any) -> None:
    edge = make_edge(rate_per_s=0.5, rate_burst=2)
    edge.grant()
    edge.serve()
    statuses = [(await edge.ofrep("plain", {})).status for _ in range(3)]
    refused = await edge.ofrep("plain", {})
    other_token = await edge.ofrep("plain", {}, kind="server")
    edge.clock.seconds += int(refused.headers["retry-after"])
    later = await edge.ofrep("plain", {})
    assert statuses == [200, 200, 429]
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("rate_limited", "2")
    assert (other_token.status, later.status) == (200, 200)


async def test_a_new_list_does_not_refill_the_bucket(make_edge: Any) -> None:
    edge = make_edge(rate_per_s=0.5, rate_burst=1)
    edge.grant()
    edge.serve()
    await edge.ofrep("plain", {})
    edge.grant()
    assert (await edge.ofrep("plain", {})).status == 429
