"""Takes what users report: stored, tied to the version that they had, and what the plan makes of it."""

import msgspec

from ebbgate.control.audit import Actor, record
from ebbgate.control.flags_rows import require_environment, require_flag
from ebbgate.control.incidents import machine_note, open_incident
from ebbgate.control.snapshots import SnapshotService
from ebbgate.control.triggers import ACTIVE, OUTSIDE, Cause, Pulled, TriggerService
from ebbgate.core.errors import BadRequestError, NotFoundError
from ebbgate.core.incidents import EntryKind, Incident, IncidentKind
from ebbgate.core.rollbacks.reports import AddReport, Report, ReportStanding, ReportTaken, arm_of, share_of, standing
from ebbgate.core.rollouts.plan import ReportTerms
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction
from ebbgate.ports.event_store import EventStore

SOURCE = "reports"
_replace = msgspec.structs.replace


class ReportService:
    """Counts reports for the rollouts under way. One with none is kept all the same, if its flag is known."""

    def __init__(
        self,
        store: ControlStore,
        events: EventStore,
        clock: Clock,
        snapshots: SnapshotService,
        triggers: TriggerService,
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._snapshots = snapshots
        self._triggers = triggers

    def add(self, asked: AddReport, *, reporter: str, may_read: bool = True) -> list[ReportTaken]:
        """One for each rollout that it counts for, or one that counts for none. Raises BadRequestError, and
        NotFoundError for a flag or an environment that is not there: a misspelt one would count for nothing.
        may_read: whether the reporter may be told the names of those that are.
        """
        if not asked.app and not asked.flag:
            raise BadRequestError("the report says neither `app` nor `flag`", hint="say what it is about")
        if asked.unit and asked.count != 1:
            raise BadRequestError("one unit makes one report", hint="leave `count` out, or the unit")
        with self._store.transaction() as tx:
            _require_known(tx, asked, may_read=may_read)
            taken = [self._counted(tx, asked, state, reporter) for state in _meant(tx, asked)]
            if not taken:
                taken = [ReportTaken(report=tx.add_report(self._report(asked, reporter)))]
            actor = Actor(name=reporter, reason=asked.reason.strip())
            subject = f"rollout:{taken[0].report.rollout}" if taken[0].report.rollout else f"app:{asked.app}"
            record(tx, self._clock, actor, action="report.add", subject=subject, after={"kind": asked.kind})
        self._snapshots.publish()
        return taken

    def standings(self) -> list[ReportStanding]:
        """Of every rollout under way."""
        with self._store.transaction() as tx:
            states = tx.rollouts(statuses=ACTIVE)
            return [standing(state.plan, state.id, tx.reports(rollout=state.id)) for state in states]

    def _report(self, asked: AddReport, reporter: str) -> Report:
        return Report(
            at=self._clock.machine_now(),
            app=asked.app,
            environment=asked.environment,
            kind=asked.kind.strip(),
            text=asked.reason.strip(),
            reporter=reporter,
            flag=asked.flag,
            unit=asked.unit,
            variant=asked.variant,
            count=asked.count,
        )

    def _counted(self, tx: ControlTransaction, asked: AddReport, state: RolloutState, reporter: str) -> ReportTaken:
        plan = state.plan
        variant = asked.variant
        if asked.unit:
            found = self._events.last_variant(environment=plan.environment, flag=plan.flag, unit=asked.unit)
            variant = found or variant
        report = _replace(
            self._report(asked, reporter),
            app=plan.app,
            flag=plan.flag,
            rollout=state.id,
            variant=variant,
            arm=arm_of(plan, variant),
            share=share_of(state.record.hash_to),
        )
        report = tx.add_report(report)
        now = standing(plan, state.id, tx.reports(rollout=state.id))
        taken = ReportTaken(report=report, standing=now)
        self._note(tx, state, report)
        if not now.is_alarming or plan.reports is None or state.status not in ACTIVE:
            return taken
        return self._alarmed(tx, state, taken, now, plan.reports)

    def _alarmed(
        self, tx: ControlTransaction, state: RolloutState, taken: ReportTaken, now: ReportStanding, terms: ReportTerms
    ) -> ReportTaken:
        actor = Actor(name="ebbgate", reason=f"user reports: {now.why}; {OUTSIDE}")
        cause = Cause(kind=IncidentKind.USER_REPORTS, source=SOURCE, answer=terms.then)
        pulled = self._triggers.pulled(tx, state.id, cause, actor=actor)
        incident = tx.incident_of_rollout(state.id)
        if pulled is Pulled.ASKED and incident is None:
            incident = self._opened(tx, state, actor)
        outcome = "" if pulled is Pulled.NOTHING else pulled.value
        return _replace(taken, outcome=outcome, incident=incident.id if incident is not None else "")

    def _opened(self, tx: ControlTransaction, state: RolloutState, actor: Actor) -> Incident:
        """Somebody is asked whether to take it back; what they find is kept in an incident of the app."""
        known = tx.incidents(open_only=True, app=state.plan.app)
        same = (one for one in known if one.kind is IncidentKind.USER_REPORTS)
        return next(same, None) or open_incident(
            tx,
            self._clock,
            actor,
            app=state.plan.app,
            kind=IncidentKind.USER_REPORTS,
            title=actor.reason[:200],
            environment=state.plan.environment,
            release=state.release or None,
            flag=state.plan.flag,
            evidence=f"/api/v1/reports?rollout={state.id}",
        )

    def _note(self, tx: ControlTransaction, state: RolloutState, report: Report) -> None:
        incident = tx.incident_of_rollout(state.id)
        if incident is None or not incident.is_open:
            return
        text = f"{report.kind} reported ({report.arm.value}{f', {report.count:,} times' if report.count > 1 else ''})"
        link = f"/api/v1/reports?rollout={state.id}"
        machine_note(tx, self._clock, incident, kind=EntryKind.REPORT, text=text, link=link)

    def list(self, *, rollout: str | None = None, limit: int = 200) -> list[Report]:
        """Newest first."""
        with self._store.transaction() as tx:
            return tx.reports(rollout=rollout, limit=limit)[::-1]


def _require_known(tx: ControlTransaction, asked: AddReport, *, may_read: bool) -> None:
    """Raises NotFoundError; see `add`. A flag that another system serves is known by its rollouts."""
    try:
        require_environment(tx, asked.environment)
        if asked.flag and tx.flag(asked.environment, asked.flag) is None and not tx.rollouts(flag=asked.flag):
            require_flag(tx, asked.environment, asked.flag)
    except NotFoundError as error:
        if may_read:
            raise
        raise NotFoundError(error.message, hint="correct the name, and send it again") from None


def _meant(tx: ControlTransaction, asked: AddReport) -> list[RolloutState]:
    return [
        state
        for state in tx.rollouts(statuses=(*ACTIVE, Status.ROLLING_BACK))
        if asked.environment == state.plan.environment
        and asked.flag in ("", state.plan.flag)
        and asked.app in ("", state.plan.app)
    ]
