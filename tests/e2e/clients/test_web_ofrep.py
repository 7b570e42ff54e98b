"""npm's `@openfeature/web-sdk` with `@openfeature/ofrep-web-provider` in headless Chromium (issue 3: 2)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
UNITS = [f"web-ofrep-{n}" for n in range(30)]

WHY = f"not installed: {CHROMIUM} (tests/system-packages.sh does it where it may)"

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=WHY)


@pytest.fixture(scope="module")
def ask(world: Any, node: Any) -> Callable[..., Any]:
    """Asks the SDK in a page that is served by another origin than the edge."""
    process = node("browser.mjs", str(CHROMIUM))
    process.ask("provide", url=world.url, token=world.client_token, unit="web-anybody")
    return process.ask  # type: ignore[no-any-return]


def test_values_of_every_type_come_with_variant_reason_and_metadata(ask: Callable[..., Any]) -> None:
    boolean = ask("evaluate", type="boolean", flag="kiosk", fallback=False)
    assert (boolean["value"], boolean["variant"], boolean["reason"]) == (True, "on", "STATIC")
    assert boolean["flagMetadata"]["flagSetId"] == "production"
    assert _value(ask, "string", "greeting", "") == "Good day"
    assert _value(ask, "number", "pageSize", 0) == 50
    assert _value(ask, "number", "ratio", 0) == 0.5
    assert _value(ask, "object", "theme", {}) == {"colour": "black", "sizes": [1, 2]}

    missing = ask("evaluate", type="boolean", flag="no such flag", fallback=True)
    assert (missing["value"], missing["errorCode"]) == (True, "FLAG_NOT_FOUND")
    mismatch = ask("evaluate", type="boolean", flag="greeting", fallback=True)
    assert (mismatch["value"], mismatch["errorCode"]) == (True, "TYPE_MISMATCH")


def test_a_toggle_arrives_by_the_event_stream_without_polling(
    world: Any, ask: Callable[..., Any], eventually: Any
) -> None:
    assert _value(ask, "boolean", "kiosk", False) is True
    eventually(lambda: _count(ask, "GET") == 1, "the event stream to be opened")
    eventually(lambda: _count(ask, "POST") == 2, "the page to ask anew, now that it listens")

    with world.kiosk_off():
        eventually(lambda: _value(ask, "boolean", "kiosk", True) is False, "the toggle")
        assert _count(ask, "POST") == 3  # told once, asked once
        assert "PROVIDER_CONFIGURATION_CHANGED" in ask("events")
    eventually(lambda: _value(ask, "boolean", "kiosk", False) is True, "the toggle back")
    assert _count(ask, "GET") == 1  # over one and the same stream


def test_users_keep_their_variant_over_a_restart_and_are_in_the_table_of_exposures(
    world: Any, ask: Callable[..., Any], eventually: Any
) -> None:
    expected = world.expected(UNITS)
    assert set(expected.values()) == {"on", "off"}

    assert ask("variants", flag="newWidgets", units=UNITS) == expected
    with world.stopped():
        eventually(lambda: "PROVIDER_STALE" in ask("events"), "the page to notice")
        assert ask("evaluate", type="boolean", flag="newWidgets", fallback=False)["variant"] == expected[UNITS[-1]]
        assert world.exposures("web-ofrep-") == expected

    with world.kiosk_off():
        eventually(lambda: _value(ask, "boolean", "kiosk", True) is False, "a toggle over the stream opened anew")
    assert ask("variants", flag="newWidgets", units=UNITS) == expected
    assert ask("problems") == []


def test_where_the_code_decides_its_default_is_served(ask: Callable[..., Any]) -> None:
    for flag in ("resting", "undecided"):
        for default in (True, False):
            assert _value(ask, "boolean", flag, default) is default


def test_a_token_that_is_not_known_gets_the_default_and_one_that_asks_too_often_what_the_page_has_kept(
    world: Any, strict: Any, ask: Callable[..., Any]
) -> None:
    """The last test of this page: its provider is gone."""
    refused = ask("provide_refused", url=world.url, token="nobody", unit="web-anybody")
    assert "Unauthorized" in refused
    unknown = ask("evaluate", type="boolean", flag="kiosk", fallback=False)
    assert (unknown["value"], unknown["reason"]) == (False, "ERROR")

    token = strict.tokens["web"]
    for _ in range(4):
        ask("provide", url=strict.url, token=token, unit="web-anybody")
    ask("provide", url=strict.url, token=token, unit="web-anybody")  # it takes 429 for a reason to wait
    hurried = ask("evaluate", type="boolean", flag="kiosk", fallback=False)
    assert (hurried["value"], hurried["reason"]) == (True, "CACHED")


def _value(ask: Callable[..., Any], type_: str, flag: str, fallback: Any) -> Any:
    return ask("evaluate", type=type_, flag=flag, fallback=fallback)["value"]


def _count(ask: Callable[..., Any], method: str) -> int:
    """Requests of the page to the edge: POST for flags, GET for the event stream."""
    return sum(1 for request in ask("requests") if request["method"] == method and "/ofrep/" in request["path"])
