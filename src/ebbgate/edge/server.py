"""The HTTP server under the edge: uvicorn with httptools and uvloop."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ebbgate.edge.assembly import Edge
from ebbgate.edge.settings import EdgeSettings

BACKLOG = 4096  # as many streams come back at once when the edge starts anew
_KEEP_ALIVE_S = 75  # longer than the pause between two batches of an SDK


class Companion(Protocol):
    """A server of another protocol over the same edge."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class EdgeProtocol(HttpToolsProtocol):
    """Lets a stream's handler reach its transport: ASGI has no word for aborting, nor for writing without a task."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {"transport": transport}


class EdgeServer(uvicorn.Server):
    """Ends the streams as soon as it is told to stop, and leaves with exit status 0."""

    def __init__(self, settings: EdgeSettings, edge: Edge, beside: Companion | None = None) -> None:
        """beside: starts before this serves, and stops with it."""
        config = uvicorn.Config(
            edge.app,
            http=EdgeProtocol,
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.stop_within_s,
        )
        super().__init__(config)
        self._edge = edge
        self._beside = beside

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Begin to stop; asked twice, stop without waiting."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
        self._edge.hub.close()

    async def serve_edge(self, listener: socket.socket) -> None:
        """Serve until told to stop; then write what waits."""
        await self._edge.background.start()
        gc.collect()
        gc.freeze()  # what is there now stays: the collector need not look at it at every round
        try:
            if self._beside is not None:
                await self._beside.start()
            await self.serve(sockets=[listener])
        finally:
            if self._beside is not None:
                await self._beside.stop()
            await self._edge.background.stop()
