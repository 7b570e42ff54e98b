"""Where the outbox goes."""

from typing import Protocol

from ebbgate.ports.control_store import OutboxRow


class Notifier(Protocol):
    """Tells the world. The same row may come twice after a crash; its `key` tells them apart."""

    def notify(self, row: OutboxRow) -> None:
        """Raises StoreUnavailableError when the channel does not take it now."""
        ...
