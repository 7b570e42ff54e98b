"""What was sent to whom, or is still to be sent: part of the control store's transaction."""

from datetime import datetime
from typing import Protocol

import msgspec

from ebbgate.core.alerts import Message


class DeliveryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one channel. id 0 = not stored yet. key: of the outbox row it came from; with the channel, unique.

    next_at: when it is due. delivered_at, gave_up_at: at most one of them is set, and then it is no longer due.
    Machine times.
    """

    key: str
    channel: str
    message: Message
    at: datetime
    next_at: datetime
    attempts: int = 0
    delivered_at: datetime | None = None
    gave_up_at: datetime | None = None
    error: str = ""
    id: int = 0

    @property
    def is_open(self) -> bool:
        return self.delivered_at is None and self.gave_up_at is None


class DeliveryTransaction(Protocol):
    """Errors: StoreUnavailableError."""

    def add_delivery(self, row: DeliveryRow) -> None:
        """Does nothing when the channel has the key already."""
        ...

    def put_delivery(self, row: DeliveryRow) -> None:
        """Replace a stored row. Raises NotFoundError for an id that is not there."""
        ...

    def due_deliveries(self, now: datetime, *, channel: str | None = None, limit: int = 50) -> list[DeliveryRow]:
        """Open rows with `next_at <= now`, in order of id; of one channel, if given."""
        ...

    def deliveries(
        self,
        *,
        channel: str | None = None,
        key: str | None = None,
        since: datetime | None = None,
        after: int = 0,
        limit: int = 200,
    ) -> list[DeliveryRow]:
        """In order of id, those with an id > `after`; of one channel or key, or made at `since` or later, if given."""
        ...

    def last_of_group(self, channel: str, group: str) -> datetime | None:
        """When the newest message of a group was made for a channel; None if never. group: not empty."""
        ...
