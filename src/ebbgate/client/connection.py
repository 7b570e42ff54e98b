"""One HTTP connection to the control API: tokens, JSON, and errors that come back as the errors that they were."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import httpx
import msgspec

from ebbgate.core.errors import (
    AuthenticationError,
    BadRequestError,
    ConflictError,
    EbbgateError,
    LimitError,
    NotFoundError,
    PermissionDeniedError,
    StoreUnavailableError,
)

T = TypeVar("T")
Fields = Mapping[str, str | int | bool | None]

_BY_STATUS: dict[int, type[EbbgateError]] = {
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: LimitError,
    429: LimitError,
    502: StoreUnavailableError,
    503: StoreUnavailableError,
    504: StoreUnavailableError,
}


class RemoteError(EbbgateError):
    """The server made a mistake, or something that answers is no control API."""

    code = "remote_error"
    status = 502


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    """As much of an error's body as is there."""

    code: str = ""
    title: str = ""
    detail: str = ""
    hint: str = ""
    path: str | None = None


class Connection:
    """Sends requests and decodes answers into the types that are asked for.

    Raises the EbbgateError that the server raised; StoreUnavailableError when it cannot be reached or does not answer
    in time; RemoteError when the answer makes no sense.
    """

    def __init__(
        self, url: str, token: str, *, timeout_s: float = 10.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = check_url(url)
        check_token(token)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self._url, headers=headers, timeout=timeout_s, transport=transport, follow_redirects=False
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, answer: type[T], query: Fields | None = None) -> T:
        return self._decode(self._send("GET", path, query=query), answer)

    def post(self, path: str, body: msgspec.Struct, answer: type[T], query: Fields | None = None) -> T:
        return self._decode(self._send("POST", path, body=body, query=query), answer)

    def put(self, path: str, body: msgspec.Struct, answer: type[T], query: Fields | None = None) -> T:
        return self._decode(self._send("PUT", path, body=body, query=query), answer)

    def upload(self, path: str, pieces: Iterable[bytes]) -> None:
        """Send a long body piece by piece."""
        self._send("PUT", path, pieces=pieces)

    def text(self, path: str) -> str:
        """A page of plain text."""
        return self._send("GET", path).text

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: msgspec.Struct | None = None,
        pieces: Iterable[bytes] | None = None,
        query: Fields | None = None,
    ) -> httpx.Response:
        content = pieces if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"content-type": "application/json"}
        given = {name: _field(value) for name, value in (query or {}).items() if value is not None}
        try:
            answer = self._http.request(method, path, content=content, headers=headers, params=given)
        except httpx.TimeoutException as error:
            raise StoreUnavailableError(
                f"{self._url} did not answer in time", hint="look whether the server is overloaded, then try again"
            ) from error
        except httpx.TransportError as error:
            raise StoreUnavailableError(
                f"{self._url} cannot be reached: {error}", hint="start it with `ebbgate serve`, or check the URL"
            ) from error
        if not answer.is_success:
            raise error_of(answer)
        return answer

    def _decode(self, answer: httpx.Response, wanted: type[T]) -> T:
        try:
            return decoder_of(wanted).decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RemoteError(
                f"the answer of {answer.request.url} cannot be read: {error}",
                hint="check that the URL is the control API's, and that client and server are of the same release",
            ) from error


_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_building = threading.Lock()


def decoder_of(wanted: type[T]) -> msgspec.json.Decoder[T]:
    """One for each type, built by one thread: msgspec 0.22 ends the process when several are the first to read one."""
    with _building:
        if wanted not in _decoders:
            _decoders[wanted] = msgspec.json.Decoder(wanted)
        return _decoders[wanted]


def check_url(url: str) -> str:
    """The URL without its last slash. Raises BadRequestError for one that is no address."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host or not is_word(url):
        raise BadRequestError(f"{url!r} is no URL of a server", hint="write it as http://127.0.0.1:8121")
    return url.rstrip("/")


def check_token(token: str) -> None:
    """Raises BadRequestError for what no header can carry; whether the server knows it is another question."""
    if token and not is_word(token):
        raise BadRequestError("the token has blanks or odd characters in it", hint="copy it again, without quotes")


def is_word(text: str) -> bool:
    """Whether a text is plain ASCII in one piece."""
    return text.isascii() and text.isprintable() and " " not in text


def error_of(answer: httpx.Response) -> EbbgateError:
    """The error that an answer tells, as the class that has its code."""
    try:
        problem = decoder_of(_Problem).decode(answer.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = _Problem()
    kind = _BY_CODE.get(problem.code) or _BY_STATUS.get(answer.status_code)
    if kind is None:
        kind = BadRequestError if 400 <= answer.status_code < 500 else RemoteError
    message = problem.detail or problem.title or f"{answer.request.url} answered {_phrase(answer.status_code)}"
    hint = problem.hint or "check that the URL is the control API's"
    return kind(message, hint=hint, path=problem.path)


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _field(value: str | int | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _all_kinds(kind: type[EbbgateError]) -> Iterator[type[EbbgateError]]:
    yield kind
    for derived in kind.__subclasses__():
        yield from _all_kinds(derived)


_BY_CODE = {kind.code: kind for kind in _all_kinds(EbbgateError) if kind.__module__ == EbbgateError.__module__}
