"""Rollouts with their evidence and decisions, and which release carries which flag."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ebbgate.adapters.sql import schema as tables
from ebbgate.adapters.sql.schema import decisions, release_flags, releases, rollout_flags, rollouts
from ebbgate.adapters.sql.session import RELOAD, Session
from ebbgate.core.errors import ConflictError
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.control_store import DecisionRow, Evidence


class RolloutTables:
    """What the loop carries from look to look."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def rollout(self, rollout_id: str) -> RolloutState | None:
        row = self._session.first(sa.select(rollouts.c.body).where(rollouts.c.id == rollout_id))
        return None if row is None else row.body

    def rollouts(self, *, flag: str | None = None, statuses: Sequence[Status] | None = None) -> list[RolloutState]:
        query = sa.select(rollouts.c.body).order_by(rollouts.c.created_at.desc(), rollouts.c.number.desc())
        if flag is not None:
            carrying = sa.select(rollout_flags.c.rollout_id).where(rollout_flags.c.flag == flag)
            query = query.where(rollouts.c.id.in_(carrying))
        if statuses is not None:
            query = query.where(rollouts.c.status.in_([status.value for status in statuses]))
        return [row.body for row in self._session.rows(query)]

    def put_rollout(self, state: RolloutState) -> None:
        assert state.revision >= 1, "a stored revision is at least 1"
        done = self._insert_rollout(state) if state.revision == 1 else self._replace_rollout(state)
        if not done:
            stored = self.rollout(state.id)
            raise ConflictError(
                f"rollout {state.id} is at revision {stored.revision if stored else 0}, not {state.revision - 1}",
                hint=RELOAD,
            )

    def _insert_rollout(self, state: RolloutState) -> bool:
        """The links are made here only: a rollout's release and flag are the same for its whole life."""
        if self.rollout(state.id) is not None:
            return False
        environment, flag = state.plan.environment, state.plan.flag
        self._session.insert_new(releases, name=state.release, created_at=state.created_at)
        self._session.insert_new(release_flags, release=state.release, environment=environment, flag=flag)
        self._session.insert_new(
            rollouts,
            id=state.id,
            revision=state.revision,
            release=state.release,
            status=state.status.value,
            created_at=state.created_at,
            body=state,
        )
        self._session.insert_new(rollout_flags, rollout_id=state.id, environment=environment, flag=flag)
        return True

    def _replace_rollout(self, state: RolloutState) -> bool:
        before = sa.update(rollouts).where(rollouts.c.id == state.id, rollouts.c.revision == state.revision - 1)
        change = before.values(revision=state.revision, status=state.status.value, body=state)
        return self._session.run(change).rowcount == 1

    def evidence(self, rollout_id: str) -> Evidence:
        row = self._session.first(sa.select(tables.evidence.c.body).where(tables.evidence.c.rollout_id == rollout_id))
        return Evidence() if row is None else row.body

    def put_evidence(self, rollout_id: str, evidence: Evidence) -> None:
        self._session.upsert(tables.evidence, rollout_id=rollout_id, body=evidence)

    def add_decision(self, row: DecisionRow) -> None:
        is_new = self._session.insert_new(
            decisions,
            rollout_id=row.rollout_id,
            sequence=row.sequence,
            code=row.decision.code.value,
            decision=row.decision,
            status_before=row.status_before.value,
            status_after=row.status_after.value,
            looked_at=row.looked_at,
            machine_at=row.machine_at,
            log_offset=row.offset,
            summarised_from=row.summarised_from,
            summarised_to=row.summarised_to,
            inputs=row.inputs,
        )
        if not is_new:
            raise ConflictError(f"rollout {row.rollout_id} has a decision {row.sequence} already", hint=RELOAD)

    def decisions(self, rollout_id: str, *, after: int = 0, limit: int = 1000) -> list[DecisionRow]:
        query = sa.select(decisions).where(decisions.c.rollout_id == rollout_id, decisions.c.sequence > after)
        return [_decision(row) for row in self._session.rows(query.order_by(decisions.c.sequence).limit(limit))]

    def last_decision(self, rollout_id: str) -> DecisionRow | None:
        query = sa.select(decisions).where(decisions.c.rollout_id == rollout_id)
        row = self._session.first(query.order_by(decisions.c.sequence.desc()).limit(1))
        return None if row is None else _decision(row)

    def decision_count(self, rollout_id: str) -> int:
        query = sa.select(sa.func.count()).select_from(decisions).where(decisions.c.rollout_id == rollout_id)
        return int(self._session.run(query).scalar_one())


def _decision(row: sa.Row[Any]) -> DecisionRow:
    return DecisionRow(
        rollout_id=row.rollout_id,
        sequence=row.sequence,
        decision=row.decision,
        status_before=Status(row.status_before),
        status_after=Status(row.status_after),
        looked_at=row.looked_at,
        machine_at=row.machine_at,
        offset=row.log_offset,
        summarised_from=row.summarised_from,
        summarised_to=row.summarised_to,
        inputs=row.inputs,
    )
