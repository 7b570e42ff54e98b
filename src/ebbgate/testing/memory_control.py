"""The control store in memory: for simulations and unit tests. It passes the same contract suite as the SQL store."""

import threading
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Any

import msgspec

from ebbgate.core.clock import ClockMapping
from ebbgate.core.errors import ConflictError, NotFoundError, StoreUnavailableError
from ebbgate.core.incidents import ActionItem, Incident, Note, PostMortem
from ebbgate.core.releases import Deployment, Release
from ebbgate.core.rollbacks.drill import Drill
from ebbgate.core.rollbacks.reports import Report
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.control_store import (
    AuditRow,
    ControlTransaction,
    DecisionRow,
    EnvironmentRow,
    Evidence,
    FlagRow,
    FlagVersionRow,
    JournalRow,
    KillRow,
    OutboxRow,
    SnapshotRow,
    TokenRow,
)
from ebbgate.ports.delivery_store import DeliveryRow
from ebbgate.testing.memory_deliveries import MemoryDeliveries
from ebbgate.testing.memory_drills import MemoryDrills
from ebbgate.testing.memory_incidents import MemoryIncidents
from ebbgate.testing.memory_releases import MemoryReleases
from ebbgate.testing.memory_tokens import MemoryTokens

_RELOAD = "read it again and repeat the change"
_by_sequence = attrgetter("sequence")


class FaultPoint(StrEnum):
    """Where a planned fault strikes a transaction."""

    BEGIN = "begin"  # the block is never entered
    COMMIT = "commit"  # the block ran, nothing of it stays
    COMMITTED = "committed"  # everything stays, but the caller gets an error: the answer was lost
    PING = "ping"


class MemoryControlStore:
    """A ControlStore over dictionaries. One lock: one transaction at a time; an error in the block undoes all of it.

    A transaction inside a transaction of the same thread is a mistake of the program: it would wait for itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._tables = _Tables()
        self._faults: list[tuple[FaultPoint, BaseException]] = []
        self.is_read_only = False  # as a full disk: reads are answered, no write stays

    def fail_next(
        self, count: int = 1, *, at: FaultPoint = FaultPoint.BEGIN, error: BaseException | None = None
    ) -> None:
        """Let the next `count` passes of a point fail, with StoreUnavailableError unless `error` is given."""
        fault = error or StoreUnavailableError("the store was told to fail", hint="try again")
        self._faults.extend([(at, fault)] * count)

    @contextmanager
    def transaction(self) -> Iterator[ControlTransaction]:
        me = threading.get_ident()
        assert self._owner != me, "a transaction inside a transaction"
        with self._lock:
            self._owner = me
            try:
                self._strike(FaultPoint.BEGIN)
                transaction = _MemoryTransaction(self._tables)
                try:
                    yield transaction
                    self._strike(FaultPoint.COMMIT)
                    if self.is_read_only and transaction.has_written:
                        raise StoreUnavailableError("the store can only be read", hint="make room")
                except BaseException:
                    transaction.undo()
                    raise
                finally:
                    transaction.is_open = False
                self._strike(FaultPoint.COMMITTED)
            finally:
                self._owner = None

    def migrate(self) -> None:
        """Nothing to do: the schema is this module."""

    def ping(self) -> None:
        self._strike(FaultPoint.PING)

    def close(self) -> None:
        """Nothing to do; what is stored stays, as on a disk."""

    def _strike(self, point: FaultPoint) -> None:
        for index, (at, error) in enumerate(self._faults):
            if at is point:
                del self._faults[index]
                raise error


class _Tables:
    """The rows. Dictionaries keep their order of insertion, which `newest first` relies on."""

    def __init__(self) -> None:
        self.clock: dict[str, ClockMapping] = {}
        self.flags: dict[tuple[str, str], FlagRow] = {}
        self.kills: dict[tuple[str, str], KillRow] = {}
        self.flag_versions: dict[tuple[str, str], list[FlagVersionRow]] = {}  # the version is the position + 1
        self.environments: dict[str, EnvironmentRow] = {}
        self.snapshots: dict[str, list[SnapshotRow]] = {}  # by environment, oldest first
        self.latest_version: dict[str, int] = {}
        self.rollouts: dict[str, RolloutState] = {}
        self.evidence: dict[str, Evidence] = {}
        self.decisions: dict[str, list[DecisionRow]] = {}  # by rollout, in order of sequence
        self.audit: list[AuditRow] = []  # the id is the position + 1
        self.outbox: list[OutboxRow] = []
        self.outbox_keys: dict[str, int] = {}
        self.journal: dict[str, JournalRow] = {}
        self.tokens: dict[str, TokenRow] = {}
        self.deliveries: list[DeliveryRow] = []
        self.drills: dict[str, Drill] = {}
        self.incidents: dict[str, Incident] = {}
        self.incident_notes: list[Note] = []
        self.user_reports: list[Report] = []
        self.post_mortems: dict[str, PostMortem] = {}
        self.action_items: dict[int, ActionItem] = {}
        self.releases: dict[str, Release] = {}
        self.deployments: dict[str, Deployment] = {}


class _MemoryTransaction(MemoryDeliveries, MemoryIncidents, MemoryReleases, MemoryDrills, MemoryTokens):
    """Writes go straight to the tables, each with the step that takes it back."""

    def __init__(self, tables: _Tables) -> None:
        self._all_tables = tables
        self._undo: list[Callable[[], object]] = []
        self.is_open = True

    @property
    def _tables(self) -> _Tables:
        assert self.is_open, "the transaction is over"
        return self._all_tables

    @property
    def has_written(self) -> bool:
        return bool(self._undo)

    def undo(self) -> None:
        for step in reversed(self._undo):
            step()
        self._undo.clear()

    def _set(self, table: dict[Any, Any], key: Any, row: Any) -> None:
        if key in table:
            before = table[key]
            self._undo.append(lambda: table.__setitem__(key, before))
        else:
            self._undo.append(lambda: table.pop(key, None))
        table[key] = row

    def _delete(self, table: dict[Any, Any], key: Any) -> None:
        if key not in table:
            return
        rows = dict(table)  # the order of insertion must come back as well

        def put_back() -> None:
            table.clear()
            table.update(rows)

        self._undo.append(put_back)
        del table[key]

    def _append(self, table: list[Any], row: Any) -> None:
        table.append(row)
        self._undo.append(table.pop)

    # --- clock ---

    def clock_mapping(self) -> ClockMapping | None:
        return self._tables.clock.get("")

    def put_clock_mapping(self, mapping: ClockMapping) -> None:
        self._set(self._tables.clock, "", mapping)

    # --- flags and kills ---

    def flag(self, environment: str, key: str) -> FlagRow | None:
        row = self._tables.flags.get((environment, key))
        return row and msgspec.structs.replace(row, definition=_json_copy(row.definition))

    def flags(self, environment: str) -> list[FlagRow]:
        rows = (row for (where, _), row in self._tables.flags.items() if where == environment)
        copies = (msgspec.structs.replace(row, definition=_json_copy(row.definition)) for row in rows)
        return sorted(copies, key=lambda row: row.key)

    def put_flag(self, row: FlagRow) -> None:
        key = (row.environment, row.key)
        before = self._tables.flags.get(key)
        _check_revision(f"flag {row.key}", before.revision if before else 0, row.revision)
        self._set(self._tables.flags, key, msgspec.structs.replace(row, definition=_json_copy(row.definition)))

    def delete_flag(self, environment: str, key: str) -> None:
        self._delete(self._tables.flags, (environment, key))

    def environments(self) -> list[str]:
        tables = self._tables
        return sorted(
            {where for where, _ in (*tables.flags, *tables.kills)}
            | {e for e, r in tables.snapshots.items() if r}
            | set(tables.environments)
        )

    def environment(self, name: str) -> EnvironmentRow | None:
        return self._tables.environments.get(name)

    def put_environment(self, row: EnvironmentRow) -> None:
        self._set(self._tables.environments, row.name, row)

    def add_flag_version(self, row: FlagVersionRow) -> None:
        rows = self._tables.flag_versions.setdefault((row.environment, row.flag), [])
        if row.version != len(rows) + 1:
            raise ConflictError(f"flag {row.flag} is at version {len(rows)}, not {row.version - 1}", hint=_RELOAD)
        self._append(rows, msgspec.structs.replace(row, definition=_json_copy(row.definition)))

    def flag_version(self, environment: str, flag: str, version: int) -> FlagVersionRow | None:
        rows = self.flag_versions(environment, flag, before=version + 1, limit=1)
        return next((row for row in rows if row.version == version), None)

    def flag_versions(
        self, environment: str, flag: str, *, before: int | None = None, limit: int = 50
    ) -> list[FlagVersionRow]:
        rows = self._tables.flag_versions.get((environment, flag), [])
        found = [row for row in reversed(rows) if before is None or row.version < before][:limit]
        return [msgspec.structs.replace(row, definition=_json_copy(row.definition)) for row in found]

    def newest_flag_versions(self, environment: str) -> dict[str, int]:
        found = sorted(self._tables.flag_versions.items())
        return {flag: len(rows) for (where, flag), rows in found if where == environment and rows}

    def flag_deletions(self, environment: str) -> dict[str, int]:
        return {
            flag: max(row.snapshot_version for row in rows if row.definition is None)
            for (where, flag), rows in sorted(self._tables.flag_versions.items())
            if where == environment and any(row.definition is None for row in rows)
        }

    def kills(self, environment: str) -> list[KillRow]:
        rows = [row for (where, _), row in self._tables.kills.items() if where == environment]
        return sorted(rows, key=lambda row: row.flag)

    def put_kill(self, row: KillRow) -> None:
        self._set(self._tables.kills, (row.environment, row.flag), row)

    def delete_kill(self, environment: str, flag: str) -> None:
        self._delete(self._tables.kills, (environment, flag))

    # --- snapshots ---

    def latest_snapshot(self, environment: str) -> SnapshotRow | None:
        rows = self._tables.snapshots.get(environment)
        return rows[-1] if rows else None

    def latest_version(self) -> int:
        return self._tables.latest_version.get("", 0)

    def snapshots(self, environment: str, *, limit: int = 50) -> list[SnapshotRow]:
        return self._tables.snapshots.get(environment, [])[::-1][:limit]

    def add_snapshot(self, row: SnapshotRow) -> None:
        if row.version <= self.latest_version():
            raise ConflictError(
                f"snapshot version {row.version} is not newer than {self.latest_version()}", hint=_RELOAD
            )
        self._append(self._tables.snapshots.setdefault(row.environment, []), row)
        self._set(self._tables.latest_version, "", row.version)

    # --- rollouts, evidence, decisions ---

    def rollout(self, rollout_id: str) -> RolloutState | None:
        return self._tables.rollouts.get(rollout_id)

    def rollouts(self, *, flag: str | None = None, statuses: Sequence[Status] | None = None) -> list[RolloutState]:
        found = [
            state
            for state in reversed(self._tables.rollouts.values())
            if (flag is None or state.plan.flag == flag) and (statuses is None or state.status in statuses)
        ]
        return sorted(found, key=lambda state: state.created_at, reverse=True)  # stable: equal times stay newest first

    def put_rollout(self, state: RolloutState) -> None:
        before = self._tables.rollouts.get(state.id)
        _check_revision(f"rollout {state.id}", before.revision if before else 0, state.revision)
        self._set(self._tables.rollouts, state.id, state)

    def evidence(self, rollout_id: str) -> Evidence:
        return _copy_evidence(self._tables.evidence.get(rollout_id, Evidence()))

    def put_evidence(self, rollout_id: str, evidence: Evidence) -> None:
        self._require_rollout(rollout_id)
        self._set(self._tables.evidence, rollout_id, _copy_evidence(evidence))

    def add_decision(self, row: DecisionRow) -> None:
        self._require_rollout(row.rollout_id)
        rows = self._tables.decisions.setdefault(row.rollout_id, [])
        position = bisect_right(rows, row.sequence, key=_by_sequence)
        if position and rows[position - 1].sequence == row.sequence:
            raise ConflictError(f"rollout {row.rollout_id} has a decision {row.sequence} already", hint=_RELOAD)
        insort(rows, row, key=_by_sequence)
        self._undo.append(lambda: rows.pop(position))

    def decisions(self, rollout_id: str, *, after: int = 0, limit: int = 1000) -> list[DecisionRow]:
        rows = self._tables.decisions.get(rollout_id, [])
        start = bisect_right(rows, after, key=_by_sequence)
        return rows[start : start + limit]

    def last_decision(self, rollout_id: str) -> DecisionRow | None:
        rows = self._tables.decisions.get(rollout_id)
        return rows[-1] if rows else None

    def decision_count(self, rollout_id: str) -> int:
        return len(self._tables.decisions.get(rollout_id, ()))

    def _require_rollout(self, rollout_id: str) -> None:
        if rollout_id not in self._tables.rollouts:
            raise ConflictError(f"there is no rollout {rollout_id}", hint="store the rollout first")

    # --- audit, outbox, journal ---

    def add_audit(self, row: AuditRow) -> None:
        stored = msgspec.structs.replace(
            row, id=len(self._tables.audit) + 1, before=_json_copy(row.before), after=_json_copy(row.after)
        )
        self._append(self._tables.audit, stored)

    def audit(self, *, subject: str | None = None, after: int = 0, limit: int = 200) -> list[AuditRow]:
        rows = self._tables.audit[after:]
        return [row for row in rows if subject is None or row.subject == subject][:limit]

    def add_outbox(self, row: OutboxRow) -> None:
        if row.key in self._tables.outbox_keys:
            raise ConflictError(f"the outbox has {row.key} already", hint="it was sent on its way before")
        stored = msgspec.structs.replace(row, id=len(self._tables.outbox) + 1, payload=_json_copy(row.payload))
        self._append(self._tables.outbox, stored)
        self._set(self._tables.outbox_keys, row.key, stored.id)

    def outbox(self, *, undelivered_only: bool = False, limit: int = 200) -> list[OutboxRow]:
        rows = self._tables.outbox
        if undelivered_only:
            rows = [row for row in rows if row.delivered_at is None]
        return rows[:limit]

    def mark_delivered(self, outbox_id: int, at: datetime) -> None:
        rows, index = self._tables.outbox, outbox_id - 1
        if not 0 <= index < len(rows):
            raise NotFoundError(f"the outbox has no entry {outbox_id}", hint="list the outbox for those that it has")
        before = rows[index]
        self._undo.append(lambda: rows.__setitem__(index, before))
        rows[index] = msgspec.structs.replace(before, delivered_at=at)

    def journal(self, key: str) -> JournalRow | None:
        return self._tables.journal.get(key)

    def put_journal(self, row: JournalRow) -> None:
        self._set(self._tables.journal, row.key, row)


def _check_revision(what: str, stored: int, revision: int) -> None:
    """Raise ConflictError unless `revision` follows the stored one (0: not stored)."""
    assert revision >= 1, "a stored revision is at least 1"
    if revision != stored + 1:
        raise ConflictError(f"{what} is at revision {stored}, not {revision - 1}", hint=_RELOAD)


def _json_copy(value: Any) -> Any:
    """The value as JSON gives it back: nobody else's later change to it reaches the store."""
    return None if value is None else msgspec.json.decode(msgspec.json.encode(value))


def _copy_evidence(evidence: Evidence) -> Evidence:
    """New dictionaries around the same frozen values."""
    fields = msgspec.structs.asdict(evidence)
    return msgspec.structs.replace(evidence, **{n: dict(v) for n, v in fields.items() if isinstance(v, dict)})
