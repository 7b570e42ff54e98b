"""The control store: one transaction holds state, evidence, audit, outbox and the offset read (RULES I2)."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

import msgspec

from ebbgate.core.audiences import Bucketing
from ebbgate.core.clock import ClockMapping
from ebbgate.core.metrics import LimitEvidence, MetricEvidence, SampleRatioEvidence
from ebbgate.core.metrics.arrivals import ArrivalEvidence, VolumeEvidence
from ebbgate.core.metrics.broken import Broken
from ebbgate.core.metrics.late import LateEvidence
from ebbgate.core.metrics.readings import ReadingEvidence
from ebbgate.core.rollouts.decision import Decision
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.delivery_store import DeliveryTransaction
from ebbgate.ports.drill_store import DrillTransaction
from ebbgate.ports.incident_store import IncidentTransaction
from ebbgate.ports.release_store import ReleaseTransaction


class FlagRow(msgspec.Struct, frozen=True, kw_only=True):
    """A flag as its owner wrote it: flagd's definition, without rollout and kill. revision grows by one with each
    change.
    """

    environment: str
    key: str
    definition: dict[str, Any]
    revision: int
    updated_at: datetime
    opt_in: tuple[str, ...] = ()


class KillRow(msgspec.Struct, frozen=True, kw_only=True):
    """The kill overlay of a flag (RULES B6): it outranks rule and rollout until it is lifted."""

    environment: str
    flag: str
    variant: str
    actor: str
    reason: str
    killed_at: datetime


class FlagVersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a flag: how it stood after one accepted change (definition, kill, restore, opt-in, deletion).

    version: 1, 2, ... for each flag and environment, never given twice, also over a deletion. action: the audit's word.
    definition: None after a deletion. killed_to: the variant of the kill overlay; None while there is none.
    unit: who was opted in or out, in versions of those two actions. opt_in_count: length of the list.
    snapshot_version: of the first snapshot that serves it. Machine time.
    """

    environment: str
    flag: str
    version: int
    at: datetime
    actor: str
    reason: str
    action: str
    revision: int
    snapshot_version: int
    definition: dict[str, Any] | None
    killed_to: str | None = None
    unit: str | None = None
    opt_in_count: int = 0


class EnvironmentRow(msgspec.Struct, frozen=True, kw_only=True):
    """An environment and its settings. bucketing: of all its flags (flags.md). Machine time."""

    name: str
    created_at: datetime
    bucketing: Bucketing = "v2"


class SnapshotRow(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot as it was published. body: JSON of core.flags.Snapshot. cause: what changed, in words."""

    version: int
    environment: str
    body: bytes
    cause: str
    created_at: datetime


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All evidence of a rollout: what the loop carries from look to look (RULES E5)."""

    metrics: dict[str, MetricEvidence] = {}
    limits: dict[str, LimitEvidence] = {}
    goals: dict[str, MetricEvidence] = {}
    recovery_limits: dict[str, LimitEvidence] = {}
    redeploy_limits: dict[str, LimitEvidence] = {}
    sample_ratio: SampleRatioEvidence = SampleRatioEvidence()
    late: dict[str, LateEvidence] = {}
    arrivals: dict[str, ArrivalEvidence] = {}
    volume: VolumeEvidence = VolumeEvidence()
    clustered: dict[str, MetricEvidence] = {}
    parts: dict[str, MetricEvidence] = {}
    readings: dict[str, ReadingEvidence] = {}
    broken: tuple[Broken, ...] = ()  # what could not be computed, each metric's first in each phase


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with its inputs, so that it can be replayed and explained.

    sequence: 1, 2, ... within a rollout. offset: of the log, read up to. inputs: MessagePack of
    core.rollouts.look.LookInputs (JSON has no infinity).
    looked_at: plan time; machine_at: machine time. summarised_from, summarised_to: the span of plan time whose blocks
    were folded.
    """

    rollout_id: str
    sequence: int
    decision: Decision
    status_before: Status
    status_after: Status
    looked_at: datetime
    machine_at: datetime
    offset: int
    summarised_from: datetime | None
    summarised_to: datetime | None
    inputs: bytes


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted change: who, what, why, before and after (JSON-able values). id 0 = not stored yet. Machine time."""

    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    before: Any = None
    after: Any = None
    id: int = 0


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something the world is to hear of, delivered at least once. id 0 = not stored yet. Machine times."""

    at: datetime
    topic: str
    subject: str
    payload: Any
    key: str  # idempotency key, unique
    delivered_at: datetime | None = None
    id: int = 0


class JournalRow(msgspec.Struct, frozen=True, kw_only=True):
    """An action on the outside world, written before and after (RULES H1). key: its idempotency key. Machine times."""

    key: str
    action: str
    started_at: datetime
    done_at: datetime | None = None
    result: str = ""


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token, of which only the hash is kept. environment None = all. Machine times."""

    id: str
    name: str
    kind: str
    sha256: str
    environment: str | None
    created_at: datetime
    revoked_at: datetime | None = None


class ControlTransaction(DeliveryTransaction, IncidentTransaction, ReleaseTransaction, DrillTransaction, Protocol):
    """Reads and writes of one transaction; nothing is visible to others before it commits.

    Errors: ConflictError where a revision is not the expected one, a key exists already, or evidence or a decision
    names a rollout that is not stored; the transaction may go on after all but the last. StoreUnavailableError.
    Deleting what is not there does nothing.
    """

    def clock_mapping(self) -> ClockMapping | None: ...
    def put_clock_mapping(self, mapping: ClockMapping) -> None: ...

    def flag(self, environment: str, key: str) -> FlagRow | None: ...
    def flags(self, environment: str) -> list[FlagRow]: ...
    def put_flag(self, row: FlagRow) -> None:
        """Insert with revision 1, or replace the row whose revision is `row.revision - 1`."""
        ...

    def delete_flag(self, environment: str, key: str) -> None: ...
    def environments(self) -> list[str]:
        """Those that were created, or have a flag, a kill or a snapshot, by name."""
        ...

    def environment(self, name: str) -> EnvironmentRow | None:
        """Its settings; None where it was never created by name."""
        ...

    def put_environment(self, row: EnvironmentRow) -> None:
        """Insert or replace."""
        ...

    def add_flag_version(self, row: FlagVersionRow) -> None:
        """Raises ConflictError unless the version follows the newest one of the flag."""
        ...

    def flag_version(self, environment: str, flag: str, version: int) -> FlagVersionRow | None: ...
    def flag_versions(
        self, environment: str, flag: str, *, before: int | None = None, limit: int = 50
    ) -> list[FlagVersionRow]:
        """Newest first, those with a version < `before`."""
        ...

    def newest_flag_versions(self, environment: str) -> dict[str, int]:
        """By flag that ever was, the number of its newest version."""
        ...

    def flag_deletions(self, environment: str) -> dict[str, int]:
        """By flag that was ever deleted, the first snapshot version after its last deletion."""
        ...

    def kills(self, environment: str) -> list[KillRow]: ...
    def put_kill(self, row: KillRow) -> None:
        """Insert or replace."""
        ...

    def delete_kill(self, environment: str, flag: str) -> None: ...

    def latest_snapshot(self, environment: str) -> SnapshotRow | None: ...
    def latest_version(self) -> int:
        """The newest version in any environment; 0 before the first."""
        ...

    def snapshots(self, environment: str, *, limit: int = 50) -> list[SnapshotRow]:
        """Newest first."""
        ...

    def add_snapshot(self, row: SnapshotRow) -> None:
        """Raises ConflictError unless the version is newer than that of any environment."""
        ...

    def rollout(self, rollout_id: str) -> RolloutState | None: ...
    def rollouts(self, *, flag: str | None = None, statuses: Sequence[Status] | None = None) -> list[RolloutState]:
        """Newest first."""
        ...

    def put_rollout(self, state: RolloutState) -> None:
        """Insert with revision 1, or replace the state whose revision is `state.revision - 1`."""
        ...

    def evidence(self, rollout_id: str) -> Evidence: ...
    def put_evidence(self, rollout_id: str, evidence: Evidence) -> None: ...

    def add_decision(self, row: DecisionRow) -> None: ...
    def decisions(self, rollout_id: str, *, after: int = 0, limit: int = 1000) -> list[DecisionRow]:
        """In sequence order, those with a sequence > `after`."""
        ...

    def last_decision(self, rollout_id: str) -> DecisionRow | None: ...
    def decision_count(self, rollout_id: str) -> int: ...

    def add_audit(self, row: AuditRow) -> None: ...
    def audit(self, *, subject: str | None = None, after: int = 0, limit: int = 200) -> list[AuditRow]:
        """In order of id."""
        ...

    def add_outbox(self, row: OutboxRow) -> None:
        """Raises ConflictError when the key exists already."""
        ...

    def outbox(self, *, undelivered_only: bool = False, limit: int = 200) -> list[OutboxRow]: ...
    def mark_delivered(self, outbox_id: int, at: datetime) -> None:
        """Raises NotFoundError for an id that is not there."""
        ...

    def journal(self, key: str) -> JournalRow | None: ...
    def put_journal(self, row: JournalRow) -> None:
        """Insert or replace."""
        ...

    def token_by_hash(self, sha256: str) -> TokenRow | None: ...
    def tokens(self) -> list[TokenRow]: ...
    def put_token(self, row: TokenRow) -> None:
        """Insert or replace by id."""
        ...


class ControlStore(Protocol):
    """Where control keeps what it decided. One writer at a time; a transaction commits on leaving the block without
    an error.
    """

    def transaction(self) -> AbstractContextManager[ControlTransaction]: ...

    def migrate(self) -> None:
        """Bring the schema to this version; does nothing when it is."""
        ...

    def ping(self) -> None:
        """Raises StoreUnavailableError when the store does not answer."""
        ...

    def close(self) -> None: ...
