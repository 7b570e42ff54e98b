"""Cross-origin requests of browsers to /opt/{key}, the one route of the control API that a page may call."""

from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

BROWSER = "ebbgate.browser"  # in a request's scope: it comes from a page of another origin

_PATH = "/api/v1/opt/"
_REQUEST_HEADERS = b"authorization, x-api-key, content-type, traceparent, tracestate, baggage"
_PREFLIGHT_KEPT_S = b"7200"  # the longest that Chromium keeps one


class OptCors:
    """Around the API: allows origins on that path. Such a request must carry a client token, as at the edge."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        """origins: `https://shop.example`, or `*` for all."""
        self._app = app
        self._is_any = "*" in origins
        self._origins = {origin.rstrip("/").encode() for origin in origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: Any = scope  # its type does not tell a request from a socket
        if request["type"] != "http" or not request["path"].startswith(_PATH):
            await self._app(scope, receive, send)
            return
        headers = dict(request["headers"])
        origin = headers.get(b"origin")
        if origin is None or not (self._is_any or origin in self._origins):
            await self._app(scope, receive, send)
            return
        allowed = [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", b"retry-after"),
            (b"vary", b"origin"),
        ]
        if request["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            asked = [
                (b"access-control-allow-methods", b"POST"),
                (b"access-control-allow-headers", _REQUEST_HEADERS),
                (b"access-control-max-age", _PREFLIGHT_KEPT_S),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": [*allowed, *asked]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowed]
            await send(message)

        request[BROWSER] = True
        await self._app(scope, receive, send_allowed)
