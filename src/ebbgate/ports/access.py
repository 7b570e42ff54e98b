"""How the list of tokens gets from control to the edge."""

from typing import Protocol

from ebbgate.core.access import AccessList


class AccessPublisher(Protocol):
    """Control's end."""

    def publish(self, access: AccessList) -> None:
        """Make this the current list, durably, and tell the edge. Raises StoreUnavailableError."""
        ...


class AccessSource(Protocol):
    """The edge's end."""

    def read_changed(self) -> AccessList | None:
        """The list, if it changed since the last call; None if not, or if there is none that can be read."""
        ...
