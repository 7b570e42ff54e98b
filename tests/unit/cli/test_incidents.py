"""What `ebbgate incident open` says was taken back."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ebbgate.cli import connection
from ebbgate.core.incidents import IncidentKind, Severity
from ebbgate.core.incidents.requests import OpenedIncident

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class ServerThatOpens:
    """A control client, and its incidents."""

    def __init__(self, **became: Any) -> None:
        self.incidents = self
        self._became = became

    def __enter__(self) -> "ServerThatOpens":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def open(self, *, app: str, kind: IncidentKind, title: str, **_: Any) -> OpenedIncident:
        given = {"id": "INC-3", "severity": Severity.SEV1, "trigger": title, "opened_by": "ada"}
        times = {"opened_at": NOON, "plan_opened_at": NOON}
        return OpenedIncident(**given, **times, app=app, kind=kind, title=title, **self._became)


@pytest.mark.parametrize(
    ("kind", "became", "said"),
    [
        ("data-corruption", {"taken_back": ("shop-3", "cart-1")}, "taken back: shop-3, cart-1"),
        ("data-corruption", {"frozen": ("shop-3",)}, "paused, as it cannot be reversed by itself: shop-3"),
        ("data-corruption", {"left": ("shop-3",)}, "not taken back, as another system serves the flag"),
        ("data-corruption", {}, "nothing of shop was being rolled out in production, so nothing was taken back"),
        ("person", {"left": ("shop-3",)}, "nothing was taken back; shop-3 goes on: ebbgate rollback shop-3"),
    ],
)
def test_whoever_opens_an_incident_is_always_told_what_was_taken_back(
    ebbgate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, kind: str, became: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(connection, "open_client", lambda _url, _token: ServerThatOpens(**became))
    asked = ("incident", "open", "--app", "shop", "--kind", kind, "--reason", "rows are lost")
    assert said in " ".join(ebbgate(*asked).out.split())
    answer = json.loads(ebbgate(*asked, "--json").out)
    assert {key: tuple(answer[key]) for key in became} == became
    assert answer["taken_back"] == list(became.get("taken_back", ()))
