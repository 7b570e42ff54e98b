"""`ebbgate rollback --watch`."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ebbgate.cli import connection
from ebbgate.cli.exits import Exit
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.rollouts.state import Status
from ebbgate.core.rollouts.view import RolloutView, ladder
from ebbgate.testing.rollouts import NOON, a_rollout


class ServerThatGoesAway:
    """A control client, and its rollouts: answers each question once, then is gone."""

    def __init__(self, view: RolloutView) -> None:
        self._view = view
        self._asked: set[str] = set()
        self.rollouts = self

    def __enter__(self) -> "ServerThatGoesAway":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def roll_back(self, _ref: str, *, reason: str, redeploy: bool = False) -> RolloutView:
        return self._answer(reason)

    def get(self, _ref: str) -> RolloutView:
        return self._answer("get")

    def _answer(self, question: str) -> RolloutView:
        if question in self._asked:
            raise StoreUnavailableError("the server is gone", hint="start it")
        self._asked.add(question)
        return self._view


def test_a_watched_rollback_is_one_document_even_if_the_server_goes_away_after_it(
    ebbgate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = a_rollout()
    view = RolloutView(
        id=state.id,
        app="dashboard",
        flag="newWidgets",
        release="v1.4.0",
        environment="production",
        status=Status.ABORTED,
        mode=state.mode,
        attempt=1,
        overlay=None,
        created_at=NOON,
        now=NOON,
        phase="early",
        phases=ladder(state),
        sentence="",
        looks=0,
        revision=1,
    )
    monkeypatch.setattr(connection, "open_client", lambda _url, _token: ServerThatGoesAway(view))

    ran = ebbgate("rollback", "newWidgets", "--reason", "slow", "--watch", "--json")

    assert json.loads(ran.out)["status"] == "aborted"
    assert ran.status == Exit.ERROR, "it was not taken back"
