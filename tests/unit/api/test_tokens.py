from typing import Any

import pytest

from ebbgate.core.errors import BadRequestError


def test_the_text_of_a_token_is_told_once_and_works(desk: Any) -> None:
    tokens = desk.client("admin").tokens
    made = tokens.create("operator", "night shift", reason="new colleague")
    desk.tokens["new"] = made.secret
    assert desk.call("GET", "/api/v1/rollouts", kind="new").status_code == 200
    assert made.token in tokens.list()
    listed = desk.call("GET", "/api/v1/tokens", kind="admin").text
    assert made.secret not in listed
    assert "sha256" not in listed


def test_no_answer_but_the_first_holds_the_text_or_the_hash_of_a_token(desk: Any) -> None:
    from ebbgate.core.access import token_sha256

    made = desk.client("admin").tokens.create("server", "checkout", reason="new service", environment="production")
    for path in ("tokens", "audit", "outbox"):
        text = desk.call("GET", f"/api/v1/{path}", kind="admin").text
        assert made.secret not in text
        assert token_sha256(made.secret) not in text


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "king", "name": "x"},
        {"kind": "server", "name": " "},
        {"kind": "admin", "name": "x", "environment": "production"},
    ],
)
def test_a_token_that_makes_no_sense_is_refused(desk: Any, body: dict[str, Any]) -> None:
    answer = desk.call("POST", "/api/v1/tokens", {**body, "reason": "try"}, kind="admin")
    assert answer.status_code == 400


def test_a_token_for_an_environment_that_is_not_there_is_refused_with_those_that_are(desk: Any) -> None:
    with pytest.raises(BadRequestError, match="'stagin'") as refused:
        desk.client("admin").tokens.create("server", "x", reason="typo", environment="stagin")
    assert "production" in refused.value.hint
    assert [token.environment for token in desk.client("admin").tokens.list() if token.environment == "stagin"] == []


def test_the_last_admin_token_stays(desk: Any) -> None:
    path = f"/api/v1/tokens/{desk.token_ids['admin']}/revoke"
    assert desk.call("POST", path, {"reason": "tidy"}, kind="admin").status_code == 409
    assert desk.call("GET", "/api/v1/tokens", kind="admin").status_code == 200
