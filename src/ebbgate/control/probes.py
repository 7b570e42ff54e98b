"""Runs the probes of plans, in a thread of its own: an outage takes the version back (RULES G3).

`probes_watched` says whose. Machine time throughout. What is known of a probe is kept in the journal, so that a restart
goes on counting.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from queue import Empty, SimpleQueue

import msgspec
import structlog

from ebbgate.control.audit import Actor
from ebbgate.control.failing import Alarm, Failing, no_alarm
from ebbgate.control.incidents import machine_note
from ebbgate.control.probes_watched import Question, Watchlist, question_of
from ebbgate.control.triggers import ACTIVE, OUTSIDE, Cause, Pulled, TriggerService
from ebbgate.core.errors import ConflictError, EbbgateError
from ebbgate.core.incidents import EntryKind, IncidentKind
from ebbgate.core.rollbacks.probing import (
    ProbeState,
    answered,
    failure_words,
    is_critical,
    is_due,
    recovery_words,
)
from ebbgate.core.rollouts.plan import Probe
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore, ControlTransaction, JournalRow
from ebbgate.ports.prober import Prober

SYSTEM = "ebbgate"
IDLE = timedelta(seconds=1)
AT_ONCE = 64
"""Probes in flight at most, each in a thread of its own: a slow one delays nobody else's."""

LINGER = timedelta(seconds=0.1)
"""Machine time that a tick waits for the next answer; what takes longer is taken by a later tick."""

log = structlog.get_logger("ebbgate.probes")
Asked = tuple[RolloutState, Probe]
Answered = tuple[Question, str | Exception]


class ProbeService:
    """One thread that sends probes out and takes their answers as they come, until it is stopped."""

    def __init__(
        self,
        store: ControlStore,
        clock: Clock,
        prober: Prober,
        triggers: TriggerService,
        *,
        wake: Callable[[], None] = lambda: None,
        alarm: Alarm = no_alarm,
    ) -> None:
        """wake: called when something was pulled, so that the loop goes on with it at once. alarm: told when what was
        found cannot be stored or acted on, time after time; it must not need the store.
        """
        self._store = store
        self._clock = clock
        self._prober = prober
        self._triggers = triggers
        self._wake_loop = wake
        self._failing = Failing(clock, alarm)
        self._known: dict[tuple[str, str], ProbeState] = {}
        self._watchlist = Watchlist()
        self._in_flight: dict[Question, list[Asked]] = {}  # with all that take the answer
        self._answers: SimpleQueue[Answered] = SimpleQueue()
        self._stop = threading.Event()

    def run(self) -> None:
        """Ask until `stop`. Nothing else ends it."""
        while not self._stop.is_set():
            error = ""
            try:
                self.tick()
            except EbbgateError as failure:
                error = failure.message
                log.error("probes_failed", code=failure.code, error=error)
            except Exception:  # one plan's defect must not end the others' probes
                error = "an unforeseen error of the probes; see the log"
                log.exception("probes_broke")
            self._failing.note(error)
            self._stop.wait(IDLE.total_seconds() / 4)

    def stop(self) -> None:
        self._stop.set()

    def tick(self) -> None:
        """Send out what is due, then take what has been answered; no probe is waited for (RULES G3: an outage's probe
        is asked every 10 s, whatever a slow command beside it takes). Raises StoreUnavailableError.
        """
        with self._store.transaction() as tx:
            due = self._due(tx)
        for question, asked in due[: AT_ONCE - len(self._in_flight)]:
            self._send(question, asked)
        while self._in_flight:
            try:
                answer = self._answers.get(timeout=LINGER.total_seconds())
            except Empty:
                return
            self._receive(answer)

    def _send(self, question: Question, asked: list[Asked]) -> None:
        probe = asked[0][1]  # the others differ in what follows from the answer

        def ask() -> None:
            wrong: str | Exception
            try:
                wrong = self._prober.probe(probe)
            except Exception as error:  # told by the thread that takes the answers
                wrong = error
            self._answers.put((question, wrong))

        self._in_flight[question] = asked
        threading.Thread(target=ask, name=f"probe-{probe.name}", daemon=True).start()  # an end waits for no probe

    def _receive(self, answer: Answered) -> None:
        question, wrong = answer
        asked = self._in_flight.pop(question)
        if isinstance(wrong, Exception):
            raise wrong
        for state, probe in asked:
            with suppress(ConflictError):  # somebody changed it meanwhile; the next answer sees the new state
                self._take(state, probe, wrong)

    def _asked(self, tx: ControlTransaction) -> Iterator[Asked]:
        for watched in self._watchlist.read(tx):
            for probe in watched.state.plan.probes:
                known = self._state(tx, watched.state, probe)
                if not watched.is_failing_only or (known is not None and known.is_failing):
                    yield watched.state, probe

    def _due(self, tx: ControlTransaction) -> list[tuple[Question, list[Asked]]]:
        """What is to be asked now, with all that take the answer: who has just begun waits for the others' time."""
        now, groups = self._clock.machine_now(), dict[Question, list[Asked]]()
        for state, probe in self._asked(tx):
            groups.setdefault(question_of(probe), []).append((state, probe))
        return [
            (question, asked)
            for question, asked in groups.items()
            if question not in self._in_flight
            and all(is_due(probe, self._state(tx, state, probe), now=now) for state, probe in asked)
        ]

    def _state(self, tx: ControlTransaction, state: RolloutState, probe: Probe) -> ProbeState | None:
        key = (state.id, probe.name)
        if key not in self._known and (row := tx.journal(_key(state, probe))) is not None:
            self._known[key] = msgspec.json.decode(row.result, type=ProbeState)
        return self._known.get(key)

    def _take(self, state: RolloutState, probe: Probe, wrong: str) -> None:
        now = self._clock.machine_now()
        with self._store.transaction() as tx:
            before = self._state(tx, state, probe)
            after = answered(before, rollout=state.id, name=probe.name, wrong=wrong, at=now)
            if before is None or before.is_failing or after.is_failing:
                self._keep(tx, state, probe, after)
            self._note(tx, state, probe, before, after)
        self._known[state.id, probe.name] = after
        if is_critical(probe, after) and state.status in ACTIVE:
            self._pull(state, probe, after)

    def _pull(self, state: RolloutState, probe: Probe, found: ProbeState) -> None:
        words = failure_words(probe, found)
        episode = found.first_failed_at.isoformat() if found.first_failed_at is not None else ""
        cause = Cause(kind=IncidentKind(probe.means.value), source=f"probe:{probe.name}", episode=episode)
        pulled = self._triggers.pull(state.id, cause, actor=Actor(name=SYSTEM, reason=f"{words}; {OUTSIDE}"))
        if pulled is not Pulled.NOTHING:
            log.error("probe_pulled", rollout=state.id, probe=probe.name, pulled=pulled.value, words=words)
            self._wake_loop()

    def _note(
        self, tx: ControlTransaction, state: RolloutState, probe: Probe, before: ProbeState | None, after: ProbeState
    ) -> None:
        """The beginning and the end of a failure, in the timeline of the rollout's incident, if there is one."""
        incident = tx.incident_of_rollout(state.id)
        if incident is None or not incident.is_open:
            return
        was_failing = before is not None and before.is_failing
        if before is not None and was_failing and not after.is_failing:
            text = recovery_words(before, at=after.asked_at)
        elif after.is_failing and not was_failing:
            text = failure_words(probe, after)
        else:
            return
        machine_note(tx, self._clock, incident, kind=EntryKind.PROBE, text=text, link="/api/v1/probes")

    def _keep(self, tx: ControlTransaction, state: RolloutState, probe: Probe, after: ProbeState) -> None:
        row = JournalRow(
            key=_key(state, probe),
            action="probe",
            started_at=after.first_failed_at or after.asked_at,
            done_at=after.last_ok_at,
            result=msgspec.json.encode(after).decode(),
        )
        tx.put_journal(row)

    def list(self) -> list[ProbeState]:
        """What is known of the probes of rollouts that are under way, or whose incident is not over."""
        with self._store.transaction() as tx:
            found = [self._state(tx, state, probe) for state, probe in self._asked(tx)]
        return [one for one in found if one is not None]


def _key(state: RolloutState, probe: Probe) -> str:
    return f"probe:{state.id}:{probe.name}"
