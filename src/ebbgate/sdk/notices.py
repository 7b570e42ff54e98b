"""What the client tells its host: ready, stale, changed, error."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Literal

import msgspec

NoticeKind = Literal["ready", "stale", "changed", "error"]
_WAITING_MAX = 1_000


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
    """Handlers, and the notices that wait for them. Handlers run on the delivery thread; what they raise is counted."""

    def __init__(self) -> None:
        self.handler_errors = 0
        self.errors = 0
        self.last_error: str | None = None
        self._handlers: dict[NoticeKind, tuple[Handler, ...]] = {}
        self._waiting: deque[Notice] = deque(maxlen=_WAITING_MAX)
        self._lock = threading.Lock()

    def on(self, kind: NoticeKind, handler: Handler) -> None:
        with self._lock:
            self._handlers[kind] = (*self._handlers.get(kind, ()), handler)

    def post(self, notice: Notice) -> None:
        """Queue a notice. The same error again is counted, but told once."""
        if notice.kind == "error":
            self.errors += 1
            if notice.message == self.last_error:
                return
            self.last_error = notice.message
        self._waiting.append(notice)

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
