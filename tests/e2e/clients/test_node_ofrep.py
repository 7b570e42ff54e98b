"""npm's `@openfeature/server-sdk` with `@openfeature/ofrep-provider` (issue 3: 2)."""

from collections.abc import Callable
from typing import Any

import pytest

ANYBODY = {"targetingKey": "node-anybody"}


@pytest.fixture(scope="module")
def ask(world: Any, node: Any) -> Callable[..., Any]:
    """Asks the SDK in its own process."""
    process = node("server.mjs")
    headers = {"Authorization": f"Bearer {world.client_token}"}
    process.ask("provide", provider="ofrep", options={"baseUrl": world.url, "headers": headers})
    return process.ask  # type: ignore[no-any-return]


def test_values_of_every_type_come_with_variant_reason_and_metadata(ask: Callable[..., Any]) -> None:
    boolean = ask("evaluate", type="boolean", flag="kiosk", fallback=False, context=ANYBODY)
    assert (boolean["value"], boolean["variant"], boolean["reason"]) == (True, "on", "STATIC")
    assert boolean["flagMetadata"]["flagSetId"] == "production"
    assert _value(ask, "string", "greeting", "") == "Good day"
    assert _value(ask, "number", "pageSize", 0) == 50
    assert _value(ask, "number", "ratio", 0) == 0.5
    assert _value(ask, "object", "theme", {}) == {"colour": "black", "sizes": [1, 2]}

    missing = ask("evaluate", type="boolean", flag="no such flag", fallback=True, context=ANYBODY)
    assert (missing["value"], missing["errorCode"]) == (True, "FLAG_NOT_FOUND")
    mismatch = ask("evaluate", type="boolean", flag="greeting", fallback=True, context=ANYBODY)
    assert (mismatch["value"], mismatch["errorCode"]) == (True, "TYPE_MISMATCH")


def test_a_toggle_is_seen_at_the_next_evaluation(world: Any, ask: Callable[..., Any], eventually: Any) -> None:
    assert _value(ask, "boolean", "kiosk", False) is True

    with world.kiosk_off():
        eventually(lambda: _value(ask, "boolean", "kiosk", True) is False, "the toggle")


@pytest.mark.parametrize("flag", ["resting", "undecided"])
def test_where_the_code_decides_its_default_is_served(ask: Callable[..., Any], flag: str) -> None:
    for default in (True, False):
        details = ask("evaluate", type="boolean", flag=flag, fallback=default, context=ANYBODY)
        assert details["value"] is default


def test_a_token_that_is_not_known_and_one_that_asks_too_often_get_the_default_with_an_error(
    world: Any, strict: Any, node: Any
) -> None:
    ask = node("server.mjs").ask
    ask("provide", provider="ofrep", options={"baseUrl": world.url, "headers": {"Authorization": "Bearer nobody"}})
    unknown = ask("evaluate", type="boolean", flag="kiosk", fallback=False, context=ANYBODY)
    assert (unknown["value"], unknown["reason"], unknown["errorCode"]) == (False, "ERROR", "GENERAL")

    options = {"baseUrl": strict.url, "headers": {"Authorization": f"Bearer {strict.tokens['node']}"}}
    ask("provide", provider="ofrep", options=options)
    answers = [ask("evaluate", type="boolean", flag="kiosk", fallback=False, context=ANYBODY) for _ in range(6)]
    assert (answers[0]["value"], answers[0].get("errorCode")) == (True, None)
    assert (answers[-1]["value"], answers[-1]["errorCode"]) == (False, "GENERAL")


def _value(ask: Callable[..., Any], type_: str, flag: str, fallback: Any) -> Any:
    return ask("evaluate", type=type_, flag=flag, fallback=fallback, context=ANYBODY)["value"]
