"""Errors as problem+json (RFC 9457), each with a stable code and a hint."""

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from ebbgate.core.errors import EbbgateError, RateLimitedError

PROBLEM = "application/problem+json"
log = structlog.get_logger("ebbgate.api")

_CODES = {401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_HINTS = {
    400: "send what /api/v1/openapi.json describes for this path",
    404: "the paths are listed in /api/v1/openapi.json",
    405: "the methods of each path are listed in /api/v1/openapi.json",
    413: "send a smaller body",
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every answer that is not 2xx. path: the place in the document sent, such as `$.phases[1].to`."""

    type: str = msgspec.field(default_factory=lambda: "about:blank")  # a factory: written, though it is the default
    title: str
    status: int
    code: str
    detail: str
    hint: str
    path: str | None = None


def on_known_error(_: Request[Any, Any, Any], error: EbbgateError) -> Response[bytes]:
    """An error raised on purpose."""
    retry_after_s = error.retry_after_s if isinstance(error, RateLimitedError) else None
    return problem(
        error.status, error.code, error.message, hint=error.hint, path=error.path, retry_after_s=retry_after_s
    )


def on_http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What the framework refused: an unknown route or method, a body or parameter that cannot be read."""
    status = error.status_code
    if status >= 500:
        return on_unknown_error(_, error)
    detail, path = error.detail, None
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        detail, path = _refused(error.extra[0])
    elif status == HTTPStatus.NOT_FOUND:
        detail = "there is nothing at this address"
    code = _CODES.get(status, "bad_request")
    return problem(status, code, detail, hint=_HINTS.get(status, _HINTS[400]), path=path)


def on_deep_body(_: Request[Any, Any, Any], __: RecursionError) -> Response[bytes]:
    """Only a body can nest without end; what handlers do is flat."""
    return problem(400, "bad_request", "the body nests too deeply", hint="flatten it", path="$")


def on_unknown_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A mistake of ours: logged with its trace, and told without it."""
    log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return problem(500, "internal_error", "the server made a mistake", hint="the server's log has the details")


def problem(
    status: int, code: str, detail: str, *, hint: str, path: str | None = None, retry_after_s: int | None = None
) -> Response[bytes]:
    """One problem as an answer. retry_after_s: when to try again; None leaves it open, but for 503."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=detail, hint=hint, path=path)
    headers: dict[str, str] = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = 'Bearer realm="ebbgate"'
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "1"
    elif retry_after_s is not None:
        headers["retry-after"] = str(retry_after_s)
    return Response(msgspec.json.encode(body), status_code=status, media_type=PROBLEM, headers=headers)


def _refused(first: Any) -> tuple[str, str | None]:
    """The first thing that was wrong with a body or a parameter, and where."""
    key = str(first.get("key", ""))
    message = str(first.get("message", "cannot be read"))
    if message.startswith("Expected `str` matching regex") and message.endswith("S'"):  # something but blanks
        message = "Expected `str` that is not empty"
    if first.get("source") != "body":
        return (f"{key}: {message}" if key else message), None
    if key in ("", "data"):
        return ("the request has no body" if message == "'data'" else message), "$"
    return message, f"$.{key}"
