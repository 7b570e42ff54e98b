"""Everything that is not 2xx is problem+json, with a stable code and a hint."""

from typing import Any

import pytest

from ebbgate.core.rollouts import init_template
from ebbgate.testing.memory_control import FaultPoint

START = {"plan": "app: x", "release": "v1", "reason": "try"}


def problem_of(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["hint"]
    return body


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1", "/api/v1/nothing", "/api/v1/rollouts/a/b/c", "/schema"])
def test_an_unknown_address_is_not_found(desk: Any, path: str) -> None:
    problem_of(desk.call("GET", path), 404, "not_found")


def test_a_method_that_a_path_does_not_have_is_refused(desk: Any) -> None:
    problem_of(desk.call("DELETE", "/api/v1/rollouts"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (b"", "$"),
        (b"{nope", None),
        (b"\xff\xfe", None),
        (b"[]", "$"),
        (b"null", "$"),
        (b'"text"', "$"),
        (b"{}", "$"),
        (b'{"plan": "x", "release": "v1", "reason": "y", "color": "red"}', "$"),
        (b'{"plan": 5, "release": "v1", "reason": "y"}', "$.plan"),
        (b'{"plan": "x", "release": "v1", "reason": "y", "mode": "guess"}', "$.mode"),
        (b"[" * 5_000, "$"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_with_its_place(desk: Any, content: bytes, path: str | None) -> None:
    headers = {"authorization": f"Bearer {desk.tokens['operator']}", "content-type": "application/json"}
    body = problem_of(desk.http.post("/api/v1/rollouts", content=content, headers=headers), 400, "bad_request")
    assert body.get("path") == path, body


def test_a_body_that_is_too_large_is_refused(desk: Any) -> None:
    body = {**START, "plan": "x" * 2_000_001}
    problem_of(desk.call("POST", "/api/v1/rollouts", body), 413, "too_large")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "after=-1", "after=1.5", "limit=99999999999999999999999"]
)
def test_a_number_out_of_range_is_refused_by_name(desk: Any, query: str) -> None:
    body = problem_of(desk.call("GET", f"/api/v1/audit?{query}"), 400, "bad_request")
    assert query.partition("=")[0] in body["detail"]


def test_a_plan_that_cannot_work_comes_back_with_its_place(desk: Any) -> None:
    text = init_template("dashboard", "newWidgets").replace("to: 50%", "to: 500%")
    body = problem_of(desk.call("POST", "/api/v1/rollouts", {**START, "plan": text}), 422, "plan_invalid")
    assert body["path"] == "$.phases[1].to"
    assert "line 10" in body["detail"]


def test_an_unknown_overlay_is_a_mistake_in_the_plan(desk: Any) -> None:
    text = init_template("dashboard", "newWidgets")
    body = {**START, "plan": text, "overlay": "nothing"}
    problem_of(desk.call("POST", "/api/v1/rollouts", body), 422, "plan_invalid")


def test_a_flag_that_cannot_be_served_comes_back_with_its_place(desk: Any) -> None:
    body = {"definition": {"state": "ON", "variants": {"on": True}}, "reason": "new"}
    problem = problem_of(desk.call("PUT", "/api/v1/flags/menu", body), 422, "flag_document_invalid")
    assert problem["path"].startswith("$.flags.menu")


def test_a_step_that_the_state_does_not_allow_says_what_is_possible(desk: Any) -> None:
    desk.start()
    body = problem_of(
        desk.call("POST", "/api/v1/rollouts/newWidgets/resume", {"reason": "go"}), 409, "transition_refused"
    )
    assert "possible now" in body["hint"]


def test_a_store_that_does_not_answer_is_worth_another_try(desk: Any) -> None:
    desk.store.fail_next(at=FaultPoint.BEGIN)
    answer = desk.call("GET", "/api/v1/rollouts")
    problem_of(answer, 503, "store_unavailable")
    assert answer.headers["retry-after"] == "1"


def test_readyz_says_that_the_store_does_not_answer_while_healthz_is_fine(desk: Any) -> None:
    desk.store.fail_next(at=FaultPoint.PING)
    problem_of(desk.call("GET", "/readyz", kind=None), 503, "store_unavailable")
    assert desk.call("GET", "/readyz", kind=None).text == "ok"
    assert desk.call("GET", "/healthz", kind=None).text == "ok"


def test_a_mistake_of_the_server_is_told_without_its_insides(desk: Any, capsys: pytest.CaptureFixture[str]) -> None:
    desk.store.fail_next(error=RuntimeError("the secret is 42"))
    answer = desk.call("GET", "/api/v1/rollouts")
    body = problem_of(answer, 500, "internal_error")
    assert "42" not in answer.text
    assert "log" in body["hint"]
    assert "the secret is 42" in capsys.readouterr().out, "the log has it"
