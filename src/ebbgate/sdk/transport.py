"""HTTP to the edge, by the standard library. It is imported late, because it brings `ssl`, `email` and `socket`."""

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ebbgate.core.errors import BadRequestError
from ebbgate.sdk.timing import Timing

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPConnection, HTTPResponse
    from socket import socket

READ_BYTES = 65_536
SNAPSHOT_MAX_BYTES = 64 * 1024 * 1024
_TOKEN_SIGN = "ebb_"
_TOLD_MAX = 300  # characters of a refusal that are passed on

# A fork in the middle of an import would leave the child a module lock that nobody opens; `lifecycle` takes this lock
# around every fork.
import_lock = threading.Lock()


class UnreachableError(Exception):
    """The server cannot be reached, or went away, or took too long."""


class RefusedError(Exception):
    """The server answered, but not with what was asked for."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"the server answered {status}: {detail}")
        self.status = status


class Answer(NamedTuple):
    status: int
    body: bytes
    etag: str | None
    retry_after: str | None

    @property
    def detail(self) -> str:
        """What the body says, for people."""
        return explained(self.body)


class _Problem(msgspec.Struct):
    detail: str
    hint: str = ""


_decode_problem = msgspec.json.Decoder(_Problem).decode  # built once: see core/flags/document


def explained(body: bytes) -> str:
    """The detail and the hint of the server's own problem+json; of anything else, the beginning."""
    try:
        problem = _decode_problem(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body[:_TOLD_MAX].decode("utf-8", "replace")
    return (f"{problem.detail} ({problem.hint})" if problem.hint else problem.detail)[:_TOLD_MAX]


class Transport:
    """Talks to one edge with one token. Each method is for one thread: streams and snapshots, or events.

    ssl_context: for https; by default the system's certificates. Every method raises UnreachableError.
    """

    def __init__(self, url: str, token: str, timing: Timing, ssl_context: "ssl.SSLContext | None" = None) -> None:
        scheme, separator, rest = url.strip().partition("://")
        self._host, slash, path = rest.partition("/")
        if not separator or scheme not in {"http", "https"} or not _is_host(self._host):
            told = "the url" if _TOKEN_SIGN in url else repr(url)  # url and token may have been exchanged
            raise BadRequestError(
                f"{told} is no address of an ebbgate edge", hint="Give one like http://127.0.0.1:8120."
            )
        if not all("!" <= char <= "~" for char in token):  # the standard library would tell it in its error
            raise BadRequestError("the token holds characters that no token has", hint="Copy it again.")
        self._is_tls = scheme == "https"
        self._base = (slash + path).rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "User-Agent": "ebbgate-python"}
        self._timing = timing
        self._ssl_context = ssl_context
        self._posting: HTTPConnection | None = None

    def open_stream(self, *, environment: str, evaluator: str, name: str) -> "Stream":
        """Begin to follow snapshots. Raises RefusedError, too."""
        path = self._path("/v1/stream", environment=environment, evaluator=evaluator, name=name)
        connection = self._connection()
        stream = None
        try:
            with _NetworkErrors():
                connection.connect()
                sock = connection.sock
                sock.settimeout(self._timing.read_timeout_s)
                connection.request("GET", path, headers={**self._headers, "Accept": "text/event-stream"})
                response = connection.getresponse()
                stream = Stream(connection, sock, response)
                if response.status != 200 or not _is(response, "text/event-stream"):
                    raise RefusedError(response.status, explained(response.read(4_096)))
            return stream
        except BaseException:
            connection.close() if stream is None else stream.close()
            raise

    def get_snapshot(self, *, environment: str, etag: str | None) -> Answer:
        """The current snapshot: 200 with a body, or 304 where `etag` is still current."""
        headers = {**self._headers, "Connection": "close"} | ({"If-None-Match": etag} if etag else {})
        connection = self._connection()
        try:
            return self._exchange(connection, "GET", self._path("/v1/snapshot", environment=environment), None, headers)
        finally:
            connection.close()

    def post_events(self, body: bytes, *, timeout_s: float) -> Answer:
        """Send entries; 200 says that the server has them on disk (RULES C4)."""
        headers = {**self._headers, "Content-Type": "application/json"}
        is_fresh = self._posting is None
        if self._posting is None:
            self._posting = self._connection()
        try:
            return self._exchange(self._posting, "POST", self._path("/v1/events"), body, headers, timeout_s)
        except UnreachableError as error:
            self.close()
            if is_fresh or isinstance(error.__cause__, TimeoutError):
                raise
        # A kept connection may have been closed by the server while idle. Ids make a second sending harmless.
        return self.post_events(body, timeout_s=timeout_s)

    def close(self) -> None:
        """Close the kept connection."""
        if self._posting is not None:
            self._posting.close()
            self._posting = None

    def abandon(self) -> None:
        """In a forked child: the kept connection is the parent's."""
        if self._posting is not None:
            _abandon(self._posting.sock)
            self._posting = None

    def _exchange(
        self,
        connection: "HTTPConnection",
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        timeout_s: float | None = None,
    ) -> Answer:
        with _NetworkErrors():
            timeout_s = timeout_s or self._timing.request_timeout_s
            if connection.sock is None:
                connection.timeout = min(self._timing.connect_timeout_s, timeout_s)
                connection.connect()
            connection.sock.settimeout(timeout_s)
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            data = response.read(SNAPSHOT_MAX_BYTES + 1)
            if len(data) > SNAPSHOT_MAX_BYTES:
                connection.close()
                raise RefusedError(response.status, f"more than {SNAPSHOT_MAX_BYTES} bytes")
            # A gateway's sign-in page is an answer, too, and proves nothing about the server.
            if response.status == 200 and not _is(response, "application/json"):
                raise RefusedError(200, "the answer is not JSON")
            return Answer(response.status, data, response.getheader("ETag"), response.getheader("Retry-After"))

    def _connection(self) -> "HTTPConnection":
        with import_lock:
            from http.client import HTTPConnection, HTTPSConnection
        timeout_s = self._timing.connect_timeout_s
        if self._is_tls:
            return HTTPSConnection(self._host, timeout=timeout_s, context=self._ssl_context)
        return HTTPConnection(self._host, timeout=timeout_s)

    def _path(self, path: str, **query: str) -> str:
        with import_lock:
            from urllib.parse import urlencode
        return f"{self._base}{path}?{urlencode(query)}" if query else self._base + path


class Stream:
    """An open stream of bytes. `close` may be called by another thread, and ends a read."""

    def __init__(self, connection: "HTTPConnection", sock: "socket", response: "HTTPResponse") -> None:
        self._connection = connection
        self._sock = sock
        self._response = response

    def read(self) -> bytes:
        """What has come, at least a byte; empty at the end."""
        with _NetworkErrors():
            return self._response.read1(READ_BYTES)

    def interrupt(self) -> None:
        """End a read that another thread is waiting in."""
        with suppress(OSError):  # it may be closed already
            self._sock.shutdown(2)  # both ways

    def abandon(self) -> None:
        """In a forked child: the connection is the parent's."""
        _abandon(self._sock)

    def close(self) -> None:
        self._response.close()
        self._connection.close()
        self._sock.close()


def _is_host(text: str) -> bool:
    """Whether it is a host, with or without a port."""
    after_bracket = text.rpartition("]")[2]  # an IPv6 address has colons of its own
    host, colon, port = after_bracket.partition(":") if "]" in text else text.partition(":")
    if not (host or "]" in text) or not all("!" <= char <= "~" for char in text):
        return False
    return not colon or (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536)


def _is(response: "HTTPResponse", content_type: str) -> bool:
    return (response.getheader("Content-Type") or "").partition(";")[0].strip().lower() == content_type


def _abandon(sock: "socket | None") -> None:
    """Close the descriptor alone: while a child holds it, the server cannot see that the parent has died.

    Everything above it may hold locks of a thread that does not exist in the child.
    """
    if sock is not None and (descriptor := sock.detach()) >= 0:
        os.close(descriptor)


class _NetworkErrors:
    """Turns what the standard library raises on a bad network into UnreachableError."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None:
            return
        from http.client import HTTPException

        # ValueError and AttributeError: a read on what `interrupt` or `close` has taken away.
        if isinstance(error, OSError | HTTPException | ValueError | AttributeError):
            raise UnreachableError(f"{type(error).__name__}: {error}") from error
