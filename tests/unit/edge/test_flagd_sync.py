"""flagd's document over HTTP: whole or a flag set of it, with a tag, for those who may read rules."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from ebbgate.core.errors import BadRequestError
from ebbgate.core.flags.selector import Selector, parse_selector

PATH = "/flagd/v1/flags"
PLAIN = {"state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a"}


async def fetch(edge: Any, **more: Any) -> Any:
    return await edge.call("GET", PATH, **{"kind": "server", **more})


async def test_the_whole_document_is_served_and_unchanged_it_is_304(edge: Any) -> None:
    first = await fetch(edge)
    same = await fetch(edge, if_none_match=first.headers["etag"])
    edge.serve(2)
    republished = await fetch(edge, if_none_match=first.headers["etag"])
    edge.serve(3, other=PLAIN)
    changed = await fetch(edge, if_none_match=first.headers["etag"])
    assert first.json()["flags"].keys() == {"plain", "newWidgets"}
    assert (same.status, same.body, republished.status) == (304, b"", 304)
    assert changed.json()["flags"] == {"other": PLAIN}


async def test_rules_are_for_server_tokens_not_for_clients(edge: Any) -> None:
    assert (await fetch(edge, kind="client")).status == 403
    assert (await fetch(edge, kind=None)).status == 401


async def test_a_selector_takes_the_flags_of_one_set(edge: Any) -> None:
    edge.serve(
        2, mine={**PLAIN, "metadata": {"flagSetId": "mine"}}, free={**PLAIN, "metadata": {"flagSetId": ""}}, rest=PLAIN
    )
    by_header = await fetch(edge, flagd_selector="flagSetId=mine")
    by_query = await fetch(edge, query="selector=flagSetId%3Dshop")
    without = await fetch(edge, flagd_selector="flagSetId=")
    nobody = await fetch(edge, flagd_selector="flagSetId=nobody")
    answers = (by_header, by_query, without, nobody)
    assert [list(answer.json()["flags"]) for answer in answers] == [["mine"], ["rest"], ["free"], []]
    assert len({answer.headers["etag"] for answer in answers}) == 4


async def test_a_source_is_an_environment(edge: Any) -> None:
    edge.serve(2, environment="staging", other=PLAIN)
    assert (await fetch(edge, flagd_selector="staging")).json()["flags"].keys() == {"other"}
    assert (await fetch(edge, flagd_selector="source=staging,flagSetId=nobody")).json()["flags"] == {}
    assert (await fetch(edge, flagd_selector="source=nowhere")).status == 404


def test_selectors_are_read_as_flagd_writes_them() -> None:
    assert parse_selector("") == Selector()
    assert parse_selector("a/b.json") == parse_selector("source=a/b.json") == Selector(source="a/b.json")
    assert parse_selector("flagSetId=") == Selector(flag_set="")
    assert parse_selector("flagSetId=x, source=y") == Selector(flag_set="x", source="y")
    assert parse_selector(" flagSetId = x ") == Selector(flag_set="x")


@pytest.mark.parametrize("text", ["flagSet=x", "a,b", "flagSetId=a,flagSetId=b", "=x", "source=", "owner=me"])
async def test_a_selector_that_cannot_be_read_is_400(edge: Any, text: str) -> None:
    with pytest.raises(BadRequestError):
        parse_selector(text)
    assert (await fetch(edge, flagd_selector=text)).status == 400


@pytest.mark.parametrize(
    ("agent", "bucketing", "counted"),
    [
        ("grpc-python/1.85.1 grpc-c/53.0.0", "v2", 2),
        ("grpc-python/1.85.1 grpc-c/53.0.0", "v3", 0),
        ("grpc-node-js/1.14.7", "v3", 2),
        ("Go-http-client/1.1", "v3", 2),
        ("Go-http-client/1.1", "v2", 0),
        ("curl/8", "v3", 0),
    ],
)
async def test_a_client_of_another_bucketing_generation_is_counted_and_named_once(
    edge: Any, agent: str, bucketing: str, counted: int
) -> None:
    edge.serve(2, bucketing=bucketing, plain=PLAIN)
    with capture_logs() as told:
        for _ in range(2):
            await fetch(edge, user_agent=agent)
    text = (await edge.call("GET", "/metrics", kind="operator")).body.decode()
    counts = [line for line in text.splitlines() if line.startswith("ebbgate_bucketing_mismatches_total{")]
    assert sum(float(line.rpartition(" ")[2]) for line in counts) == counted
    assert [line["event"] for line in told] == (["bucketing_mismatch"] if counted else [])
