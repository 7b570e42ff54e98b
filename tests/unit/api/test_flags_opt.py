"""A user's own opt-in: the one change that a client token may make (RULES B5)."""

from typing import Any

import pytest

FLAG: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
OPEN = {**FLAG, "metadata": {"optIn": True}}
PATH = "/api/v1/opt/menu"


def wish(desk: Any, unit: str = "ada", *, is_in: bool = True, kind: str = "client", **more: Any) -> Any:
    return desk.call("POST", PATH, {"unit": unit, "is_in": is_in}, kind=kind, **more)


def test_a_user_opts_in_and_out_with_a_client_token_and_the_audit_has_both(desk: Any) -> None:
    flags = desk.client().flags
    flags.put("menu", OPEN, reason="new")
    before = len(desk.audit())
    answer = wish(desk)
    assert answer.status_code == 200, answer.text
    version = flags.get("menu").snapshot_version
    assert answer.json() == {
        "flag": "menu",
        "environment": "production",
        "unit": "ada",
        "is_in": True,
        "snapshot_version": version,
    }
    assert flags.get("menu").opt_in == ("ada",)
    assert wish(desk).json()["snapshot_version"] == version, "asking again changes nothing"
    assert wish(desk, is_in=False).json()["is_in"] is False
    assert flags.get("menu").opt_in == ()
    assert [(row.action, row.actor, row.after) for row in desk.audit()[before:]] == [
        ("flag.opt_in", "the client", "ada"),
        ("flag.opt_out", "the client", "ada"),
    ]


def test_a_flag_that_does_not_allow_it_takes_no_wish(desk: Any) -> None:
    for metadata in ({}, {"optIn": False}, {"optIn": "true"}, {"optIn": 1}):
        desk.client().flags.put("menu", {**FLAG, "metadata": metadata}, reason="r")
        assert wish(desk).status_code == 403
    assert desk.client().flags.get("menu").opt_in == ()


def test_an_unknown_flag_tells_nothing_of_the_others(desk: Any) -> None:
    desk.client().flags.put("secret-launch", OPEN, reason="new")
    answer = wish(desk)
    assert answer.status_code == 404
    assert "secret-launch" not in answer.text


def test_a_token_of_one_environment_is_good_for_no_other(desk: Any) -> None:
    from ebbgate.control.audit import Actor

    desk.client().flags.put("menu", OPEN, reason="new")
    desk.client().environments.create("staging", reason="another one")
    _, secret = desk.access.create_token("client", "staging", "staging", actor=Actor(name="a", reason="b"))
    answer = desk.http.post(PATH, json={"unit": "ada", "is_in": True}, headers={"x-api-key": secret})
    assert answer.status_code == 403
    assert desk.client().flags.get("menu").opt_in == ()


@pytest.mark.parametrize("unit", ["", "x" * 257, 5, None])
def test_a_wish_without_a_proper_unit_is_refused(desk: Any, unit: Any) -> None:
    desk.client().flags.put("menu", OPEN, reason="new")
    assert wish(desk, unit).status_code == 400


def test_a_client_token_may_change_nothing_else(desk: Any) -> None:
    desk.client().flags.put("menu", OPEN, reason="new")
    for path in ("opt-in", "opt-out", "kill", "delete"):
        body = {"unit": "ada", "reason": "r"} if path.startswith("opt") else {"reason": "r"}
        assert desk.call("POST", f"/api/v1/flags/menu/{path}", body, kind="client").status_code == 403


def test_a_full_list_takes_nobody_more(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ebbgate.control.flags.OPT_IN_MAX", 1)
    desk.client().flags.put("menu", OPEN, reason="new")
    assert wish(desk, "ada").status_code == 200
    assert wish(desk, "bob").status_code == 429
    assert wish(desk, "ada", is_in=False).status_code == 200
    assert wish(desk, "bob").status_code == 200


SHOP = {"origin": "https://shop.example"}


@pytest.fixture
def page(desk_alone: Any) -> Any:
    """The API as pages of one origin see it."""
    from litestar.testing import TestClient

    from ebbgate.api import create_app
    from ebbgate.api.opt_cors import OptCors

    desk_alone.client().flags.put("menu", OPEN, reason="new")
    with TestClient(OptCors(create_app(desk_alone.services), ("https://shop.example",))) as desk_alone.http:
        yield desk_alone


def test_a_page_of_an_allowed_origin_may_wish_and_reads_every_answer(page: Any) -> None:
    asked = {**SHOP, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    preflight = page.http.options(PATH, headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (204, "POST")
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    answer = wish(page, headers=SHOP)
    refused = wish(page, "", headers=SHOP)
    assert (answer.status_code, refused.status_code) == (200, 400)
    for told in (preflight, answer, refused):
        assert told.headers["access-control-allow-origin"] == "https://shop.example"
        assert told.headers["vary"] == "origin"


def test_nothing_else_and_nobody_else_is_allowed(page: Any) -> None:
    other = {"origin": "https://evil.example"}
    preflight = page.http.options(PATH, headers={**other, "access-control-request-method": "POST"})
    elsewhere = page.http.get("/api/v1/flags", headers=SHOP)
    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in wish(page, headers=other).headers
    assert "access-control-allow-origin" not in elsewhere.headers
    held = wish(page, kind="server", headers=SHOP)
    assert (held.status_code, "web page" in held.json()["detail"]) == (403, True)


def test_one_token_may_wish_only_so_often(desk_alone: Any) -> None:
    desk_alone.client().flags.put("menu", OPEN, reason="new")
    answers = [wish(desk_alone) for _ in range(51)]
    assert {answer.status_code for answer in answers[:50]} == {200}
    last = answers[-1]
    assert (last.status_code, last.json()["code"], last.headers["retry-after"]) == (429, "rate_limited", "1")
    assert wish(desk_alone, kind="server").status_code == 200, "another token's wishes are its own"
