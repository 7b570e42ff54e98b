"""Datagrams on a unix socket: control says that it has written, the edge looks. A lost one costs at most a second."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

from ebbgate.ports.clock import Clock

Notice = Literal[b"snapshot", b"access"]

_LOOK_EVERY = timedelta(seconds=1)  # machine time, RULES A1
_PATH_BYTES_MAX = 100  # the kernel takes 107; beyond it, the directory is named by a descriptor


class NoticeSender:
    """Control's end. Nobody listening is no error: the edge reads everything when it starts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, notice: Notice) -> None:
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
            _short_address(self._path) as address,
        ):
            sender.setblocking(False)
            sender.sendto(notice, address)


class NoticeSocket:
    """The edge's end. Where no socket can be bound, looking every second remains."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._woken = asyncio.Event()
        self._socket = _bound(path)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def wait(self) -> None:
        """Return on a datagram, or after a second. Several datagrams wake once."""
        if self._loop is None and self._socket is not None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._socket.fileno(), self._drain)
        woken = asyncio.create_task(self._woken.wait())
        asleep = asyncio.create_task(self._clock.sleep_async(_LOOK_EVERY))
        try:
            await asyncio.wait({woken, asleep}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            asleep.cancel()
        self._woken.clear()

    def close(self) -> None:
        if self._socket is None:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self._path.unlink(missing_ok=True)
        self._socket = None

    def _drain(self) -> None:
        assert self._socket is not None
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(64):
                pass
        self._woken.set()


def _bound(path: Path) -> socket.socket | None:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        path.unlink(missing_ok=True)  # left by an edge that was killed
        with _short_address(path) as address:
            receiver.bind(address)
    except OSError:
        receiver.close()
        return None
    receiver.setblocking(False)
    return receiver


@contextlib.contextmanager
def _short_address(path: Path) -> Iterator[str]:
    """The socket's address; by way of the directory's descriptor where the path is longer than the kernel takes."""
    if len(os.fsencode(path)) <= _PATH_BYTES_MAX:
        yield str(path)
        return
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)
