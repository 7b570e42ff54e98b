"""Probes with real processes and a real address."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from ebbgate.adapters.probes import LocalProber
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.rollouts.plan import Probe

CLOCK = SystemClock()


class Page(http.server.BaseHTTPRequestHandler):
    """200 for /well, and for /endless, whose answer never ends; 500 for the rest."""

    def do_GET(self) -> None:
        self.send_response(500 if self.path == "/ill" else 200)
        self.end_headers()
        with suppress(OSError):  # whoever asked has gone
            for _ in range(60 if self.path == "/endless" else 0):
                self.wfile.write(b".")
                threading.Event().wait(0.1)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def address() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def wrong(**asked: object) -> str:
    return LocalProber().probe(Probe(**{"name": "probe", "timeout": timedelta(seconds=5), **asked}))  # type: ignore[arg-type]


def test_an_address_is_well_when_it_answers_2xx(address: str) -> None:
    assert wrong(url=f"{address}/well") == ""
    assert "500" in wrong(url=f"{address}/ill")
    assert wrong(url="http://127.0.0.1:1/")


def test_an_answer_that_never_ends_is_none_in_time(address: str) -> None:
    """One byte after the other, each within the time: nothing else would be asked for ever."""
    began = CLOCK.monotonic()
    said = wrong(url=f"{address}/endless", timeout=timedelta(milliseconds=500))
    assert said.endswith("no answer in time")
    assert CLOCK.monotonic() - began < 4


def test_commands_are_well_when_they_end_with_0_one_after_the_other() -> None:
    assert wrong(run=("true", "test 1 -lt 2")) == ""
    assert wrong(run=("true", "echo 3 rows lost; exit 4", "true")).endswith("ended with 4: 3 rows lost")


def test_a_command_that_hangs_is_ended_with_all_that_it_started() -> None:
    began = CLOCK.monotonic()
    assert "did not end within 200ms" in wrong(run=("sleep 30 & sleep 30",), timeout=timedelta(milliseconds=200))
    assert CLOCK.monotonic() - began < 5


def test_a_probe_sees_nothing_of_the_servers_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EBBGATE_NOTIFY", "mailto://secret")
    assert wrong(run=('test -z "$EBBGATE_NOTIFY"',)) == ""
