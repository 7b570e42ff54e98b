"""Drills in the control store: part of its transaction."""

from typing import Protocol

from ebbgate.core.rollbacks.drill import Drill, DrillStatus


class DrillTransaction(Protocol):
    """Errors: ConflictError, StoreUnavailableError."""

    def drill(self, drill_id: str) -> Drill | None: ...
    def drills(self, *, app: str | None = None, status: DrillStatus | None = None, limit: int = 50) -> list[Drill]:
        """Newest first."""
        ...

    def put_drill(self, drill: Drill) -> None:
        """Insert with revision 1, or replace the one whose revision is `drill.revision - 1` (else ConflictError)."""
        ...
