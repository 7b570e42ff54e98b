"""The server's address, token and timeout out of the environment (OFREP's ADR 7)."""

from typing import Any

import pytest

from ebbgate.sdk.client import Client
from ebbgate.sdk.environment import Connection, connection_of
from ebbgate.sdk.timing import Timing

OFREP = {
    "OFREP_ENDPOINT": "http://ofrep:8016",
    "OFREP_HEADERS": "X-Other=1%2C%20Authorization%3DBearer%20abc%3D",
    "OFREP_TIMEOUT_MS": "2500",
}


def test_ofreps_variables_set_the_client_up() -> None:
    found = connection_of(None, None, None, environ=OFREP)
    assert (found.url, found.token, found.timing.request_timeout_s) == ("http://ofrep:8016", "abc=", 2.5)


def test_what_is_given_and_ebbgates_own_variables_go_before_them() -> None:
    own = {**OFREP, "EBBGATE_URL": "http://own:1", "EBBGATE_TOKEN": "mine\n"}
    assert connection_of(None, None, None, environ=own) == Connection("http://own:1", "mine", Timing())
    assert connection_of("http://given:1", "given", Timing(), environ=own) == Connection(
        "http://given:1", "given", Timing()
    )
    assert connection_of(None, "given", Timing(request_timeout_s=1), environ=OFREP).timing.request_timeout_s == 1


@pytest.mark.parametrize(("url", "environ"), [("http://given:1", OFREP), (None, {**OFREP, "EBBGATE_URL": "http://o"})])
def test_ofreps_token_goes_to_no_other_server(url: str | None, environ: dict[str, str]) -> None:
    found = connection_of(url, None, None, environ=environ)
    assert (found.token, found.timing) == ("", Timing())


@pytest.mark.parametrize(
    ("headers", "token"),
    [("x-api-key=k", "k"), ("Authorization=Basic abc", ""), ("nonsense", ""), ("%zz,=,Authorization=bearer t", "t")],
)
def test_headers_are_read_as_far_as_they_can_be(headers: str, token: str) -> None:
    assert connection_of(None, None, None, environ={**OFREP, "OFREP_HEADERS": headers}).token == token


@pytest.mark.parametrize("timeout", ["", "0", "-5", "soon", "1e3", "²"])
def test_a_timeout_that_is_none_leaves_the_usual_one(timeout: str) -> None:
    assert connection_of(None, None, None, environ={**OFREP, "OFREP_TIMEOUT_MS": timeout}).timing == Timing()


def test_a_client_reads_them(monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    monkeypatch.delenv("EBBGATE_URL", raising=False)
    monkeypatch.setenv("OFREP_ENDPOINT", "")
    client = Client(clock=clock)
    client.close(timeout=0)
    assert (client.status.is_live, client.status.last_error) == (
        False,
        "no url is given, and neither EBBGATE_URL nor OFREP_ENDPOINT is set: nothing is connected",
    )
