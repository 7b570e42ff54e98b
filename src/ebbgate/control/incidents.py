"""Incidents: opened in the transaction that takes a version back, or by people and monitors; steered by people."""

from collections.abc import Callable

import msgspec

from ebbgate.control.audit import Actor, record, tell
from ebbgate.core.errors import ConflictError, NotFoundError, TransitionError
from ebbgate.core.incidents import (
    EntryKind,
    Incident,
    IncidentKind,
    IncidentStatus,
    IncidentTrigger,
    Note,
    Role,
    Severity,
    Source,
    move,
    severity_of,
)
from ebbgate.core.rollouts.decision import Code
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction

_replace = msgspec.structs.replace
Change = Callable[[Incident], Incident]

LOOKED_THROUGH = 1_000
"""Newest incidents among which one of a flag is looked for by the flag's name."""


def open_for_rollback(
    tx: ControlTransaction,
    clock: Clock,
    state: RolloutState,
    actor: Actor,
    *,
    kind: IncidentKind,
    is_frozen: bool = False,
) -> Incident:
    """The incident of a rollout that is being taken back; the same one where it has one already.

    Call it in the transaction of the decision, so that nothing is taken back without an incident. kind: what found it.
    is_frozen: it cannot be taken back by itself (RULES F7), so that people are harmed until somebody acts.
    """
    known = tx.incident_of_rollout(state.id)
    if known is not None:
        return known
    version = state.release or "the new version"
    severity = severity_of(kind, is_exposed=any(record.hash_to > 0 for record in state.phases))
    return _opened(
        tx,
        clock,
        Incident(
            id="",
            app=state.plan.app,
            kind=kind,
            severity=Severity.SEV1 if is_frozen else severity,
            title=f"{version} is frozen: {actor.reason}" if is_frozen else f"{version} was taken back: {actor.reason}",
            trigger=actor.reason,
            opened_by=actor.name,
            opened_at=clock.machine_now(),
            plan_opened_at=clock.plan_now(),
            rollout=state.id,
            release=state.release or None,
            flag=state.plan.flag,
            environment=state.plan.environment,
            evidence=f"/api/v1/rollouts/{state.id}/decisions",
            began_at=clock.mapping.machine_time(state.record.entered_at) if state.phases else None,
            roles={Role.COMMANDER: state.plan.commander} if state.plan.commander else {},
        ),
        actor,
        is_audited=False,  # it is part of the rollback, whose change is in the audit
    )


def open_incident(
    tx: ControlTransaction,
    clock: Clock,
    actor: Actor,
    *,
    app: str,
    kind: IncidentKind,
    title: str,
    severity: Severity | None = None,
    environment: str = "production",
    release: str | None = None,
    flag: str | None = None,
    evidence: str = "",
) -> Incident:
    """One that is no rollout's. severity: by its kind, if it is not given."""
    return _opened(
        tx,
        clock,
        Incident(
            id="",
            app=app,
            kind=kind,
            severity=severity or severity_of(kind, is_exposed=True),
            title=title,
            trigger=actor.reason,
            opened_by=actor.name,
            opened_at=clock.machine_now(),
            plan_opened_at=clock.plan_now(),
            environment=environment,
            release=release,
            flag=flag,
            evidence=evidence,
        ),
        actor,
    )


def kind_of(code: Code) -> IncidentKind:
    """What found the harm, by the code of the decision that took the version back."""
    if code in (Code.CRITICAL_LIMIT, Code.STARVATION):
        return IncidentKind.CRITICAL_LIMIT
    if code in (Code.OUTAGE, Code.ALERT, Code.USER_REPORTS, Code.DATA_CORRUPTION):
        return IncidentKind(code.value)
    return IncidentKind.PERSON if code is Code.KILLED else IncidentKind.HARM


def _opened(
    tx: ControlTransaction, clock: Clock, incident: Incident, actor: Actor, *, is_audited: bool = True
) -> Incident:
    number = tx.incident_count() + 1
    incident = _replace(incident, id=f"INC-{number}", number=number)
    tx.put_incident(incident)
    if is_audited:
        _audit(tx, clock, actor, "incident.open", None, incident)
    _tell(tx, clock, actor, "incident.open", incident, words=incident.title)
    return incident


def require_incident(tx: ControlTransaction, reference: str) -> Incident:
    """By its id, by the id of its rollout, or of the flag of that name: the newest that is open, else the newest.

    Raises NotFoundError, and ConflictError where several environments have an open one of the flag.
    """
    found = tx.incident(reference) or tx.incident(reference.upper()) or tx.incident_of_rollout(reference)
    found = found or _of_flag(tx, reference)
    if found is None:
        known = ", ".join(one.id for one in tx.incidents(limit=5)) or "none yet"
        raise NotFoundError(f"no incident {reference!r}", hint=f"newest incidents: {known}")
    return found


def _of_flag(tx: ControlTransaction, flag: str) -> Incident | None:
    theirs = [one for one in tx.incidents(limit=LOOKED_THROUGH) if one.flag == flag]
    still_open = {one.environment: one.id for one in reversed(theirs) if one.is_open}
    if len(still_open) > 1:
        ids = ", ".join(f"{name} ({environment})" for environment, name in still_open.items())
        raise ConflictError(f"flag {flag!r} has several open incidents: {ids}", hint="name one of them by its id")
    newest = next((one for one in theirs if one.is_open), None)
    return newest or next(iter(theirs), None)


class IncidentService:
    """What people and monitors do with incidents."""

    def __init__(self, store: ControlStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def notes(self, reference: str) -> list[Note]:
        """In order. Raises NotFoundError."""
        with self._store.transaction() as tx:
            return tx.notes(require_incident(tx, reference).id)

    def list(self, *, open_only: bool = False, app: str | None = None, limit: int = 100) -> list[Incident]:
        """Newest first."""
        with self._store.transaction() as tx:
            return tx.incidents(open_only=open_only, app=app, limit=limit)

    def get(self, reference: str) -> Incident:
        """By id, by the id of its rollout, or by its flag. Raises NotFoundError."""
        with self._store.transaction() as tx:
            return require_incident(tx, reference)

    def note(self, reference: str, text: str, *, actor: Actor, link: str = "") -> Note:
        """Keep what somebody says. Raises NotFoundError."""
        with self._store.transaction() as tx:
            incident = require_incident(tx, reference)
            row = Note(incident=incident.id, at=self._clock.machine_now(), actor=actor.name, text=text, link=link)
            tx.add_note(row)
            record(tx, self._clock, actor, action="incident.note", subject=f"incident:{incident.id}", after=text)
            return row

    def assign(self, reference: str, role: Role, who: str, *, actor: Actor) -> Incident:
        """Give somebody a role; an empty name takes it away."""

        def change(incident: Incident) -> Incident:
            rest = {known: name for known, name in incident.roles.items() if known is not role}
            return _replace(incident, roles={**rest, role: who} if who else rest, revision=incident.revision + 1)

        return self._change(reference, actor, "incident.assign", change, words=f"{role.value}: {who or 'nobody'}")

    def set_severity(self, reference: str, severity: Severity, *, actor: Actor) -> Incident:
        """Say how grave it is."""
        with self._store.transaction() as tx:
            return grade(tx, self._clock, require_incident(tx, reference), severity, actor=actor)

    def stabilise(self, reference: str, *, actor: Actor) -> Incident:
        """Say that the harm is over. Raises TransitionError."""
        return self._move(reference, IncidentTrigger.STABILISE, actor)

    def reopen(self, reference: str, *, actor: Actor) -> Incident:
        """Say that it is not over. Raises TransitionError."""
        return self._move(reference, IncidentTrigger.REOPEN, actor)

    def close(self, reference: str, *, actor: Actor) -> Incident:
        """Finish it. Raises TransitionError while its post-mortem is not reviewed, and for a rollback's incident while
        it has none (DESIGN section 8): the draft comes a tick after the incident is stable.
        """
        with self._store.transaction() as tx:
            incident = require_incident(tx, reference)
            document = tx.post_mortem(incident.id)
            if document is None and incident.rollout is not None:
                raise TransitionError(
                    f"{incident.id} took a version back and has no post-mortem yet",
                    hint="it is drafted when the incident is stable; "
                    f'now: ebbgate postmortem draft {incident.id} --reason "..."',
                )
            if document is not None and document.reviewed_at is None:
                raise TransitionError(
                    f"the post-mortem of {incident.id} is {document.status.value.replace('_', ' ')}",
                    hint=f"finish it first: ebbgate postmortem show {incident.id}",
                )
        return self._move(reference, IncidentTrigger.CLOSE, actor)

    def _move(self, reference: str, trigger: IncidentTrigger, actor: Actor) -> Incident:
        def change(incident: Incident) -> Incident:
            return move(incident, trigger, at=self._clock.machine_now())

        return self._change(reference, actor, f"incident.{trigger.value}", change)

    def _change(self, reference: str, actor: Actor, action: str, change: Change, *, words: str = "") -> Incident:
        with self._store.transaction() as tx:
            before = require_incident(tx, reference)
            after = change(before)
            tx.put_incident(after)
            _note_change(tx, self._clock, actor, action, before, after, words=words or f"now {after.status.value}")
        return after


def grade(tx: ControlTransaction, clock: Clock, before: Incident, severity: Severity, *, actor: Actor) -> Incident:
    """The incident with the severity that somebody gives it."""
    after = _replace(before, severity=severity, revision=before.revision + 1)
    tx.put_incident(after)
    _note_change(tx, clock, actor, "incident.severity", before, after, words=f"severity {severity.value}")
    return after


def stabilised(tx: ControlTransaction, clock: Clock, incident: Incident, actor: Actor) -> Incident:
    """An active incident whose recovery is proven; any other stays as it is."""
    if incident.status is not IncidentStatus.ACTIVE:
        return incident
    after = move(incident, IncidentTrigger.STABILISE, at=clock.machine_now())
    tx.put_incident(after)
    _note_change(tx, clock, actor, "incident.stabilise", incident, after, words="recovery is proven")
    return after


def machine_note(
    tx: ControlTransaction, clock: Clock, incident: Incident, *, kind: EntryKind, text: str, link: str
) -> None:
    """Add what the system itself saw to an incident's timeline."""
    tx.add_note(
        Note(
            incident=incident.id,
            at=clock.machine_now(),
            actor="ebbgate",
            text=text,
            kind=kind,
            source=Source.MACHINE,
            link=link,
        )
    )


def _note_change(
    tx: ControlTransaction,
    clock: Clock,
    actor: Actor,
    action: str,
    before: Incident | None,
    after: Incident,
    *,
    words: str,
) -> None:
    _audit(tx, clock, actor, action, before, after)
    _tell(tx, clock, actor, action, after, words=words)


def _audit(
    tx: ControlTransaction, clock: Clock, actor: Actor, action: str, before: Incident | None, after: Incident
) -> None:
    record(
        tx, clock, actor, action=action, subject=f"incident:{after.id}", before=_summary(before), after=_summary(after)
    )


def _tell(tx: ControlTransaction, clock: Clock, actor: Actor, action: str, after: Incident, *, words: str) -> None:
    is_grave = after.severity is Severity.SEV1
    tell(
        tx,
        clock,
        topic="page" if is_grave and after.status is IncidentStatus.ACTIVE else "incident",
        subject=after.id,
        key=f"incident:{after.id}:{after.revision}",
        payload={
            "action": action,
            "actor": actor.name,
            "reason": actor.reason,
            "title": f"{after.id} ({after.severity.value}, {after.app}): {action.partition('.')[2]}",
            "words": f"{words}. {_roles(after)}".strip(),
            "severity": "critical" if is_grave else "warning",
        },
    )


def _roles(incident: Incident) -> str:
    return ", ".join(f"{role.value}: {who}" for role, who in sorted(incident.roles.items()))


def _summary(incident: Incident | None) -> dict[str, object] | None:
    if incident is None:
        return None
    return {
        "status": incident.status.value,
        "severity": incident.severity.value,
        "roles": {role.value: who for role, who in incident.roles.items()},
        "rollout": incident.rollout,
        "release": incident.release,
        "revision": incident.revision,
    }
