"""Messages to people, and what became of them."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ebbgate.adapters.sql.schema import deliveries
from ebbgate.adapters.sql.session import Session
from ebbgate.core.errors import NotFoundError
from ebbgate.ports.delivery_store import DeliveryRow

_OURS = {"message_group", "is_open"}  # columns for queries, not of the row


class DeliveryTables:
    """What is to be sent, and what was."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_delivery(self, row: DeliveryRow) -> None:
        self._session.insert_new(deliveries, **_values(row))

    def put_delivery(self, row: DeliveryRow) -> None:
        change = sa.update(deliveries).where(deliveries.c.id == row.id).values(_values(row))
        if self._session.run(change).rowcount == 0:
            raise NotFoundError(f"there is no delivery {row.id}", hint="list the deliveries for those that there are")

    def due_deliveries(self, now: datetime, *, channel: str | None = None, limit: int = 50) -> list[DeliveryRow]:
        query = sa.select(deliveries).where(deliveries.c.is_open, deliveries.c.next_at <= now)
        if channel is not None:
            query = query.where(deliveries.c.channel == channel)
        return [_row(row) for row in self._session.rows(query.order_by(deliveries.c.id).limit(limit))]

    def deliveries(
        self,
        *,
        channel: str | None = None,
        key: str | None = None,
        since: datetime | None = None,
        after: int = 0,
        limit: int = 200,
    ) -> list[DeliveryRow]:
        query = sa.select(deliveries).where(deliveries.c.id > after).order_by(deliveries.c.id).limit(limit)
        if channel is not None:
            query = query.where(deliveries.c.channel == channel)
        if key is not None:
            query = query.where(deliveries.c.key == key)
        if since is not None:
            query = query.where(deliveries.c.at >= since)
        return [_row(row) for row in self._session.rows(query)]

    def last_of_group(self, channel: str, group: str) -> datetime | None:
        assert group, "messages without a group are not counted together"
        query = sa.select(deliveries.c.at).where(deliveries.c.channel == channel, deliveries.c.message_group == group)
        row = self._session.first(query.order_by(deliveries.c.id.desc()).limit(1))
        return None if row is None else row.at


def _values(row: DeliveryRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "channel": row.channel,
        "message_group": row.message.group,
        "message": row.message,
        "at": row.at,
        "next_at": row.next_at,
        "is_open": row.is_open,
        "attempts": row.attempts,
        "delivered_at": row.delivered_at,
        "gave_up_at": row.gave_up_at,
        "error": row.error,
    }


def _row(found: sa.Row[Any]) -> DeliveryRow:
    return DeliveryRow(**{name: value for name, value in found._mapping.items() if name not in _OURS})
