"""Messages to people: queued in the outbox's transaction; `deliveries` sends them."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from ebbgate.control.audit import Actor, record
from ebbgate.control.deliveries import DeliveryWorker
from ebbgate.core.alerts import QUIET, ChannelView, DeliveryView, Message, Severity, Topic, message_of, wants
from ebbgate.core.errors import NotFoundError
from ebbgate.ports.channel import Channel
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, OutboxRow
from ebbgate.ports.delivery_store import DeliveryRow

log = structlog.get_logger("ebbgate.notifications")


class NotificationService:
    """Queues messages (in the outbox's transaction) and delivers them, at least once, each channel by itself."""

    def __init__(self, store: ControlStore, clock: Clock, channels: Sequence[Channel]) -> None:
        self._store = store
        self._clock = clock
        self._channels = {channel.rule.name: channel for channel in channels}
        self._worker = DeliveryWorker(store, clock, self._channels)
        self._shouted: dict[str, datetime] = {}

    def shout(self, title: str, words: str, *, group: str) -> None:
        """A page that needs no store, as the store is what fails: held in memory until each channel's thread sends it,
        tried once, and at most once an hour for each group.
        """
        now = self._clock.machine_now()
        if (last := self._shouted.get(group)) is not None and now - last < QUIET:
            return
        self._shouted[group] = now
        message = Message(topic=Topic.PAGE, severity=Severity.CRITICAL, title=title, words=words)
        log.critical("shouted", title=title, words=words)
        self._worker.shout(message)

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

    def run(self) -> None:
        """Deliver until `stop`, each channel by itself. Nothing else ends it."""
        self._worker.run()

    def stop(self) -> None:
        self._worker.stop()

    def wake(self) -> None:
        """Something was queued, and is committed."""
        self._worker.wake()

    def send_shouts(self) -> int:
        """Send what was shouted, here and now; returns how many messages were taken."""
        return self._worker.send_shouts()

    def deliver(self) -> int:
        """Try everything that is due once, here and now; returns how many messages were taken."""
        return self._worker.deliver()

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
        self._worker.attempt_once(mine)
        with self._store.transaction() as tx:
            return [delivery_view(row) for row in tx.deliveries(key=key)]

    def _require(self, name: str) -> Channel:
        if (channel := self._channels.get(name)) is None:
            known = ", ".join(self._channels) or "none"
            raise NotFoundError(f"no channel {name!r}", hint=f"channels: {known}")
        return channel


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
