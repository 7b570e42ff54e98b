"""/audit and /outbox: what was done, and what the world was told of it."""

import msgspec
from litestar import get

from ebbgate.api.dependencies import After, Limit, Services, Subject, Undelivered
from ebbgate.control.audit_subjects import subject_of
from ebbgate.core.access.view import AuditEntry, OutboxEntry


@get("/audit", sync_to_thread=True, operation_id="listAudit", tags=["records"])
def list_audit(services: Services, subject: Subject = None, after: After = 0, limit: Limit = 200) -> list[AuditEntry]:
    """Accepted changes with an id after `after`, oldest first; those of one subject (`rollout:ID`,
    `flag:ENVIRONMENT/KEY`, `token:ID`, ...), if it is given. A kind of subject that there is not is refused.
    """
    with services.store.transaction() as tx:
        wanted = subject_of(tx, subject) if subject is not None else None
        rows = tx.audit(subject=wanted, after=after, limit=limit)
    return [msgspec.convert(row, AuditEntry, from_attributes=True) for row in rows]


@get("/outbox", sync_to_thread=True, operation_id="listOutbox", tags=["records"])
def list_outbox(services: Services, undelivered: Undelivered = False, limit: Limit = 200) -> list[OutboxEntry]:
    """What the world is to hear of, oldest first; only what it has not heard yet, if asked so."""
    with services.store.transaction() as tx:
        rows = tx.outbox(undelivered_only=undelivered, limit=limit)
    return [msgspec.convert(row, OutboxEntry, from_attributes=True) for row in rows]
