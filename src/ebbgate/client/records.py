"""`client.records`: audit and outbox."""

from ebbgate.client.connection import Connection
from ebbgate.core.access.view import AuditEntry, OutboxEntry


class Records:
    """What was done, and what the world was told of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def audit(self, *, subject: str | None = None, after: int = 0, limit: int = 200) -> list[AuditEntry]:
        """Changes with an id > `after`, oldest first. subject: such as `rollout:ID`, `flag:ENVIRONMENT/KEY`; a name
        alone is a rollout's. Raises BadRequestError, NotFoundError.
        """
        query = {"subject": subject, "after": after, "limit": limit}
        return self._connection.get("/api/v1/audit", list[AuditEntry], query)

    def outbox(self, *, undelivered: bool = False, limit: int = 200) -> list[OutboxEntry]:
        """Oldest first."""
        query = {"undelivered": undelivered, "limit": limit}
        return self._connection.get("/api/v1/outbox", list[OutboxEntry], query)
