"""An incident's timeline, put together from stored rows: a kill loses nothing of it, as nothing is copied."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from ebbgate.core.incidents import Entry, EntryKind, Incident, Note, Source, merged
from ebbgate.core.rollouts.decision import Hold
from ebbgate.ports.control_store import AuditRow, ControlTransaction, DecisionRow
from ebbgate.ports.delivery_store import DeliveryRow

SYSTEM = "ebbgate"
"""The actor of what the loop does by itself."""

LEAD = timedelta(hours=1)
"""Machine time before an incident without a rollout from which on changes belong to its story."""

_KINDS = {
    "rollout": EntryKind.ROLLOUT,
    "rollback": EntryKind.RECOVERY,
    "flag": EntryKind.FLAG,
    "incident": EntryKind.INCIDENT,
    "deployment": EntryKind.DEPLOYMENT,
    "release": EntryKind.RELEASE,
    "postmortem": EntryKind.INCIDENT,
    "action": EntryKind.INCIDENT,
}
PAGE = 1_000
"""Rows read at a time."""


def timeline(tx: ControlTransaction, incident: Incident) -> list[Entry]:
    """All entries, oldest first: from the start of the rollout on, as users had the new version from then on. Holds of
    one reason in a row are one entry that says how often.
    """
    begun = _begun(tx, incident)
    end = incident.closed_at
    parts = [
        [_opened(incident)],
        _decisions(tx, incident),
        _changes(tx, incident),
        _deliveries(tx, incident, since=begun),
        (_note(row) for row in tx.notes(incident.id)),
    ]
    return [entry for entry in merged(*parts) if entry.at >= begun and (end is None or entry.at <= end)]


def _begun(tx: ControlTransaction, incident: Incident) -> datetime:
    if incident.rollout is not None and (started := tx.audit(subject=f"rollout:{incident.rollout}", limit=1)):
        return started[0].at
    return incident.began_at or incident.opened_at - LEAD


def _opened(incident: Incident) -> Entry:
    return Entry(
        at=incident.opened_at,
        plan_at=incident.plan_opened_at,
        kind=EntryKind.INCIDENT,
        words=f"{incident.id} opened ({incident.severity.value}, {incident.kind.value}): {incident.trigger}",
        source=Source.MACHINE if incident.opened_by == SYSTEM else Source.PERSON,
        actor=incident.opened_by,
        link=incident.evidence or f"/api/v1/incidents/{incident.id}",
    )


def _decisions(tx: ControlTransaction, incident: Incident) -> Iterator[Entry]:
    if incident.rollout is None:
        return
    run: list[DecisionRow] = []
    for row in all_decisions(tx, incident.rollout):
        is_same = run and isinstance(row.decision, Hold) and row.decision.code == run[-1].decision.code
        if run and not (is_same and isinstance(run[-1].decision, Hold)):
            yield _decision(run)
            run = []
        run.append(row)
    if run:
        yield _decision(run)


def all_decisions(tx: ControlTransaction, rollout_id: str) -> Iterator[DecisionRow]:
    """Every decision of a rollout, in order."""
    after = 0
    while rows := tx.decisions(rollout_id, after=after, limit=PAGE):
        yield from rows
        after = rows[-1].sequence


def _decision(run: list[DecisionRow]) -> Entry:
    row = run[0]
    return Entry(
        at=row.machine_at,
        plan_at=row.looked_at,
        kind=EntryKind.DECISION,
        words=f"{type(row.decision).__name__.lower()} ({row.decision.code.value}): {row.decision.reason}",
        source=Source.MACHINE,
        actor=SYSTEM,
        link=f"/api/v1/rollouts/{row.rollout_id}/explain?sequence={row.sequence}",
        times=len(run),
    )


def _changes(tx: ControlTransaction, incident: Incident) -> Iterator[Entry]:
    subjects = [f"incident:{incident.id}"]
    if incident.rollout is not None:
        subjects.append(f"rollout:{incident.rollout}")
    if incident.flag is not None:
        subjects.append(f"flag:{incident.environment}/{incident.flag}")
    if incident.release is not None:
        subjects += [f"release:{incident.release}", f"release:{incident.app}@{incident.release}"]
    for subject in subjects:
        for row in _audit(tx, subject):
            if row.action not in ("incident.note", "incident.open"):  # entries of their own
                yield _change(row)


def _audit(tx: ControlTransaction, subject: str) -> Iterator[AuditRow]:
    after = 0
    while rows := tx.audit(subject=subject, after=after, limit=PAGE):
        yield from rows
        after = rows[-1].id


def _change(row: AuditRow) -> Entry:
    noun, _, verb = row.action.partition(".")
    kind = EntryKind.PROOF if row.action == "rollback.propagated" else _KINDS.get(noun, EntryKind.INCIDENT)
    return Entry(
        at=row.at,
        kind=kind,
        words=f"{noun} {verb.replace('_', ' ')}: {row.reason}",
        source=Source.MACHINE if row.actor == SYSTEM else Source.PERSON,
        actor=row.actor,
        link=f"/api/v1/audit?subject={row.subject}&after={row.id - 1}&limit=1",
    )


def _deliveries(tx: ControlTransaction, incident: Incident, *, since: datetime) -> Iterator[Entry]:
    """Messages about it, those that were refused as well."""
    wanted = {f"incident:{incident.id}:"}
    if incident.rollout is not None:
        wanted |= {f"rollout:{incident.rollout}:", f"decision:{incident.rollout}:", f"rollback:{incident.rollout}:"}
    for row in _sent(tx, since=since):
        if any(row.key.startswith(prefix) for prefix in wanted):
            yield _delivery(row)


def _sent(tx: ControlTransaction, *, since: datetime) -> Iterator[DeliveryRow]:
    after = 0
    while rows := tx.deliveries(since=since, after=after, limit=PAGE):
        yield from rows
        after = rows[-1].id


def _delivery(row: DeliveryRow) -> Entry:
    state = "told" if row.delivered_at is not None else "gave up on" if row.gave_up_at is not None else "could not tell"
    why = f" ({row.error})" if row.error else ""
    return Entry(
        at=row.delivered_at or row.gave_up_at or row.at,
        kind=EntryKind.NOTIFICATION,
        words=f"{state} {row.channel}: {row.message.title}{why}",
        source=Source.MACHINE,
        actor=SYSTEM,
        link=f"/api/v1/notifications?after={row.id - 1}&limit=1",
    )


def _note(row: Note) -> Entry:
    return Entry(
        at=row.at,
        kind=row.kind,
        words=row.text,
        source=row.source,
        actor=row.actor,
        link=row.link or f"/api/v1/incidents/{row.incident}/notes",
    )
