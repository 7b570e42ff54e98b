"""What an application answers: is it healthy, and which digest does it tell?"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Event, Timer
from typing import Any

import httpx
import msgspec

_BODY_MAX = 1 << 20
LATE = "no answer in time"
DIGEST_HEADER = "ebbgate-digest"
_KEYS = ("digest", "artifact_digest")


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. status 0: none came, and `text` says why. digest: as told, or None."""

    status: int
    text: str
    digest: str | None = None

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


def ask(url: str, *, timeout: timedelta) -> Reply:
    """One GET on a connection of its own: one that is kept open would go on to the old process. timeout: of the
    connection, of its head, and of all of its body together.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    headers = {"connection": "close", "cache-control": "no-cache"}
    try:
        with (
            httpx.Client(timeout=timeout.total_seconds(), limits=limits, trust_env=False, headers=headers) as client,
            client.stream("GET", url) as answer,
            _ended_after(timeout, answer) as is_late,
        ):
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _BODY_MAX:
                    break
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Reply(status=0, text=f"{url}: {_reason(error)}")
    if is_late.is_set():
        return Reply(status=0, text=f"{url}: {LATE}")
    told = answer.headers.get(DIGEST_HEADER) or digest_in(body)
    return Reply(status=answer.status_code, text=f"{url}: {answer.status_code}", digest=told)


@contextmanager
def _ended_after(timeout: timedelta, answer: httpx.Response) -> Iterator[Event]:
    """The client's own limit is of each piece: a body that comes byte by byte would never end. Set once it was cut."""
    is_late = Event()
    connection: socket.socket = answer.extensions["network_stream"].get_extra_info("socket")

    def cut() -> None:
        is_late.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # whoever reads from it sees its end

    timer = Timer(timeout.total_seconds(), cut)
    timer.daemon = True
    timer.start()
    try:
        yield is_late
    except httpx.HTTPError:
        if not is_late.is_set():
            raise
    finally:
        timer.cancel()


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return LATE
    return str(error) or type(error).__name__


def digest_in(body: bytes) -> str | None:
    """`{"digest": "sha256:..."}`, or the same one level down; or the text alone."""
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode("ascii", "replace").strip() if len(body) < 200 else None
    if not isinstance(found, dict):
        return found if isinstance(found, str) else None
    for level in (found, *(value for value in found.values() if isinstance(value, dict))):
        for key in _KEYS:
            if isinstance(level.get(key), str):
                return str(level[key])
    return None


def is_same(told: str | None, expected: str) -> bool:
    """Whether what was told is the digest, with or without `sha256:` in front."""
    return told is not None and told.strip().lower().removeprefix("sha256:") == expected.removeprefix("sha256:")
