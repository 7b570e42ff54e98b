"""What the client tells its host: ready, stale, changed, error; to handlers, and to the logger `ebbgate`."""

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import msgspec

from ebbgate.sdk.transport import import_lock

NoticeKind = Literal["ready", "stale", "changed", "error"]
_WAITING_MAX = 1_000
_LOGGED_MAX = 100  # different errors between two moments when all was well: what comes then is noise
_INFO, _WARNING = 20, 30  # logging's levels, which is imported when there is something to say


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """kind: ready (a snapshot is in force, and the server is heard), stale (the server is lost; the last good snapshot
    serves), changed (another snapshot or another kill list), error (something is wrong that a person should know).
    """

    kind: NoticeKind
    message: str
    snapshot_version: int | None = None
    flags_changed: tuple[str, ...] = ()


Handler = Callable[[Notice], object]


class Notices:
    """Handlers, and the notices that wait for them. Handlers run on the delivery thread; what they raise is counted.

    Errors go to the host's log as warnings, each once until all is well again: a client that was set up wrongly answers
    with code defaults, which nobody would notice. Outages are no mistakes of the host's, and stay below that level.
    """

    def __init__(self) -> None:
        self.handler_errors = 0
        self.errors = 0
        self.last_error: str | None = None
        self._handlers: dict[NoticeKind, tuple[Handler, ...]] = {}
        self._waiting: deque[Notice] = deque(maxlen=_WAITING_MAX)
        self._logged: set[str] = set()
        self._lock = threading.Lock()

    def on(self, kind: NoticeKind, handler: Handler) -> None:
        with self._lock:
            self._handlers[kind] = (*self._handlers.get(kind, ()), handler)

    def post(self, notice: Notice) -> None:
        """Queue a notice. The same error again is counted, but told once."""
        self._log(notice)
        if notice.kind == "error":
            self.errors += 1
            if notice.message == self.last_error:
                return
            self.last_error = notice.message
        self._waiting.append(notice)

    def _log(self, notice: Notice) -> None:
        if notice.kind == "ready":
            self._logged.clear()
        elif notice.kind != "changed" and notice.message not in self._logged and len(self._logged) < _LOGGED_MAX:
            self._logged.add(notice.message)
            _write(_WARNING if notice.kind == "error" else _INFO, notice.message)

    def dispatch(self) -> None:
        """Run the handlers of all waiting notices."""
        while self._waiting:
            notice = self._waiting.popleft()
            for handler in self._handlers.get(notice.kind, ()):
                try:
                    handler(notice)
                except Exception:
                    self.handler_errors += 1

    def renew_lock(self) -> None:
        """In a forked child: another thread of the parent may have held it."""
        self._lock = threading.Lock()
        self._waiting.clear()


def _write(level: int, message: str) -> None:
    """To the host's log, which must not be able to hurt the client. Without any set-up, warnings go to stderr."""
    with suppress(Exception):
        with import_lock:
            import logging
        logging.getLogger("ebbgate").log(level, "%s", message)
