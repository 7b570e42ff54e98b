"""`client.notifications`: channels to people, and what was sent."""

from collections.abc import Sequence

from ebbgate.client.connection import Connection
from ebbgate.core.alerts.view import ChannelView, DeliveryView, TestChannels


class Notifications:
    """Who is told, and what they were told."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def channels(self) -> list[ChannelView]:
        """The configured channels."""
        return self._connection.get("/api/v1/notifications/channels", list[ChannelView])

    def test(self, channels: Sequence[str] = (), *, reason: str) -> list[DeliveryView]:
        """Send a test message to the named channels, or to all; waits for their answers."""
        body = TestChannels(channels=tuple(channels), reason=reason)
        return self._connection.post("/api/v1/notifications/test", body, list[DeliveryView])

    def list(self, *, channel: str | None = None, after: int = 0, limit: int = 200) -> list[DeliveryView]:
        """Messages with an id > `after`, oldest first."""
        query = {"channel": channel, "after": after, "limit": limit}
        return self._connection.get("/api/v1/notifications", list[DeliveryView], query)
