"""What people do with rollouts, from the start to the way back; nothing without a name and a reason."""

from collections.abc import Callable

import msgspec

from ebbgate.control.audit import Actor, record_and_tell
from ebbgate.control.flags_rows import check_definition, put_definition, put_kill, require_environment, require_flag
from ebbgate.control.incidents import open_for_rollback
from ebbgate.control.releases_find import admit_rollout, has_target, release_of_rollout
from ebbgate.control.snapshots import SnapshotService, active_rollout, bucketing_of, governing_rollouts
from ebbgate.core.errors import ConflictError, NotFoundError, PlanError, TransitionError
from ebbgate.core.incidents import IncidentKind
from ebbgate.core.rollbacks.drill import DrillStatus, is_recent, newest_whole
from ebbgate.core.rollouts import lint_plan
from ebbgate.core.rollouts.plan import Mode, Plan
from ebbgate.core.rollouts.state import RolloutState, Status, contrast_of
from ebbgate.core.rollouts.steps import abort, advance, begin, pause, resume, roll_back
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction
from ebbgate.ports.event_store import EventStore


class RolloutService:
    """What people do with rollouts. What the loop does is in `looker`; both use the same steps."""

    def __init__(self, store: ControlStore, events: EventStore, clock: Clock, snapshots: SnapshotService) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._snapshots = snapshots

    def list(self) -> list[RolloutState]:
        """Newest first."""
        with self._store.transaction() as tx:
            return tx.rollouts()

    def get(self, reference: str) -> RolloutState:
        """A rollout by its id, or the newest of a flag. Raises NotFoundError."""
        with self._store.transaction() as tx:
            return find_rollout(tx, reference)

    def start(self, plan: Plan, *, release: str, actor: Actor, override: bool = False) -> RolloutState:
        """Start a rollout of the plan's flag. Raises PlanError (lint), ConflictError (one is running, or the flag is
        killed), QuarantineError (the release is bad, and nobody overrides it), TransitionError (it was built here, and
        its app has no stable release to go back to: RULES H4; or what the plan's `preflight` asks for is missing),
        NotFoundError (of an app whose releases are registered, this one is not; or there is no such environment).
        """
        refuse_unworkable(plan)
        with self._store.transaction() as tx:
            admit_rollout(tx, plan, release, override=override)
            if not override:
                self._refuse_unready(tx, plan, release)
            state = self._begin(tx, plan, release=release, actor=actor, attempt=1, lineage=None)
        self._snapshots.publish()
        return state

    def retry(self, reference: str, *, actor: Actor) -> RolloutState:
        """Start an ended rollout again, as a new try with a new alpha (RULES E5); other users, if any were exposed
        (B2).
        """
        with self._store.transaction() as tx:
            ended = find_rollout(tx, reference)
            if not ended.is_over:
                raise TransitionError(f"rollout {ended.id} is {ended.status.value}", hint="abort it first, then retry")
            if ended.status is Status.SUCCEEDED:
                raise TransitionError(f"rollout {ended.id} has succeeded", hint="start a new one for the next release")
            admit_rollout(tx, ended.plan, ended.release, override=False)
            kept = ended.lineage if not self._was_exposed(ended) else None
            state = self._begin(
                tx, ended.plan, release=ended.release, actor=actor, attempt=ended.attempt + 1, lineage=kept
            )
        self._snapshots.publish()
        return state

    def pause(self, reference: str, *, actor: Actor) -> RolloutState:
        """Pause a rollout; exposure stays where it is, and the gates go on looking (RULES F5)."""
        return self._change(reference, actor, "rollout.pause", lambda tx, s: pause(s, reason=actor.reason))

    def resume(self, reference: str, *, actor: Actor) -> RolloutState:
        """Go on from a pause or a review."""
        return self._change(reference, actor, "rollout.resume", lambda tx, s: resume(s, reason=actor.reason))

    def promote(self, reference: str, *, actor: Actor) -> RolloutState:
        """Go to the next phase now, on a person's word. Raises TransitionError where harm was shown: take it back."""

        def step(tx: ControlTransaction, state: RolloutState) -> RolloutState:
            evidence = tx.evidence(state.id)
            harmed = {name for name, metric in evidence.metrics.items() if metric.harm_shown_at is not None}
            harmed |= {name for name, late in evidence.late.items() if late.harm_shown_at is not None}
            if harmed:
                raise TransitionError(
                    f"harm was shown on {', '.join(sorted(harmed))}",
                    hint=f"take it back: ebbgate rollback {state.id} --reason ...",
                )
            return advance(
                state,
                snapshot_version=tx.latest_version() + 1,
                measured_attribute_share=measured_attribute_share(self._events, state),
                now=self._clock.plan_now(),
                reason=f"promoted by {actor.name}: {actor.reason}",
            )

        return self._change(reference, actor, "rollout.promote", step, cause="promoted")

    def abort(self, reference: str, *, actor: Actor) -> RolloutState:
        """End a rollout without a verdict; everybody gets the flag's own default again."""

        def step(tx: ControlTransaction, state: RolloutState) -> RolloutState:
            return abort(state, reason=actor.reason, now=self._clock.plan_now())

        return self._change(reference, actor, "rollout.abort", step, cause="aborted")

    def roll_back(self, reference: str, *, actor: Actor) -> RolloutState:
        """Take the version back now: the flag goes off in this transaction, then the loop proves and verifies.

        One that is being taken back, or was, stays as it is: asking twice at night is no mistake.
        """
        with self._store.transaction() as tx:
            found = find_rollout(tx, reference)
        if found.status in (Status.ROLLING_BACK, Status.ROLLED_BACK):
            return found
        if found.plan.is_external:
            raise TransitionError(
                f"rollout {found.id} only watches a flag of another system",
                hint=f"switch it there; then end this: ebbgate rollout abort {found.id} --reason ...",
            )

        def step(tx: ControlTransaction, state: RolloutState) -> RolloutState:
            governing = governing_rollouts(tx, state.plan.environment).get(state.plan.flag)
            if state.status is Status.SUCCEEDED and (governing is None or governing.id != state.id):
                newer = f"rollout {governing.id} has" if governing is not None else "a later one has"
                raise TransitionError(
                    f"rollout {state.id} no longer rules flag {state.plan.flag!r}: {newer} taken its place",
                    hint=f"roll back the newest one, or switch the flag off: "
                    f'ebbgate flag kill {state.plan.flag} --reason "..."',
                )
            return begin_rollback(tx, self._clock, state, actor)

        return self._change(reference, actor, "rollout.roll_back", step, cause="rolled back")

    def set_status(self, environment: str, flag: str, *, is_enabled: bool, actor: Actor) -> RolloutState | None:
        """The client's own command, for a flag with a running rollout: off takes it back. None if no rollout is
        running.
        """
        with self._store.transaction() as tx:
            require_flag(tx, environment, flag)
            rollout = active_rollout(tx, environment, flag)
        if rollout is None or is_enabled or rollout.status is Status.ROLLING_BACK:
            return None
        return self.roll_back(rollout.id, actor=actor)

    def _begin(
        self, tx: ControlTransaction, plan: Plan, *, release: str, actor: Actor, attempt: int, lineage: str | None
    ) -> RolloutState:
        require_environment(tx, plan.environment)
        self._refuse_busy(tx, plan)
        if tx.flag(plan.environment, plan.flag) is None and not plan.is_external:
            definition = new_flag(plan)
            check_definition(plan.flag, definition)
            put_definition(tx, self._clock, plan.environment, plan.flag, definition, actor=actor)
        plan = _as_reversible(tx, plan, release)
        now = self._clock.plan_now()
        rollout_id = f"{plan.flag}-{len(tx.rollouts(flag=plan.flag)) + 1}"
        draft = RolloutState(
            id=rollout_id,
            lineage=lineage or rollout_id,
            attempt=attempt,
            release=release,
            plan=plan,
            mode=plan.mode or self._default_mode(tx, plan),
            status=Status.DRAFT,
            created_at=now,
            revision=1,
            reason=actor.reason,
            bucketing=bucketing_of(tx, plan.environment),
        )
        state = begin(draft, snapshot_version=tx.latest_version() + 1, now=now)
        tx.put_rollout(state)
        self._snapshots.stage(tx, plan.environment, cause=f"rollout {state.id} started")
        note_change(tx, self._clock, actor, "rollout.start", None, state)
        return state

    def _refuse_unready(self, tx: ControlTransaction, plan: Plan, release: str) -> None:
        """What the plan itself asks for before it starts: approvals and a recent drill."""
        terms, found = plan.preflight, release_of_rollout(tx, plan.app, release)
        given = len(found.approvals) if found is not None else 0
        if given < terms.approvals:
            raise TransitionError(
                f"{release or 'the release'} has {given} of {terms.approvals} approvals",
                hint=f"ebbgate release approve {release or 'VERSION'} --reason ...; or insist with --override",
            )
        is_deployed = plan.deploy is not None or has_target(tx, plan.app)
        drills = tx.drills(app=plan.app, status=DrillStatus.PASSED, limit=1_000)
        passed = newest_whole(drills, is_deployed=is_deployed)
        now = self._clock.machine_now()
        if terms.drill_within is not None and not is_recent(passed, within=terms.drill_within, now=now):
            raise TransitionError(
                f"no drill of {plan.app} has passed within {terms.drill_within}",
                hint=f"ebbgate rollback drill {plan.app} --reason ...; or insist with --override",
            )

    def _refuse_busy(self, tx: ControlTransaction, plan: Plan) -> None:
        if (running := active_rollout(tx, plan.environment, plan.flag)) is not None:
            raise ConflictError(
                f"rollout {running.id} of flag {plan.flag!r} is {running.status.value}",
                hint=f"end it first: ebbgate rollout abort {running.id} --reason ...",
            )
        if not plan.is_external and any(kill.flag == plan.flag for kill in tx.kills(plan.environment)):
            raise ConflictError(
                f"flag {plan.flag!r} is switched off by a kill",
                hint=f'lift it first: ebbgate flag restore {plan.flag} --reason "..."',
            )

    def _default_mode(self, tx: ControlTransaction, plan: Plan) -> Mode:
        """The first rollout of an application only recommends (RULES F6). One that was ended before anybody had the
        new version has shown nobody how the application is judged, and is not counted.
        """
        theirs = (state for state in tx.rollouts() if state.plan.app == plan.app)
        return Mode.ACT if any(_ended_by_itself(state) or self._was_seen(state) for state in theirs) else Mode.RECOMMEND

    def _was_seen(self, state: RolloutState) -> bool:
        """Whether anybody is known to have had the new version."""
        return any(
            self._events.first_treated_at(contrast_of(state, record.index)) is not None for record in state.phases
        )

    def _was_exposed(self, state: RolloutState) -> bool:
        if any(record.hash_to > 0 for record in state.phases):
            return True  # exposures may still be on their way (RULES B2)
        return self._was_seen(state)

    def _change(
        self,
        reference: str,
        actor: Actor,
        action: str,
        step: Callable[[ControlTransaction, RolloutState], RolloutState],
        *,
        cause: str | None = None,
    ) -> RolloutState:
        with self._store.transaction() as tx:
            before = find_rollout(tx, reference)
            after = stored(tx, before, step(tx, before))
            if cause is not None:
                self._snapshots.stage(tx, after.plan.environment, cause=f"rollout {after.id} {cause}")
            note_change(tx, self._clock, actor, action, before, after)
        self._snapshots.publish()
        return after


def _ended_by_itself(state: RolloutState) -> bool:
    """To its end, or taken back by what judges it."""
    by_us = state.rollback is not None and state.rollback.actor == "ebbgate"
    return state.status is Status.SUCCEEDED or (by_us and state.is_over)


def _as_reversible(tx: ControlTransaction, plan: Plan, release: str) -> Plan:
    """The plan as its release allows: of one that cannot be taken back, no phase can be (RULES F7)."""
    found = release_of_rollout(tx, plan.app, release)
    if found is None or found.reversible:
        return plan
    phases = tuple(msgspec.structs.replace(phase, reversible=False) for phase in plan.phases)
    return msgspec.structs.replace(plan, phases=phases)


def find_rollout(tx: ControlTransaction, reference: str) -> RolloutState:
    """A rollout by id, or of the flag of that name: the active one, else the newest.

    Raises NotFoundError, and ConflictError where the flag has active rollouts in several environments.
    """
    found = tx.rollout(reference)
    if found is None:
        candidates = tx.rollouts(flag=reference)
        active = [state for state in candidates if not state.is_over]
        if len(active) > 1:
            ids = ", ".join(f"{state.id} ({state.plan.environment})" for state in active)
            raise ConflictError(f"flag {reference!r} has several active rollouts: {ids}", hint="name one of them by id")
        found = next(iter([*active, *candidates]), None)
    if found is None:
        known = ", ".join(state.id for state in tx.rollouts()[:5]) or "none yet"
        raise NotFoundError(f"no rollout {reference!r}", hint=f"newest rollouts: {known}")
    return found


def stored(tx: ControlTransaction, before: RolloutState, after: RolloutState) -> RolloutState:
    """Write a changed state with the next revision. Raises ConflictError when somebody else was faster."""
    after = msgspec.structs.replace(after, revision=before.revision + 1)
    tx.put_rollout(after)
    return after


def begin_rollback(
    tx: ControlTransaction,
    clock: Clock,
    state: RolloutState,
    actor: Actor,
    *,
    kind: IncidentKind = IncidentKind.PERSON,
) -> RolloutState:
    """Write the kill overlay, open the incident, and give the state that follows; the caller stores it and stages the
    snapshot. kind: what found the harm.
    """
    after = roll_back(
        state,
        reason=actor.reason,
        actor=actor.name,
        off_version=tx.latest_version() + 1,
        now=clock.plan_now(),
        machine_now=clock.machine_now(),
    )
    row = require_flag(tx, state.plan.environment, state.plan.flag)
    put_kill(tx, clock, row, actor, variant=state.plan.control_variant)
    open_for_rollback(tx, clock, state, actor, kind=kind)
    return after


def note_change(
    tx: ControlTransaction,
    clock: Clock,
    actor: Actor,
    action: str,
    before: RolloutState | None,
    after: RolloutState,
) -> None:
    """One audit row and one outbox row for one change of a rollout; every end state tells the same (DESIGN section
    6).
    """
    subject = ("rollout", after.id, after.revision)
    was = _summary(before) if before is not None else None
    record_and_tell(tx, clock, actor, action=action, subject=subject, before=was, after=_summary(after))


def _summary(state: RolloutState) -> dict[str, object]:
    return {
        "status": state.status.value,
        "phase": state.phase.name,
        "revision": state.revision,
        "proposes": state.review.proposes if state.review is not None else None,
        "hash_ppm": state.record.hash_to if state.phases else 0,
        "outcome": state.rollback.outcome.value if state.rollback and state.rollback.outcome else None,
    }


def measured_attribute_share(events: EventStore, state: RolloutState) -> float:
    """Share of the current phase's units that are exposed by attribute (RULES B1); 0 while there are none."""
    seen = events.assignment(contrast_of(state))
    total = seen.treatment + seen.control + seen.veterans + seen.audience
    return seen.audience / total if total else 0.0


def refuse_unworkable(plan: Plan) -> None:
    """Raises PlanError for the first thing that cannot work."""
    for finding in lint_plan(plan):
        if finding.level == "error":
            raise PlanError(finding.message, hint=finding.hint, path=finding.path)


def new_flag(plan: Plan) -> dict[str, object]:
    """The flag that a plan needs, where there is none yet: boolean, old version by default."""
    return {
        "state": "ENABLED",
        "variants": {plan.treatment_variant: True, plan.control_variant: False},
        "defaultVariant": plan.control_variant,
    }
