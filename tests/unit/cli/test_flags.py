"""What is said of a flag, and the context that `flag eval` builds."""

from datetime import UTC, datetime
from typing import Any

import click
import pytest

from ebbgate.cli.flags_eval import build_context
from ebbgate.cli.flags_read import standing
from ebbgate.core.flags.view import FlagView, KillView

LIVE: dict[str, Any] = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}


def a_flag(**changes: Any) -> FlagView:
    fields: dict[str, Any] = {
        "key": "newWidgets",
        "environment": "production",
        "revision": 1,
        "definition": LIVE,
        "served": LIVE,
        "kill": None,
        "rollout_id": None,
        "snapshot_version": 2,
    }
    return FlagView(**{**fields, **changes})


KILL = KillView(variant="off", actor="ann", reason="fire", killed_at=datetime(2026, 3, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (a_flag(), "live, `off`"),
        (a_flag(definition={**LIVE, "targeting": {"if": []}}), "live, by its own rule"),
        (a_flag(rollout_id="newWidgets-1"), "live, by its rollout"),
        (a_flag(definition={**LIVE, "state": "DISABLED"}), "disabled: everybody gets the code's default"),
        (a_flag(kill=KILL, rollout_id="newWidgets-1"), "OFF: everybody gets `off`"),
    ],
)
def test_what_decides_about_a_flag_is_said_in_words(flag: FlagView, words: str) -> None:
    assert standing(flag)[0] == words


def test_a_context_is_put_together_from_json_attributes_and_unit() -> None:
    context = build_context("u1", ("age=30", "beta=true", "email=a@b=c", 'role=["qa"]'), '{"age": 1, "land": "NO"}')
    assert context == {
        "age": 30,
        "land": "NO",
        "beta": True,
        "email": "a@b=c",
        "role": ["qa"],
        "targetingKey": "u1",
    }


@pytest.mark.parametrize(("attributes", "text"), [(("email",), None), (("=x",), None), ((), "[1]"), ((), "{")])
def test_a_context_that_cannot_be_read_is_a_usage_error(attributes: tuple[str, ...], text: str | None) -> None:
    with pytest.raises(click.BadParameter):
        build_context(None, attributes, text)
