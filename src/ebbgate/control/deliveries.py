"""Delivers what is queued for people: channels side by side, each with a thread and one message in its hands.

A channel that hangs to its time limit, time after time, delays no page to another one; within a channel the order
holds.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import msgspec
import structlog

from ebbgate.core.alerts import GIVE_UP_AFTER, Message, retry_after, wants
from ebbgate.core.errors import EbbgateError, StoreUnavailableError
from ebbgate.ports.channel import Channel
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.delivery_store import DeliveryRow

IDLE = timedelta(seconds=1)
"""Machine time between passes while nothing is due."""

SHOUTS_MAX = 100
"""Messages of one channel held in memory; older ones give way."""

ORPHANS_EVERY = timedelta(seconds=5)
"""Machine time between looks for messages to channels that are no longer configured."""

_ORPHANS_MAX = 1_000
_replace = msgspec.structs.replace
log = structlog.get_logger("ebbgate.notifications")


class DeliveryWorker:
    """Sends at least once. Everything that was tried is in its row: how often, when again, what was wrong."""

    def __init__(self, store: ControlStore, clock: Clock, channels: Mapping[str, Channel]) -> None:
        """channels: by name."""
        self._store = store
        self._clock = clock
        self._channels = channels
        self._shouts: dict[str, deque[Message]] = {name: deque(maxlen=SHOUTS_MAX) for name in channels}
        self._wakes = {name: threading.Event() for name in channels}
        self._stop = threading.Event()

    def run(self) -> None:
        """Deliver until `stop`. Nothing else ends it, and it waits for no channel that hangs."""
        for name in self._channels:
            threading.Thread(target=self._serve, args=(name,), name=f"deliver-{name}", daemon=True).start()
        while not self._stop.is_set():
            self._guarded(self._retry_orphans)
            self._stop.wait(ORPHANS_EVERY.total_seconds())

    def stop(self) -> None:
        """What is being sent is sent again after the next start, if it is cut off."""
        self._stop.set()
        self.wake()

    def wake(self) -> None:
        """Something was queued."""
        for event in self._wakes.values():
            event.set()

    def shout(self, message: Message) -> None:
        """Hold it for every channel that wants it, without the store."""
        for name, channel in self._channels.items():
            if wants(channel.rule, message):
                self._shouts[name].append(message)
        self.wake()

    def send_shouts(self) -> int:
        """Send what was shouted, here and now; returns how many messages were taken."""
        return sum(self._send_shouts(name) for name in self._channels)

    def deliver(self) -> int:
        """Try everything that is due once, here and now; returns how many messages were taken."""
        self._retry_orphans()
        return sum(self._deliver(name) for name in self._channels)

    def attempt(self, row: DeliveryRow, *, is_last: bool = False) -> bool:
        """Send it and keep what came of it. is_last: it is not tried again."""
        channel = self._channels.get(row.channel)
        now = self._clock.machine_now()
        row = _replace(row, attempts=row.attempts + 1)
        try:
            if channel is None:
                raise StoreUnavailableError(f"channel {row.channel!r} is no longer configured", hint="add it again")
            _send(channel, row.message)
        except StoreUnavailableError as error:
            is_over = is_last or now - row.at >= GIVE_UP_AFTER
            row = _replace(
                row,
                error=error.message,
                next_at=now + retry_after(row.attempts),
                gave_up_at=now if is_over else None,
            )
            log.warning("notification_failed", channel=row.channel, title=row.message.title, error=error.message)
        else:
            row = _replace(row, delivered_at=self._clock.machine_now(), error="")
        with self._store.transaction() as tx:
            tx.put_delivery(row)
        return row.delivered_at is not None

    def attempt_once(self, rows: Sequence[DeliveryRow]) -> None:
        """Each for the only time, side by side; returns when the slowest is through. Raises StoreUnavailableError."""
        errors: list[Exception] = []

        def attempt(row: DeliveryRow) -> None:
            try:
                self.attempt(row, is_last=True)
            except Exception as error:  # told by the thread that asked
                errors.append(error)

        threads = [threading.Thread(target=attempt, args=(row,), daemon=True) for row in rows]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def _serve(self, name: str) -> None:
        """One channel's thread: what was shouted first, as it is a page that the store may know nothing of."""
        while not self._stop.is_set():
            sent = self._guarded(lambda: self._send_shouts(name) + self._deliver(name))
            if not sent:
                self._wakes[name].wait(IDLE.total_seconds())
                self._wakes[name].clear()

    def _guarded(self, work: Callable[[], int]) -> int:
        try:
            return work()
        except EbbgateError as error:
            log.error("deliveries_failed", code=error.code, error=error.message)
        except Exception:  # a defect must not silence a channel for good
            log.exception("deliveries_broke")
        return 0

    def _send_shouts(self, name: str) -> int:
        taken, waiting = 0, self._shouts[name]
        while waiting:
            try:
                _send(self._channels[name], waiting.popleft())
                taken += 1
            except StoreUnavailableError as error:
                log.error("shout_failed", channel=name, error=error.message)
        return taken

    def _deliver(self, name: str) -> int:
        with self._store.transaction() as tx:
            due = tx.due_deliveries(self._clock.machine_now(), channel=name)
        return sum(self.attempt(row) for row in due if not self._stop.is_set())

    def _retry_orphans(self) -> int:
        """Rows of channels that are no longer configured: they are kept for a day, should one be added again."""
        with self._store.transaction() as tx:
            due = tx.due_deliveries(self._clock.machine_now(), limit=_ORPHANS_MAX)
        return sum(self.attempt(row) for row in due if row.channel not in self._channels)


def _send(channel: Channel, message: Message) -> None:
    """Raises StoreUnavailableError, also where the channel breaks: what waits behind it is sent all the same."""
    try:
        channel.send(message)
    except EbbgateError:
        raise
    except Exception as error:
        log.exception("channel_broke", channel=channel.rule.name)
        why = f"it broke: {type(error).__name__}"  # its words may hold the URL, with its secrets
        raise StoreUnavailableError(why, hint="see the log of control") from error
