"""How snapshots get from control to the edge (RULES I3): two processes, no calls between them."""

from typing import Protocol

import msgspec

from ebbgate.core.flags.snapshot import Snapshot


class PublishedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot with the JSON that it came as, which is what streams pass on."""

    snapshot: Snapshot
    data: bytes


class SnapshotPublisher(Protocol):
    """Control's end."""

    def publish(self, snapshot: Snapshot) -> None:
        """Make this its environment's current snapshot, durably, and tell the edge. Raises StoreUnavailableError."""
        ...


class SnapshotSource(Protocol):
    """The edge's end."""

    def read_changed(self) -> list[PublishedSnapshot]:
        """The snapshots that changed since the last call; at the first call all there are.

        One that cannot be read is left out, and reported by `failures`.
        """
        ...

    def failures(self) -> dict[str, str]:
        """Environments whose current snapshot cannot be read, with the reason. The last good one goes on serving."""
        ...


class ChangeNotices(Protocol):
    """Wakes the edge when control has written something."""

    async def wait(self) -> None:
        """Return when something may have changed; after a machine second at the latest, as a notice can be lost."""
        ...

    def close(self) -> None: ...
