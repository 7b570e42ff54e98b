"""Alerts of other monitors: each is taken once, tied to what is being rolled out, and noted when it is over."""

import msgspec

from ebbgate.control.audit import Actor
from ebbgate.control.incidents import machine_note, open_incident
from ebbgate.control.snapshots import SnapshotService
from ebbgate.control.triggers import ACTIVE, OUTSIDE, Cause, Pulled, TriggerService
from ebbgate.core.incidents import EntryKind, Incident, IncidentKind, Severity
from ebbgate.core.incidents.alertmanager import APP, ENVIRONMENT, FLAG, Alert, AlertmanagerMessage, AlertTaken
from ebbgate.core.rollouts.plan import Response
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, JournalRow

LINK = "/api/v1/incidents"
_STRONGEST = (Pulled.TAKEN_BACK, Pulled.FROZEN, Pulled.ASKED, Pulled.TOLD)


class AlertHookService:
    """Takes what Alertmanager posts. An alert and all that follows from it are one transaction, so that one that is
    posted again after a failure is neither lost nor taken twice.
    """

    def __init__(self, store: ControlStore, clock: Clock, snapshots: SnapshotService, triggers: TriggerService) -> None:
        self._store = store
        self._clock = clock
        self._snapshots = snapshots
        self._triggers = triggers

    def receive(self, message: AlertmanagerMessage, *, sender: str) -> list[AlertTaken]:
        """In the order of the message. sender: name of the token. Raises StoreUnavailableError: it is posted again."""
        taken = []
        for alert in message.alerts:
            with self._store.transaction() as tx:
                taken.append(
                    self._resolved(tx, alert) if alert.status == "resolved" else self._fired(tx, alert, sender)
                )
        self._snapshots.publish()
        return taken

    def _fired(self, tx: ControlTransaction, alert: Alert, sender: str) -> AlertTaken:
        if (known := tx.journal(alert.key)) is not None:
            return AlertTaken(alert=alert.name, outcome="known", incident=known.result)
        actor = Actor(name=sender, reason=f"{alert.words}; {OUTSIDE}")
        states = _meant(tx, alert)
        pulled = [self._pulled(tx, alert, state, actor) for state in states]
        outcome = next((one.value for one in _STRONGEST if one in pulled), "")
        incident = next((found for state in states if (found := tx.incident_of_rollout(state.id)) is not None), None)
        if not outcome:
            outcome, incident = self._told(tx, alert, states, incident, actor)
        if incident is None and outcome == "unmatched":
            why = "no label `app`, and no rollout that runs has its `flag`"
            return AlertTaken(alert=alert.name, outcome=outcome, why=why)
        now = self._clock.machine_now()
        row = JournalRow(key=alert.key, action="alert", started_at=now, result=incident.id if incident else "")
        tx.put_journal(row)
        return AlertTaken(
            alert=alert.name,
            outcome=outcome,
            rollouts=tuple(state.id for state in states),
            incident=row.result,
        )

    def _pulled(self, tx: ControlTransaction, alert: Alert, state: RolloutState, actor: Actor) -> Pulled:
        answer = Response.ROLLBACK if alert.asks_for_rollback else state.plan.when.alert
        if not alert.is_critical or answer is Response.HOLD:
            return Pulled.NOTHING
        cause = Cause(kind=IncidentKind.ALERT, source=f"alert:{alert.name}", episode=alert.starts_at, answer=answer)
        return self._triggers.pulled(tx, state.id, cause, actor=actor)

    def _told(
        self,
        tx: ControlTransaction,
        alert: Alert,
        states: list[RolloutState],
        incident: Incident | None,
        actor: Actor,
    ) -> tuple[str, Incident | None]:
        """In an open incident that it belongs to, or in one of its own."""
        app = states[0].plan.app if states else alert.labels.get(APP, "").strip()
        if not app:
            return "unmatched", None
        if incident is None or not incident.is_open:
            known = tx.incidents(open_only=True, app=app)
            incident = next((one for one in known if one.kind is IncidentKind.ALERT), None)
        if incident is not None:
            self._note(tx, incident, alert, actor.reason)
            return "noted", incident
        opened = open_incident(
            tx,
            self._clock,
            actor,
            app=app,
            kind=IncidentKind.ALERT,
            title=alert.words[:200],
            severity=Severity.SEV2 if alert.is_critical else Severity.SEV3,
            environment=alert.labels.get(ENVIRONMENT) or "production",
            release=states[0].release if states else None,
            flag=states[0].plan.flag if states else None,
            evidence=alert.link,
        )
        return "incident", opened

    def _resolved(self, tx: ControlTransaction, alert: Alert) -> AlertTaken:
        row = tx.journal(alert.key)
        if row is None or row.done_at is not None:
            return AlertTaken(alert=alert.name, outcome="known", incident=row.result if row is not None else "")
        tx.put_journal(msgspec.structs.replace(row, done_at=self._clock.machine_now()))
        incident = tx.incident(row.result) if row.result else None
        if incident is not None:
            self._note(tx, incident, alert, f"{alert.words}: resolved")
        return AlertTaken(alert=alert.name, outcome="resolved", incident=row.result)

    def _note(self, tx: ControlTransaction, incident: Incident, alert: Alert, text: str) -> None:
        link = alert.link or f"{LINK}/{incident.id}"
        machine_note(tx, self._clock, incident, kind=EntryKind.REPORT, text=text, link=link)


def _meant(tx: ControlTransaction, alert: Alert) -> list[RolloutState]:
    """Rollouts under way that the labels name: all labels that are there must fit, and one of flag and app must be."""
    flag, app, environment = (alert.labels.get(name, "").strip() for name in (FLAG, APP, ENVIRONMENT))
    if not flag and not app:
        return []
    return [
        state
        for state in tx.rollouts(statuses=(*ACTIVE, Status.ROLLING_BACK))
        if flag in ("", state.plan.flag) and app in ("", state.plan.app) and environment in ("", state.plan.environment)
    ]
