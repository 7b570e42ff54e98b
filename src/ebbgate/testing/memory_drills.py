"""The memory control store's drills."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

from ebbgate.core.errors import ConflictError
from ebbgate.core.rollbacks.drill import Drill, DrillStatus


class _Tables(Protocol):
    drills: dict[str, Drill]


class MemoryDrills(ABC):
    """Part of the memory store's transaction."""

    _set: Callable[[dict[Any, Any], Any, Any], None]

    @property
    @abstractmethod
    def _tables(self) -> _Tables:
        """The transaction's own."""

    def drill(self, drill_id: str) -> Drill | None:
        return self._tables.drills.get(drill_id)

    def drills(self, *, app: str | None = None, status: DrillStatus | None = None, limit: int = 50) -> list[Drill]:
        found = sorted(self._tables.drills.values(), key=lambda one: -one.number)
        return [one for one in found if app in (None, one.app) and status in (None, one.status)][:limit]

    def put_drill(self, drill: Drill) -> None:
        before = self._tables.drills.get(drill.id)
        if (before.revision if before else 0) != drill.revision - 1:
            raise ConflictError(
                f"drill {drill.id} was changed meanwhile, or is there already",
                hint="read it again and repeat the change",
            )
        self._set(self._tables.drills, drill.id, drill)
