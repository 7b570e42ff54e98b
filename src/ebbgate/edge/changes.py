"""Wakes whoever waits for the edge to serve something else, or to know other tokens."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Changes:
    """Waiters are told, never waited for. A waiter that is slow misses nothing: it looks at what is served then."""

    def __init__(self) -> None:
        self._events: set[asyncio.Event] = set()

    @contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """An event that is set at each change from here on; the waiter clears it."""
        event = asyncio.Event()
        self._events.add(event)
        try:
            yield event
        finally:
            self._events.discard(event)

    def notify(self) -> None:
        """Something changed."""
        for event in self._events:
            event.set()
