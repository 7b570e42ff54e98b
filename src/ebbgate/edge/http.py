"""The little HTTP that the edge needs over ASGI: answers made ahead, bodies with a limit, errors as problem+json."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ebbgate.core.errors import EbbgateError, LimitError, RateLimitedError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON = b"application/json"
PROBLEM = b"application/problem+json"
TEXT = b"text/plain; charset=utf-8"


class TooLargeError(LimitError):
    """A body is larger than is taken; sending it again will not help."""

    code = "too_large"
    status = 413


class NotReadyError(EbbgateError):
    """What the request needs has not been read yet, or cannot be written now. Worth trying again."""

    code = "not_ready"
    status = 503


class MethodNotAllowedError(EbbgateError):
    """The path exists, for other methods."""

    code = "method_not_allowed"
    status = 405


class ClientGone(Exception):
    """The client went away before its request was whole; nobody is left to answer."""


class Answer:
    """A whole answer as two ASGI messages. Never changed once made, so that one can be given many times."""

    __slots__ = ("body", "raw", "start")

    def __init__(
        self, status: int, body: bytes = b"", *, content_type: bytes = JSON, headers: Iterable[Header] = ()
    ) -> None:
        fields = [*headers]
        if status != HTTPStatus.NOT_MODIFIED:
            fields += [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        self.start = {"type": "http.response.start", "status": int(status), "headers": fields}
        self.body = {"type": "http.response.body", "body": body}
        self.raw = msgspec.Raw(body)  # as a part of a larger JSON answer


async def give(send: Send, answer: Answer) -> None:
    """Send a whole answer."""
    await send(answer.start)
    await send(answer.body)


def problem(error: EbbgateError) -> Answer:
    """The error as problem+json (RFC 9457), with its stable code and its hint."""
    status = error.status
    headers: list[Header] = []
    if isinstance(error, RateLimitedError):
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"1"))
    elif status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b'Bearer realm="ebbgate"'))
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": error.message,
        "hint": error.hint,
    }
    return Answer(status, msgspec.json.encode(body), content_type=PROBLEM, headers=headers)


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLargeError as soon as it is known to be over `limit` bytes, ClientGone."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False) and len(body) <= limit:
        return body
    declared = header(scope, b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    parts, size = [body], len(body)
    while size <= limit:
        if message["type"] != "http.request":
            raise ClientGone
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    raise _too_large(limit)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def query(scope: Scope) -> dict[str, str]:
    """The query's fields; the last one wins where one is repeated."""
    text: bytes = scope["query_string"]
    return dict(parse_qsl(text.decode("latin-1"), keep_blank_values=True)) if text else {}


def is_match(scope: Scope, etag: bytes) -> bool:
    """Whether If-None-Match names the tag, compared weakly (RFC 9110, 13.1.2)."""
    wanted = header(scope, b"if-none-match")
    if wanted is None:
        return False
    return any(tag.strip().removeprefix(b"W/") in (etag, b"*") for tag in wanted.split(b","))


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit} bytes", hint="Send smaller requests.")
