"""Audit, outbox, journal of actions, tokens."""

from datetime import datetime

import sqlalchemy as sa

from ebbgate.adapters.sql.schema import audit, journal, outbox, tokens
from ebbgate.adapters.sql.session import Session
from ebbgate.core.errors import ConflictError, NotFoundError
from ebbgate.ports.control_store import AuditRow, JournalRow, OutboxRow, TokenRow


class LedgerTables:
    """What was done, what is to be told, and by whom."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_audit(self, row: AuditRow) -> None:
        self._session.run(
            sa.insert(audit).values(
                at=row.at,
                actor=row.actor,
                action=row.action,
                subject=row.subject,
                reason=row.reason,
                before=row.before,
                after=row.after,
            )
        )

    def audit(self, *, subject: str | None = None, after: int = 0, limit: int = 200) -> list[AuditRow]:
        query = sa.select(audit).where(audit.c.id > after).order_by(audit.c.id).limit(limit)
        if subject is not None:
            query = query.where(audit.c.subject == subject)
        return [AuditRow(**row._mapping) for row in self._session.rows(query)]

    def add_outbox(self, row: OutboxRow) -> None:
        is_new = self._session.insert_new(
            outbox,
            at=row.at,
            topic=row.topic,
            subject=row.subject,
            payload=row.payload,
            key=row.key,
            delivered_at=row.delivered_at,
        )
        if not is_new:
            raise ConflictError(f"the outbox has {row.key} already", hint="it was sent on its way before")

    def outbox(self, *, undelivered_only: bool = False, limit: int = 200) -> list[OutboxRow]:
        query = sa.select(outbox).order_by(outbox.c.id).limit(limit)
        if undelivered_only:
            query = query.where(outbox.c.delivered_at.is_(None))
        return [OutboxRow(**row._mapping) for row in self._session.rows(query)]

    def mark_delivered(self, outbox_id: int, at: datetime) -> None:
        change = sa.update(outbox).where(outbox.c.id == outbox_id).values(delivered_at=at)
        if self._session.run(change).rowcount == 0:
            raise NotFoundError(f"the outbox has no entry {outbox_id}", hint="list the outbox for those that it has")

    def journal(self, key: str) -> JournalRow | None:
        row = self._session.first(sa.select(journal).where(journal.c.key == key))
        return None if row is None else JournalRow(**row._mapping)

    def put_journal(self, row: JournalRow) -> None:
        self._session.upsert(
            journal,
            key=row.key,
            action=row.action,
            started_at=row.started_at,
            done_at=row.done_at,
            result=row.result,
        )

    def token_by_hash(self, sha256: str) -> TokenRow | None:
        row = self._session.first(sa.select(tokens).where(tokens.c.sha256 == sha256))
        return None if row is None else TokenRow(**row._mapping)

    def tokens(self) -> list[TokenRow]:
        query = sa.select(tokens).order_by(tokens.c.created_at, tokens.c.id)
        return [TokenRow(**row._mapping) for row in self._session.rows(query)]

    def put_token(self, row: TokenRow) -> None:
        same = self.token_by_hash(row.sha256)
        if same is not None and same.id != row.id:
            raise ConflictError("two tokens may not have the same hash", hint="make a new secret")
        self._session.upsert(
            tokens,
            id=row.id,
            name=row.name,
            kind=row.kind,
            sha256=row.sha256,
            environment=row.environment,
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )
