"""Patience with a server that is away for a moment."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ebbgate.cli.following import patient
from ebbgate.core.errors import NotFoundError, StoreUnavailableError
from ebbgate.testing.clock import VirtualClock

AWAY = StoreUnavailableError("cannot be reached", hint="start it")


def answers(*found: object) -> Callable[[], object]:
    left = list(found)

    def read() -> object:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return read


def test_a_restart_of_the_server_does_not_end_the_watch_and_is_told_once() -> None:
    told: list[str] = []
    found = answers("first", AWAY, AWAY, AWAY, "second", "third")
    read = patient(found, VirtualClock(), tell=told.append)  # type: ignore[arg-type]
    assert [read(), read(), read()] == ["first", "second", "third"]
    assert [line.split(" UTC")[0].rsplit(" ", 1)[0] for line in told] == [
        "server not reached since",
        "server reached again at",
    ]
    assert told[0].endswith(" UTC, still trying")


def test_a_server_that_was_never_there_is_told_at_once() -> None:
    clock = VirtualClock()
    with pytest.raises(StoreUnavailableError):
        patient(answers(AWAY), clock)()  # type: ignore[arg-type]
    assert clock.monotonic() == 0


def test_patience_ends() -> None:
    clock = VirtualClock()
    read = patient(answers("first", *[AWAY] * 100), clock, patience=timedelta(seconds=30))  # type: ignore[arg-type]
    read()
    with pytest.raises(StoreUnavailableError):
        read()
    assert 30 <= clock.monotonic() <= 32


def test_only_an_absent_server_is_waited_for() -> None:
    gone = NotFoundError("no rollout", hint="list them")
    read = patient(answers("first", gone), VirtualClock())  # type: ignore[arg-type]
    read()
    with pytest.raises(NotFoundError):
        read()
