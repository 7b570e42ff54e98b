"""The memory control store's messages to people."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec

from ebbgate.core.errors import NotFoundError
from ebbgate.ports.delivery_store import DeliveryRow


class _Tables(Protocol):
    deliveries: list[DeliveryRow]  # the id is the position + 1


class MemoryDeliveries(ABC):
    """Part of the memory store's transaction; writes go straight to the table, each with what takes it back."""

    _undo: list[Callable[[], object]]

    @property
    @abstractmethod
    def _tables(self) -> _Tables:
        """The transaction's own."""

    def add_delivery(self, row: DeliveryRow) -> None:
        table = self._tables.deliveries
        if any(known.key == row.key and known.channel == row.channel for known in table):
            return
        table.append(msgspec.structs.replace(row, id=len(table) + 1))
        self._undo.append(table.pop)

    def put_delivery(self, row: DeliveryRow) -> None:
        table, index = self._tables.deliveries, row.id - 1
        if not 0 <= index < len(table):
            raise NotFoundError(f"there is no delivery {row.id}", hint="list the deliveries for those that there are")
        before = table[index]
        self._undo.append(lambda: table.__setitem__(index, before))
        table[index] = row

    def due_deliveries(self, now: datetime, *, channel: str | None = None, limit: int = 50) -> list[DeliveryRow]:
        rows = [row for row in self._tables.deliveries if row.is_open and row.next_at <= now]
        return [row for row in rows if channel in (None, row.channel)][:limit]

    def deliveries(
        self,
        *,
        channel: str | None = None,
        key: str | None = None,
        since: datetime | None = None,
        after: int = 0,
        limit: int = 200,
    ) -> list[DeliveryRow]:
        rows = [row for row in self._tables.deliveries[after:] if channel in (None, row.channel)]
        rows = [row for row in rows if since is None or row.at >= since]
        return [row for row in rows if key in (None, row.key)][:limit]

    def last_of_group(self, channel: str, group: str) -> datetime | None:
        assert group, "messages without a group are not counted together"
        rows = self._tables.deliveries
        times = [row.at for row in rows if row.channel == channel and row.message.group == group]
        return times[-1] if times else None
