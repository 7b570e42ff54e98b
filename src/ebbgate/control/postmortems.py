"""Post-mortems: drafted when an incident turns stable, judged by people, reviewed by somebody else."""

from collections.abc import Callable
from datetime import date

import msgspec

from ebbgate.control.audit import Actor, record, tell
from ebbgate.control.incident_facts import facts_of
from ebbgate.control.incident_timeline import SYSTEM, timeline
from ebbgate.control.incidents import require_incident, stabilised
from ebbgate.core.errors import NotFoundError, TransitionError
from ebbgate.core.incidents import (
    ActionItem,
    ActionKind,
    ActionState,
    Entry,
    Incident,
    IncidentStatus,
    PostMortem,
    PostMortemStatus,
    is_overdue,
)
from ebbgate.core.incidents.document import markdown
from ebbgate.core.incidents.draft import draft
from ebbgate.core.incidents.postmortem import close, review, submit, write
from ebbgate.core.rollouts.state import RollbackOutcome, Status
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, JournalRow
from ebbgate.ports.event_store import EventStore
from ebbgate.ports.report_page import ReportPage

_replace = msgspec.structs.replace
Change = Callable[[PostMortem], PostMortem]


class PostMortemService:
    """Documents and action items of incidents."""

    def __init__(self, store: ControlStore, events: EventStore, clock: Clock, page: ReportPage) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._page = page

    def follow(self) -> int:
        """Settle incidents whose rollback has recovered, and draft what is stable; returns how many drafts were made.

        Called at each tick; what a kill left undone is done at the next.
        """
        made = 0
        with self._store.transaction() as tx:
            waiting = [one for one in tx.incidents(open_only=True) if tx.post_mortem(one.id) is None]
            for incident in waiting:
                if _has_recovered(tx, incident):
                    actor = Actor(name=SYSTEM, reason="recovery is proven")
                    incident = stabilised(tx, self._clock, incident, actor)
                if incident.status is IncidentStatus.STABLE:
                    self._draft(tx, incident, Actor(name=SYSTEM, reason="the incident is stable"))
                    made += 1
        return made

    def get(self, reference: str) -> PostMortem:
        """Raises NotFoundError, also while there is none."""
        with self._store.transaction() as tx:
            return self._require(tx, require_incident(tx, reference))

    def draft(self, reference: str, *, actor: Actor) -> PostMortem:
        """Draft it now, or anew from what is stored by now; what people wrote stays. Raises TransitionError when it is
        past its draft.
        """
        with self._store.transaction() as tx:
            return self._draft(tx, require_incident(tx, reference), actor)

    def write(self, reference: str, section: str, text: str, *, actor: Actor) -> PostMortem:
        """A person's judgement."""
        return self._change(
            reference, actor, "postmortem.write", lambda doc: write(doc, section, text, author=actor.name)
        )

    def submit(self, reference: str, *, actor: Actor) -> PostMortem:
        """Ask for a review."""
        at = self._clock.machine_now()
        return self._change(reference, actor, "postmortem.submit", lambda doc: submit(doc, author=actor.name, at=at))

    def review(self, reference: str, *, actor: Actor) -> PostMortem:
        """Say that it is right; not for one of its authors."""
        at = self._clock.machine_now()

        def change(document: PostMortem) -> PostMortem:
            return review(document, reviewer=actor.name, note=actor.reason, at=at)

        return self._change(reference, actor, "postmortem.review", change)

    def close(self, reference: str, *, actor: Actor) -> PostMortem:
        """Finish a reviewed one."""
        at = self._clock.machine_now()
        return self._change(reference, actor, "postmortem.close", lambda doc: close(doc, at=at))

    def markdown(self, reference: str) -> str:
        """The whole document."""
        document, incident, entries, actions = self._whole(reference)
        return markdown(document, incident, entries, actions)

    def html(self, reference: str) -> str:
        """The whole document as one page with its charts."""
        return self._page.post_mortem(*self._whole(reference))

    def timeline(self, reference: str) -> list[Entry]:
        """What happened, oldest first."""
        with self._store.transaction() as tx:
            return timeline(tx, require_incident(tx, reference))

    def actions(self, reference: str | None = None, *, state: ActionState | None = None) -> list[ActionItem]:
        """Action items of one incident, or of all."""
        with self._store.transaction() as tx:
            incident = require_incident(tx, reference).id if reference is not None else None
            return tx.action_items(incident=incident, state=state)

    def overdue(self) -> list[ActionItem]:
        """Open ones whose day has passed."""
        now = self._clock.machine_now()
        return [item for item in self.actions(state=ActionState.OPEN) if is_overdue(item, now=now)]

    def tell_overdue(self) -> int:
        """Report each item once after its day has passed; returns how many were told."""
        told = 0
        for item in self.overdue():
            key = f"action:{item.id}:overdue:{item.due_on}"
            with self._store.transaction() as tx:
                if tx.journal(key) is not None:
                    continue
                now = self._clock.machine_now()
                tx.put_journal(JournalRow(key=key, action="tell_overdue", started_at=now, done_at=now))
                words = f"{item.text} (owner: {item.owner}, was due on {item.due_on})"
                payload = {"title": f"{item.incident}: action {item.id} is overdue", "words": words}
                tell(tx, self._clock, topic="incident", subject=item.incident, key=key, payload=payload)
                told += 1
        return told

    def add_action(
        self, reference: str, text: str, *, owner: str, due_on: date, kind: ActionKind, actor: Actor
    ) -> ActionItem:
        """Something that is to be done about it."""
        with self._store.transaction() as tx:
            incident = require_incident(tx, reference)
            item = tx.put_action_item(
                ActionItem(
                    incident=incident.id,
                    text=text,
                    owner=owner,
                    due_on=due_on,
                    kind=kind,
                    created_by=actor.name,
                    created_at=self._clock.machine_now(),
                )
            )
            record(tx, self._clock, actor, action="action.add", subject=f"incident:{incident.id}", after=item)
            return item

    def end_action(self, item_id: int, state: ActionState, *, actor: Actor) -> ActionItem:
        """Say that it is done, or will not be. Raises NotFoundError, TransitionError for one that has ended."""
        with self._store.transaction() as tx:
            before = tx.action_item(item_id)
            if before is None:
                raise NotFoundError(f"no action item {item_id}", hint="list them: ebbgate postmortem actions")
            if before.state is not ActionState.OPEN:
                raise TransitionError(f"action item {item_id} is {before.state.value}", hint="add a new one instead")
            after = tx.put_action_item(
                _replace(
                    before,
                    state=state,
                    ended_at=self._clock.machine_now(),
                    result=actor.reason,
                    revision=before.revision + 1,
                )
            )
            subject = f"incident:{before.incident}"
            record(tx, self._clock, actor, action=f"action.{state.value}", subject=subject, before=before, after=after)
            return after

    def _draft(self, tx: ControlTransaction, incident: Incident, actor: Actor) -> PostMortem:
        now = self._clock.machine_now()
        made = draft(incident, facts_of(tx, self._events, self._clock, incident), at=now)
        before = tx.post_mortem(incident.id)
        if before is not None:
            if before.status is not PostMortemStatus.DRAFT:
                raise TransitionError(
                    f"the post-mortem of {incident.id} is {before.status.value.replace('_', ' ')}",
                    hint="add what is new as a person's sentence",
                )
            written = {section.key: section for section in before.sections if section.is_judgement}
            sections = tuple(written.get(section.key, section) for section in made.sections)
            made = _replace(before, facts=made.facts, sections=sections, revision=before.revision + 1)
        tx.put_post_mortem(made)
        self._note(tx, actor, "postmortem.draft", incident, made)
        return made

    def _change(self, reference: str, actor: Actor, action: str, change: Change) -> PostMortem:
        with self._store.transaction() as tx:
            incident = require_incident(tx, reference)
            after = change(self._require(tx, incident))
            tx.put_post_mortem(after)
            self._note(tx, actor, action, incident, after)
            return after

    def _note(
        self, tx: ControlTransaction, actor: Actor, action: str, incident: Incident, document: PostMortem
    ) -> None:
        summary = {"status": document.status.value, "revision": document.revision, "blanks": list(document.blanks)}
        record(tx, self._clock, actor, action=action, subject=f"incident:{incident.id}", after=summary)
        if action == "postmortem.write":
            return
        blank = f", {len(document.blanks)} judgements to be written" if document.blanks else ""
        payload = {
            "title": f"{incident.id}: post-mortem {document.status.value.replace('_', ' ')}",
            "words": f"{incident.title}{blank}",
            "severity": "info",
        }
        key = f"postmortem:{incident.id}:{document.revision}"
        tell(tx, self._clock, topic="incident", subject=incident.id, key=key, payload=payload)

    def _require(self, tx: ControlTransaction, incident: Incident) -> PostMortem:
        document = tx.post_mortem(incident.id)
        if document is None:
            raise NotFoundError(
                f"{incident.id} is {incident.status.value} and has no post-mortem yet",
                hint="it is drafted when the incident is stable; "
                f'now: ebbgate postmortem draft {incident.id} --reason "..."',
            )
        return document

    def _whole(self, reference: str) -> tuple[PostMortem, Incident, list[Entry], list[ActionItem]]:
        with self._store.transaction() as tx:
            incident = require_incident(tx, reference)
            document = self._require(tx, incident)
            return document, incident, timeline(tx, incident), tx.action_items(incident=incident.id)


def _has_recovered(tx: ControlTransaction, incident: Incident) -> bool:
    state = tx.rollout(incident.rollout) if incident.rollout is not None else None
    if state is None or state.rollback is None or state.status is not Status.ROLLED_BACK:
        return False
    return state.rollback.outcome is RollbackOutcome.RECOVERED
