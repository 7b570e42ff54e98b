"""Forks and exits: a child gets threads, locks and an id of its own, and an exit sends what is queued."""

import atexit
import os
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet, finalize

from ebbgate.sdk.transport import import_lock

if TYPE_CHECKING:
    from ebbgate.sdk.delivery import Delivery
    from ebbgate.sdk.source import SnapshotSource

EXIT_TIMEOUT_S = 2.0


class Living(Protocol):
    """A client, as the process sees it."""

    def close(self, timeout: float = ...) -> None: ...

    def restart_in_child(self) -> None: ...


_living: WeakSet[Living] = WeakSet()
_hooks_installed = False


def adopt(client: Living) -> None:
    """From now on the client follows forks and the exit of the process, until it is closed."""
    global _hooks_installed
    _living.add(client)
    if not _hooks_installed:
        _hooks_installed = True
        atexit.register(_close_all)
        if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
            os.register_at_fork(
                before=import_lock.acquire, after_in_parent=import_lock.release, after_in_child=_restart_all
            )


def release(client: Living) -> None:
    """It is closed."""
    _living.discard(client)


def end_when_dropped(client: Living, source: "SnapshotSource | None", delivery: "Delivery") -> "finalize[..., Any]":
    """The threads do not hold their client: one that is dropped without `close` ends them, and sends what is queued."""
    end = finalize(client, _end, source, delivery)
    end.atexit = False  # `_close_all` sees to exits
    return end


def _end(source: "SnapshotSource | None", delivery: "Delivery") -> None:
    if source is not None:
        source.stop()
    delivery.stop(EXIT_TIMEOUT_S)


def _close_all() -> None:
    for client in list(_living):
        client.close(EXIT_TIMEOUT_S)


def _restart_all() -> None:
    import_lock.release()
    for client in list(_living):
        client.restart_in_child()
