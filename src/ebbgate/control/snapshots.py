"""Snapshots: the flags as they are served, with every rollout and kill rendered into them (RULES B2, B6)."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import structlog

from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.flags import (
    Bucketing,
    LeaseTerms,
    Snapshot,
    decode_snapshot,
    encode_snapshot,
    raw_document,
    render_kill,
    render_rollout,
)
from ebbgate.core.rollouts.kept_out import served_rule
from ebbgate.core.rollouts.state import LOOKED_AT, RolloutState, Status
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import (
    ControlStore,
    ControlTransaction,
    EnvironmentRow,
    FlagRow,
    JournalRow,
    KillRow,
    SnapshotRow,
)
from ebbgate.ports.snapshots import SnapshotPublisher

log = structlog.get_logger("ebbgate.snapshots")

GOVERNING = frozenset({Status.RUNNING, Status.WATCHING, Status.PAUSED, Status.REVIEW, Status.SUCCEEDED})
"""States in which a rollout's rule is on its flag; the newest such rollout of a flag counts."""


class SnapshotService:
    """Stages a snapshot in the transaction of the change that causes it, and publishes what is staged.

    on_step: told "written" between the effect and its entry in the journal (RULES H1); tests end the process there.
    """

    def __init__(
        self,
        store: ControlStore,
        clock: Clock,
        publisher: SnapshotPublisher,
        *,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._publisher = publisher
        self._on_step = on_step
        self._published: dict[str, int] = {}
        self._refused: dict[str, str] = {}  # by environment, what kept its newest snapshot from being written
        self.failures = 0  # snapshots that could not be written
        self._publishing = threading.Lock()

    def stage(self, tx: ControlTransaction, environment: str, *, cause: str) -> int:
        """Add the next snapshot of an environment as the store now stands; returns its version."""
        version = tx.latest_version() + 1
        snapshot = self._render(tx, environment, version)
        tx.add_snapshot(
            SnapshotRow(
                version=version,
                environment=environment,
                body=encode_snapshot(snapshot),
                cause=cause,
                created_at=snapshot.published_at,
            )
        )
        return version

    def ensure(self, environments: Iterable[str]) -> None:
        """Create those that there are not, each with a first snapshot, so that the edge has something to serve."""
        with self._store.transaction() as tx:
            for environment in environments:
                if tx.environment(environment) is None:
                    tx.put_environment(EnvironmentRow(name=environment, created_at=self._clock.machine_now()))
                if tx.latest_snapshot(environment) is None:
                    self.stage(tx, environment, cause="first start")

    def publish(self) -> list[int]:
        """Publish each environment's newest snapshot that was not published since this start; returns the versions.

        Repeatable (RULES H1): publishing a version twice changes nothing. A file that cannot be written is told and
        counted,
        never raised: what caused the snapshot is committed, and the loop tries again at each tick. Raises
        StoreUnavailableError when the store does not answer.
        """
        with self._publishing:  # the API's threads and the loop's: else an older snapshot could replace a newer one
            with self._store.transaction() as tx:
                rows = [row for env in tx.environments() if (row := tx.latest_snapshot(env)) is not None]
            due = [row for row in rows if self._published.get(row.environment) != row.version]
            return [row.version for row in due if self._publish(row)]

    def unpublished(self, environment: str, version: int) -> str:
        """Why neither this version nor a later one is published, or nothing. Raises StoreUnavailableError."""
        if self._published.get(environment, 0) >= version or not (refused := self._refused.get(environment)):
            return ""
        with self._store.transaction() as tx:
            journal = tx.journal(f"publish:{environment}:{version}")
        return "" if journal is not None and journal.done_at is not None else refused

    def _publish(self, row: SnapshotRow) -> bool:
        """Publish one snapshot, journaled before and after; False if it could not be written."""
        self._journal(row, done=False)
        try:
            self._publisher.publish(decode_snapshot(row.body))
        except StoreUnavailableError as error:
            self.failures += 1
            self._refused[row.environment] = error.message
            log.error("publish_failed", environment=row.environment, version=row.version, error=error.message)
            return False
        self._on_step("written")
        self._published[row.environment] = row.version
        self._refused.pop(row.environment, None)
        self._journal(row, done=True)
        return True

    def _journal(self, row: SnapshotRow, *, done: bool) -> None:
        key = f"publish:{row.environment}:{row.version}"
        now = self._clock.machine_now()
        with self._store.transaction() as tx:
            before = tx.journal(key)
            started = before.started_at if before is not None else now
            tx.put_journal(JournalRow(key=key, action="publish", started_at=started, done_at=now if done else None))

    def _render(self, tx: ControlTransaction, environment: str, version: int) -> Snapshot:
        rollouts = governing_rollouts(tx, environment)
        kills = {kill.flag: kill for kill in tx.kills(environment)}
        flags: dict[str, Any] = {}
        leases: dict[str, LeaseTerms] = {}
        for row in tx.flags(environment):
            rollout = rollouts.get(row.key)
            flags[row.key] = render_flag(row, rollout, kills.get(row.key))
            active = active_rollout(tx, environment, row.key)
            if active is not None and not active.plan.is_external:
                leases[row.key] = LeaseTerms(
                    control_variant=active.plan.control_variant,
                    server_lost_s=active.plan.when.server_lost.total_seconds(),
                    rollout_id=active.id,
                )
        return Snapshot(
            version=version,
            environment=environment,
            flag_set=environment,
            published_at=self._clock.machine_now(),
            clock=self._clock.mapping,
            document=raw_document({"flags": flags, "metadata": {"flagSetId": environment, "version": str(version)}}),
            bucketing=bucketing_of(tx, environment),
            leases=leases,
        )


def render_flag(row: FlagRow, rollout: RolloutState | None, kill: KillRow | None) -> dict[str, Any]:
    """The flag as it is served: its definition, then the rollout's rule, then the kill, which outranks both."""
    definition = row.definition
    if rollout is not None:
        definition = render_rollout(definition, served_rule(rollout, opt_in=row.opt_in))
    return render_kill(definition, kill.variant) if kill is not None else definition


def governing_rollouts(tx: ControlTransaction, environment: str) -> dict[str, RolloutState]:
    """By flag, the rollout whose rule is on it: the newest that began, unless it was aborted or taken back.

    An older one never comes into force again: that would expose everybody to what it had rolled out. Nor does one of an
    earlier flag of that name, which was deleted.
    """
    newest: dict[str, RolloutState] = {}
    deleted = tx.flag_deletions(environment)
    for state in tx.rollouts():
        if state.plan.environment != environment or not state.phases or state.plan.is_external:
            continue
        if state.phases[-1].snapshot_version >= deleted.get(state.plan.flag, 0):
            newest.setdefault(state.plan.flag, state)
    return {flag: state for flag, state in newest.items() if state.status in GOVERNING}


def bucketing_of(tx: ControlTransaction, environment: str) -> Bucketing:
    """The generation by which all flags of an environment draw people (flags.md); v2 unless it was set."""
    row = tx.environment(environment)
    return row.bucketing if row is not None else "v2"


def active_rollout(tx: ControlTransaction, environment: str, flag: str) -> RolloutState | None:
    """The rollout of a flag that the loop looks at, if there is one."""
    states = tx.rollouts(flag=flag, statuses=sorted(LOOKED_AT))
    return next((s for s in states if s.plan.environment == environment), None)


def served_flags(row: SnapshotRow) -> dict[str, Any]:
    """Flags as a snapshot serves them, by key."""
    document = msgspec.json.decode(decode_snapshot(row.body).document)
    flags: dict[str, Any] = document.get("flags", {})
    return flags
