"""The outbox: what the world is to hear of, delivered at least once, in order (RULES I2)."""

import structlog

from ebbgate.control.notifications import NotificationService
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.notifier import Notifier

log = structlog.get_logger("ebbgate.outbox")


class OutboxService:
    """Hands undelivered rows to the notifier, oldest first; stops at the first that it does not take.

    notifications: also queues the messages to people, in the transaction that marks the row.
    """

    def __init__(
        self,
        store: ControlStore,
        clock: Clock,
        notifier: Notifier,
        notifications: NotificationService | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._notifier = notifier
        self._notifications = notifications

    def deliver(self) -> int:
        """Deliver what is due; returns how many rows went."""
        with self._store.transaction() as tx:
            due = tx.outbox(undelivered_only=True)
        count = 0
        for row in due:
            try:
                self._notifier.notify(row)
            except StoreUnavailableError as error:
                log.warning("notification_failed", topic=row.topic, subject=row.subject, error=error.message)
                break
            with self._store.transaction() as tx:
                if self._notifications is not None:
                    self._notifications.queue(tx, row)
                tx.mark_delivered(row.id, self._clock.machine_now())
            count += 1
        if count and self._notifications is not None:
            self._notifications.wake()
        return count
