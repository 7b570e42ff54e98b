"""Messages to people: queued in the outbox's transaction, sent by a thread that may wait for slow services."""

import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import structlog

from ebbgate.control.audit import Actor, record
from ebbgate.core.alerts import (
    GIVE_UP_AFTER,
    QUIET,
    ChannelView,
    DeliveryView,
    Message,
    Severity,
    Topic,
    message_of,
    retry_after,
    wants,
)
from ebbgate.core.errors import EbbgateError, NotFoundError, StoreUnavailableError
from ebbgate.ports.channel import Channel
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, OutboxRow
from ebbgate.ports.delivery_store import DeliveryRow

IDLE = timedelta(seconds=1)
"""Machine time between passes while nothing is due."""

SHOUTS_MAX = 100
"""Messages held in memory; older ones give way."""

log = structlog.get_logger("ebbgate.notifications")
_replace = msgspec.structs.replace


class NotificationService:
    """Queues messages (in the outbox's transaction) and delivers them, at least once, each channel by itself."""

    def __init__(self, store: ControlStore, clock: Clock, channels: Sequence[Channel]) -> None:
        self._store = store
        self._clock = clock
        self._channels = {channel.rule.name: channel for channel in channels}
        self._shouts: deque[Message] = deque(maxlen=SHOUTS_MAX)
        self._shouted: dict[str, datetime] = {}
        self._stop = threading.Event()
        self._wake = threading.Event()

    def shout(self, title: str, words: str, *, group: str) -> None:
        """A page that needs no store, as the store is what fails: held in memory until the thread sends it, tried once,
        and at most once an hour for each group.
        """
        now = self._clock.machine_now()
        if (last := self._shouted.get(group)) is not None and now - last < QUIET:
            return
        self._shouted[group] = now
        message = Message(topic=Topic.PAGE, severity=Severity.CRITICAL, title=title, words=words)
        log.critical("shouted", title=title, words=words)
        self._shouts.append(message)
        self._wake.set()

    def send_shouts(self) -> int:
        """Send what was shouted; returns how many channels took something."""
        taken = 0
        while self._shouts:
            message = self._shouts.popleft()
            for channel in self._channels.values():
                if not wants(channel.rule, message):
                    continue
                try:
                    _send(channel, message)
                    taken += 1
                except StoreUnavailableError as error:
                    log.error("shout_failed", channel=channel.rule.name, error=error.message)
        return taken

    def queue(self, tx: ControlTransaction, row: OutboxRow) -> None:
        """Add a delivery for every channel that wants the row; the caller marks the row as delivered."""
        message = message_of(topic=row.topic, subject=row.subject, payload=row.payload)
        if message is None:
            return
        now = self._clock.machine_now()
        for channel in self._channels.values():
            if not wants(channel.rule, message):
                continue
            last = tx.last_of_group(channel.rule.name, message.group) if message.group else None
            if last is not None and now - last < QUIET:
                continue
            tx.add_delivery(DeliveryRow(key=row.key, channel=channel.rule.name, message=message, at=now, next_at=now))
        self._wake.set()

    def run(self) -> None:
        """Deliver until `stop`. Nothing else ends it."""
        while not self._stop.is_set():
            try:
                self.send_shouts()
                sent = self.deliver()
            except EbbgateError as error:
                log.error("deliveries_failed", code=error.code, error=error.message)
                sent = 0
            except Exception:  # a channel's defect must not silence the others for good
                log.exception("deliveries_broke")
                sent = 0
            if not sent:
                self._wake.wait(IDLE.total_seconds())
                self._wake.clear()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()

    def deliver(self) -> int:
        """Try everything that is due once; returns how many messages were taken."""
        with self._store.transaction() as tx:
            due = tx.due_deliveries(self._clock.machine_now())
        return sum(self._try(row) for row in due if not self._stop.is_set())

    def channels(self) -> list[ChannelView]:
        """All channels, in the order of the settings."""
        return [
            ChannelView(
                name=channel.rule.name,
                service=channel.service,
                topics=channel.rule.topics,
                at_least=channel.rule.at_least,
                problem=channel.problem,
            )
            for channel in self._channels.values()
        ]

    def deliveries(self, *, channel: str | None = None, after: int = 0, limit: int = 200) -> list[DeliveryView]:
        """What was sent, in order. Raises NotFoundError for a channel that is not configured."""
        if channel is not None:
            self._require(channel)
        with self._store.transaction() as tx:
            rows = tx.deliveries(channel=channel, after=after, limit=limit)
        return [delivery_view(row) for row in rows]

    def test(self, names: Sequence[str], *, actor: Actor) -> list[DeliveryView]:
        """Send a test message now to the named channels, or to all; each answer says whether it was taken.

        Raises NotFoundError for a channel that is not configured, or when none is.
        """
        chosen = [self._require(name) for name in names] or list(self._channels.values())
        if not chosen:
            raise NotFoundError("no channel is configured", hint='add one: EBBGATE_NOTIFY="mailto://..." or `notify`')
        now = self._clock.machine_now()
        message = Message(
            topic=Topic.TEST,
            severity=Severity.INFO,
            title="ebbgate: a test message",
            words=f"Sent by {actor.name}: {actor.reason}. Nothing has happened.",
        )
        key = f"test:{now.isoformat()}"
        with self._store.transaction() as tx:
            for channel in chosen:
                # Not due for others to send: this call sends it, and tells the answer.
                row = DeliveryRow(key=key, channel=channel.rule.name, message=message, at=now, next_at=now + QUIET)
                tx.add_delivery(row)
            record(
                tx, self._clock, actor, action="notify.test", subject=f"channel:{','.join(c.rule.name for c in chosen)}"
            )
            mine = tx.deliveries(key=key)
        for row in mine:
            self._try(row, is_last=True)
        with self._store.transaction() as tx:
            return [delivery_view(row) for row in tx.deliveries(key=key)]

    def _try(self, row: DeliveryRow, *, is_last: bool = False) -> bool:
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

    def _require(self, name: str) -> Channel:
        if (channel := self._channels.get(name)) is None:
            known = ", ".join(self._channels) or "none"
            raise NotFoundError(f"no channel {name!r}", hint=f"channels: {known}")
        return channel


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


def delivery_view(row: DeliveryRow) -> DeliveryView:
    """A stored delivery as the API shows it."""
    return DeliveryView(
        id=row.id,
        channel=row.channel,
        topic=row.message.topic,
        severity=row.message.severity,
        title=row.message.title,
        words=row.message.words,
        at=row.at,
        attempts=row.attempts,
        next_at=row.next_at,
        delivered_at=row.delivered_at,
        gave_up_at=row.gave_up_at,
        error=row.error,
    )
