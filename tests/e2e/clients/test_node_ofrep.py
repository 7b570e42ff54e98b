"""npm's `@openfeature/server-sdk` with `@openfeature/ofrep-provider` (issue 3: 2)."""

from collections.abc import Callable
from typing import Any

import pytest

UNITS = [f"node-ofrep-{n}" for n in range(40)]
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


def test_users_keep_their_variant_over_a_restart_and_are_in_the_table_of_exposures(
    world: Any, ask: Callable[..., Any]
) -> None:
    """Those that OFREP and the OpenTelemetry hook both report are there once."""
    expected = world.expected(UNITS)
    reported_twice = [f"node-both-{n}" for n in range(20)]
    assert set(expected.values()) == {"on", "off"}

    assert ask("variants", flag="newWidgets", units=UNITS) == expected
    headers = {"Authorization": f"Bearer {world.client_token}"}
    ask("report", encoding="protobuf", options={"url": f"{world.url}/v1/logs", "headers": headers})
    seen = ask("variants", flag="newWidgets", units=reported_twice)
    ask("flush")
    with world.stopped():
        down = ask("evaluate", type="boolean", flag="newWidgets", fallback=False, context=ANYBODY)
        assert (down["value"], down["errorCode"]) == (False, "GENERAL")
        assert world.exposures("node-ofrep-") == expected
        assert sorted(world.exposure_rows("node-both-")) == sorted(seen.items())

    assert ask("variants", flag="newWidgets", units=UNITS) == expected


def _value(ask: Callable[..., Any], type_: str, flag: str, fallback: Any) -> Any:
    return ask("evaluate", type=type_, flag=flag, fallback=fallback, context=ANYBODY)["value"]
