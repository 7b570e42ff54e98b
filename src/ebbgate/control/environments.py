"""Environments: each has its flags, its snapshot, and one generation of bucketing (flags.md section 1)."""

import msgspec

from ebbgate.control.audit import Actor, record
from ebbgate.control.flags_rows import require_environment
from ebbgate.control.rollouts import note_change, stored
from ebbgate.control.snapshots import SnapshotService, bucketing_of
from ebbgate.core.audiences import Bucketing
from ebbgate.core.errors import ConflictError
from ebbgate.core.flags.environments_view import BucketingView, EnvironmentView
from ebbgate.core.rollouts.state import LOOKED_AT, Status
from ebbgate.core.rollouts.steps import abort
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, EnvironmentRow

_REDRAWN = frozenset(LOOKED_AT - {Status.ROLLING_BACK})
"""Rollouts whose people would move. One that is being taken back serves the control to everybody: its proof goes on."""


class EnvironmentService:
    """Creates environments and changes their settings; each change leaves one audit row in its transaction."""

    def __init__(self, store: ControlStore, clock: Clock, snapshots: SnapshotService) -> None:
        self._store = store
        self._clock = clock
        self._snapshots = snapshots

    def list(self) -> list[EnvironmentView]:
        """By name."""
        with self._store.transaction() as tx:
            return [_view(tx, name) for name in tx.environments()]

    def create(self, name: str, *, bucketing: Bucketing, actor: Actor) -> EnvironmentView:
        """A new environment with its first snapshot. Raises ConflictError."""
        with self._store.transaction() as tx:
            if name in tx.environments():
                raise ConflictError(f"there is an environment {name!r} already", hint="choose another name")
            row = EnvironmentRow(name=name, created_at=self._clock.machine_now(), bucketing=bucketing)
            tx.put_environment(row)
            self._snapshots.stage(tx, name, cause="environment created")
            subject, after = f"environment:{name}", {"bucketing": bucketing}
            record(tx, self._clock, actor, action="environment.create", subject=subject, after=after)
            view = _view(tx, name)
        self._snapshots.publish()
        return view

    def set_bucketing(self, name: str, bucketing: Bucketing, *, actor: Actor) -> BucketingView:
        """Let percentages draw people by another generation. Everybody is drawn anew, so running rollouts are aborted:
        their evidence is about other people. Setting what is set already changes nothing. Raises NotFoundError.
        """
        with self._store.transaction() as tx:
            require_environment(tx, name)
            before = bucketing_of(tx, name)
            aborted = self._change(tx, name, before, bucketing, actor) if before != bucketing else ()
            view = _view(tx, name)
        self._snapshots.publish()
        return BucketingView(environment=view, aborted=aborted, note=_note(name, before, bucketing, aborted))

    def _change(
        self, tx: ControlTransaction, name: str, before: Bucketing, after: Bucketing, actor: Actor
    ) -> tuple[str, ...]:
        row = tx.environment(name) or EnvironmentRow(name=name, created_at=self._clock.machine_now())
        tx.put_environment(msgspec.structs.replace(row, bucketing=after))
        why = Actor(name=actor.name, reason=f"bucketing of {name} changed from {before} to {after}: {actor.reason}")
        aborted = []
        for state in tx.rollouts(statuses=sorted(_REDRAWN)):
            if state.plan.environment == name:
                ended = stored(tx, state, abort(state, reason=why.reason, now=self._clock.plan_now()))
                note_change(tx, self._clock, why, "rollout.abort", state, ended)
                aborted.append(state.id)
        self._snapshots.stage(tx, name, cause=f"bucketing {after}")
        record(
            tx,
            self._clock,
            actor,
            action="environment.bucketing",
            subject=f"environment:{name}",
            before=before,
            after={"bucketing": after, "aborted": aborted},
        )
        return tuple(aborted)


def _note(name: str, before: Bucketing, after: Bucketing, aborted: tuple[str, ...]) -> str:
    if before == after:
        return f"{name} draws people by {after} already; nothing was changed"
    ended = f"; aborted: {', '.join(aborted)}" if aborted else "; no rollout was running"
    return f"{name} draws people by {after} from now on, so every percentage has other people than by {before}{ended}"


def _view(tx: ControlTransaction, name: str) -> EnvironmentView:
    row, latest = tx.environment(name), tx.latest_snapshot(name)
    return EnvironmentView(
        name=name,
        bucketing=bucketing_of(tx, name),
        created_at=row.created_at if row is not None else None,
        flags=len(tx.flags(name)),
        snapshot_version=latest.version if latest is not None else 0,
    )
