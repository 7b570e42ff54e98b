"""`client.server`: the server itself."""

from typing import Any

from ebbgate.client.connection import Connection
from ebbgate.core.events.view import ClockView


class Server:
    """Health, clock, metrics, and the API's own description."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def clock(self) -> ClockView:
        """Both clocks, and how plan time follows machine time."""
        return self._connection.get("/api/v1/clock", ClockView)

    def healthz(self) -> str:
        """`ok` while the process lives; needs no token. Raises StoreUnavailableError."""
        return self._connection.text("/healthz")

    def readyz(self) -> str:
        """`ok` while the stores answer; needs no token. Raises StoreUnavailableError."""
        return self._connection.text("/readyz")

    def metrics(self) -> str:
        """Prometheus' text format."""
        return self._connection.text("/metrics")

    def openapi(self) -> dict[str, Any]:
        return self._connection.get("/api/v1/openapi.json", dict[str, Any])
