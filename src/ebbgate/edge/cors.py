"""Cross-origin requests of browsers: answered for the origins that were allowed, on the paths that a page needs."""

from http import HTTPStatus

from ebbgate.edge.http import Answer, Header, Scope, Send, header

_OFREP = "/ofrep/v1/"
_INTAKE = ("/v1/events", "/v1/logs", "/v1/traces")
_METHODS = b"GET, POST"
_REQUEST_HEADERS = (
    b"authorization, x-api-key, content-type, content-encoding, if-none-match, cache-control, last-event-id, "
    b"flagd-selector, traceparent, tracestate, baggage"
)
_ANSWER_HEADERS = b"etag, retry-after"
_PREFLIGHT_KEPT_S = b"7200"  # the longest that Chromium keeps one


class Cors:
    """Allows origins. Such a request must carry a client token: whatever a page holds, its visitors can read."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        """origins: `https://shop.example`, or `*` for all."""
        self._is_any = "*" in origins
        self._origins = {origin.rstrip("/").encode() for origin in origins}

    def origin(self, scope: Scope) -> bytes | None:
        """The request's origin if its answer may be read there; None for what is no such request."""
        origin = header(scope, b"origin")
        if origin is None or not (self._is_any or origin in self._origins):
            return None
        path: str = scope["path"]
        return origin if path.startswith(_OFREP) or path in _INTAKE else None

    def preflight(self, scope: Scope, origin: bytes) -> Answer | None:
        """The answer to a question whether a request may be sent; None if it is the request itself."""
        if scope["method"] != "OPTIONS" or header(scope, b"access-control-request-method") is None:
            return None
        allowed = [
            *_allowed(origin),
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _PREFLIGHT_KEPT_S),
        ]
        return Answer(HTTPStatus.NO_CONTENT, headers=allowed)

    def allowing(self, send: Send, origin: bytes) -> Send:
        """Sends answers that the origin may read. Messages are shared between requests, so none is changed."""

        async def send_allowed(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                assert isinstance(headers, list)
                message = {**message, "headers": [*headers, *_allowed(origin)]}
            await send(message)

        return send_allowed  # type: ignore[return-value]


def _allowed(origin: bytes) -> list[Header]:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", _ANSWER_HEADERS),
        (b"vary", b"origin"),
    ]
