"""What goes wrong comes back as the error that it was."""

import httpx
import msgspec
import pytest

from ebbgate.client import ControlClient, RemoteError
from ebbgate.core import errors
from ebbgate.core.errors import BadRequestError, EbbgateError, LimitError, NotFoundError, StoreUnavailableError

PROBLEM = {"type": "about:blank", "title": "T", "status": 400, "detail": "what happened", "hint": "what to do"}
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, EbbgateError) and kind is not EbbgateError
]


class Answering(httpx.BaseTransport):
    """A server that always gives the same answer, and keeps what it was asked."""

    def __init__(self, status: int, content: bytes = b"", error: Exception | None = None) -> None:
        self.status, self.content, self.error = status, content, error
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return httpx.Response(self.status, content=self.content)


def client_of(transport: httpx.BaseTransport, token: str = "t") -> ControlClient:
    return ControlClient("http://control.test:8121/", token, transport=transport)


def error_from(transport: httpx.BaseTransport) -> EbbgateError:
    with client_of(transport) as client, pytest.raises(EbbgateError) as caught:
        client.rollouts.list()
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_each_code_comes_back_as_its_class(kind: type[EbbgateError]) -> None:
    problem = msgspec.json.encode({**PROBLEM, "code": kind.code, "path": "$.a"})
    error = error_from(Answering(kind.status, problem))
    assert type(error) is kind
    assert (error.message, error.hint, error.path) == ("what happened", "what to do", "$.a")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (404, NotFoundError),
        (405, BadRequestError),
        (413, LimitError),
        (418, BadRequestError),
        (500, RemoteError),
        (503, StoreUnavailableError),
        (302, RemoteError),
        (599, RemoteError),
    ],
)
@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"\xff", msgspec.json.encode({"code": "unheard_of"})])
def test_an_answer_without_a_known_code_is_judged_by_its_status(
    status: int, kind: type[EbbgateError], content: bytes
) -> None:
    error = error_from(Answering(status, content))
    assert type(error) is kind
    assert str(status) in error.message


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut off")]
)
def test_a_server_that_cannot_be_reached_is_a_store_that_is_unavailable(failure: Exception) -> None:
    error = error_from(Answering(0, error=failure))
    assert type(error) is StoreUnavailableError
    assert "http://control.test:8121" in error.message


@pytest.mark.parametrize("content", [b"", b"<html>hello</html>", b"{}", b'{"a": 1}', b'[{"id": 5}]'])
def test_an_answer_that_makes_no_sense_is_said_to_be_so(content: bytes) -> None:
    assert type(error_from(Answering(200, content))) is RemoteError


@pytest.mark.parametrize("url", ["", "localhost:8121", "ftp://x", "http://", "http://[::1", "http://a b"])
def test_what_is_no_url_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        ControlClient(url, "t")
    assert "http://127.0.0.1:8121" in caught.value.hint


@pytest.mark.parametrize("token", ["täglich", "a\nb", "a\r\nx-evil: 1", "a\x00b"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(BadRequestError):
        ControlClient("http://127.0.0.1:8121", token)


def test_the_token_goes_along_and_an_empty_one_does_not() -> None:
    server = Answering(200, b"[]")
    with client_of(server, "secret") as client:
        client.rollouts.list()
    with client_of(server, "") as client:
        client.rollouts.list()
    assert [request.headers.get("authorization") for request in server.requests] == ["Bearer secret", None]


def test_a_url_may_have_a_path_in_front() -> None:
    server = Answering(200, b"[]")
    with ControlClient("https://gate.test/control/", "t", transport=server) as client:
        client.rollouts.list()
    assert str(server.requests[0].url) == "https://gate.test/control/api/v1/rollouts"


def test_names_are_quoted_so_that_they_stay_one_part_of_the_path() -> None:
    server = Answering(404)
    with client_of(server) as client, pytest.raises(NotFoundError):
        client.rollouts.get("a/../b?c#d e")
    assert server.requests[0].url.raw_path == b"/api/v1/rollouts/a%2F..%2Fb%3Fc%23d%20e"
