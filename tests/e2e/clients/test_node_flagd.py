"""npm's `@openfeature/server-sdk` with `@openfeature/flagd-provider`, evaluating in its process (issue 3: 2)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

UNITS = [f"node-flagd-{n}" for n in range(60)]
ANYBODY = {"targetingKey": "node-anybody"}


@pytest.fixture
def ask(world: Any, node: Any, tmp_path: Path) -> Callable[..., Any]:
    """Asks the SDK, whose provider reads the flagd document that the edge serves from a file."""
    headers = {"authorization": f"Bearer {world.server_token}"}
    document = httpx.get(f"{world.url}/flagd/v1/flags", headers=headers).raise_for_status().json()
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    process = node("server.mjs")
    options = {"resolverType": "in-process", "offlineFlagSourcePath": str(path)}
    process.ask("provide", provider="flagd", options=options)
    return process.ask  # type: ignore[no-any-return]


def test_a_served_document_in_a_file_gives_the_same_values_and_the_same_variants(
    world: Any, ask: Callable[..., Any]
) -> None:
    boolean = ask("evaluate", type="boolean", flag="kiosk", fallback=False, context=ANYBODY)
    assert (boolean["value"], boolean["variant"], boolean["reason"]) == (True, "on", "STATIC")
    assert boolean["flagMetadata"]["flagSetId"] == "production"
    assert _value(ask, "string", "greeting", "") == "Good day"
    assert _value(ask, "number", "pageSize", 0) == 50
    assert _value(ask, "object", "theme", {}) == {"colour": "black", "sizes": [1, 2]}

    assert ask("variants", flag="newWidgets", units=UNITS) == world.expected(UNITS)


def test_a_toggle_is_seen_when_the_file_is_rewritten(
    world: Any, ask: Callable[..., Any], tmp_path: Path, eventually: Any
) -> None:
    path = tmp_path / "flags.json"
    document = json.loads(path.read_text("utf-8"))
    document["flags"]["kiosk"]["defaultVariant"] = "off"

    def is_seen() -> bool:
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(document), encoding="utf-8")
        draft.replace(path)
        return _value(ask, "boolean", "kiosk", True) is False

    # Again and again: node's watcher looks at the file for the first time some while after it is ready, and what was
    # written before that is no change to it.
    eventually(is_seen, "the toggle")


def _value(ask: Callable[..., Any], type_: str, flag: str, fallback: Any) -> Any:
    return ask("evaluate", type=type_, flag=flag, fallback=fallback, context=ANYBODY)["value"]
