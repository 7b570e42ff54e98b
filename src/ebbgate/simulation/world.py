"""A seeded world: the real services over memory adapters, both clocks, faults, returning users, drift."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec

from ebbgate.control.audit import Actor
from ebbgate.control.flags import FlagService
from ebbgate.control.looker import Looker
from ebbgate.control.loop import ReconcileLoop
from ebbgate.control.outbox import OutboxService
from ebbgate.control.releases_follow import ReleaseFollower
from ebbgate.control.rollbacks import RollbackService
from ebbgate.control.rollouts import RolloutService
from ebbgate.control.snapshots import SnapshotService
from ebbgate.control.troubles import Troubles
from ebbgate.control.views import ViewService
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.events import EvaluatorReport, Exposure, Heartbeat, Record, TrackedEvent
from ebbgate.core.events.types import EvaluatorState
from ebbgate.core.flags import Evaluator, Snapshot
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.state import RolloutState
from ebbgate.ports.control_store import Evidence, OutboxRow
from ebbgate.simulation.people import NO_HARM, Harm, Person, drift, people, visits
from ebbgate.simulation.yard import Yard
from ebbgate.testing.clock import VirtualClock
from ebbgate.testing.memory_control import MemoryControlStore
from ebbgate.testing.memory_events import MemoryEventStore
from ebbgate.testing.memory_log import MemoryLog


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong, each a chance per tick: the store fails, control restarts, events come late or twice.

    deaf: share of evaluators that ignore every push after the first.
    """

    store_fails: float = 0.0
    control_restarts: float = 0.0
    late: float = 0.0
    twice: float = 0.0
    deaf: float = 0.0


class MemoryPublisher:
    """Hands snapshots to the world's evaluators."""

    def __init__(self) -> None:
        self.current: dict[str, Snapshot] = {}

    def publish(self, snapshot: Snapshot) -> None:
        known = self.current.get(snapshot.environment)
        if known is None or known.version <= snapshot.version:
            self.current[snapshot.environment] = snapshot


class MemoryNotifier:
    """Keeps what was told."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []

    def notify(self, row: OutboxRow) -> None:
        self.rows.append(row)


class WorldEvaluator:
    """One application instance with its own evaluator."""

    def __init__(self, name: str, *, is_deaf: bool) -> None:
        self.name = name
        self.is_deaf = is_deaf
        self.version = 0
        self.evaluator: Evaluator | None = None

    def follow(self, snapshot: Snapshot) -> bool:
        """Take a snapshot; says whether it changed what is served. A deaf one takes no snapshot that switches a rule
        off.
        """
        if snapshot.version <= self.version or (self.is_deaf and b'"targeting"' not in bytes(snapshot.document)):
            return False
        self.evaluator = Evaluator(snapshot)
        self.version = snapshot.version
        return True


class World:
    """Run whole rollouts in milliseconds. One seed is one history; `replay_hint` says how to see it again."""

    def __init__(
        self,
        *,
        seed: int,
        users: int = 1500,
        faults: Faults | None = None,
        harm: Harm = NO_HARM,
        drift_size: float = 0.15,
        evaluators: int = 4,
        base_error: float = 0.05,
        base_ms: float = 300.0,
        yard: Yard | None = None,
    ) -> None:
        """yard: releases and a target to deploy them to; without one there is no second stage of a rollback."""
        self.seed = seed
        self.yard = yard
        self.on_step: Callable[[str], None] = lambda _: None
        self.random = Random(seed)
        self.faults = faults or Faults()
        self.harm = harm
        self.drift_size = drift_size
        self.base_error = base_error
        self.base_ms = base_ms
        self.clock = VirtualClock()
        self.begin_at = self.clock.plan_now()
        self.log = MemoryLog()
        self.store = MemoryControlStore()
        self.events = MemoryEventStore()
        self.publisher = MemoryPublisher()
        self.notifier = MemoryNotifier()
        self.everybody = people(self.random, users)
        self.evaluators = [
            WorldEvaluator(f"app-{n}", is_deaf=self.random.random() < self.faults.deaf) for n in range(evaluators)
        ]
        self.touched: set[str] = set()
        self.seen: dict[tuple[str, int], str] = {}
        self._ids = 0
        self._held_back: list[TrackedEvent] = []
        self.restart()

    def restart(self) -> None:
        """Control starts anew over the same stores."""
        self.snapshots = SnapshotService(self.store, self.clock, self.publisher, on_step=self._step)
        self.snapshots.ensure(("production",))
        yard = self.yard.connected(self.store, self.clock, on_step=self._step) if self.yard is not None else None
        self.worker = yard.worker if yard is not None else None
        self.deployments = yard.deployments if yard is not None else None
        self.rollouts = RolloutService(self.store, self.events, self.clock, self.snapshots)
        self.flags = FlagService(self.store, self.clock, self.snapshots)
        self.rollbacks = RollbackService(
            self.store, self.events, self.clock, self.snapshots, deployments=self.deployments, on_step=self._step
        )
        troubles = Troubles()
        self.views = ViewService(self.store, self.events, self.clock, self.rollbacks, troubles=troubles)
        looker = Looker(
            self.store, self.events, self.log, self.clock, self.snapshots, self.rollbacks, on_step=self._step
        )
        outbox = OutboxService(self.store, self.clock, self.notifier)
        followers = (ReleaseFollower(self.store, self.clock).follow,) if self.yard is not None else ()
        self.loop = ReconcileLoop(
            self.store, looker, self.snapshots, outbox, self.clock, followers=followers, troubles=troubles
        )

    def _step(self, name: str) -> None:
        self.on_step(name)

    def start(self, plan: Plan, *, release: str = "v2.0.0") -> RolloutState:
        return self.rollouts.start(plan, release=release, actor=Actor(name="simulation", reason=f"seed {self.seed}"))

    def run(self, reference: str, *, until: timedelta, step: timedelta) -> RolloutState:
        """Let plan time pass until the rollout is over or `until` has gone by."""
        end_at = self.clock.plan_now() + until
        while self.clock.plan_now() < end_at:
            self.pass_time(step)
            if (state := self.rollouts.get(reference)).is_over:
                return state
        return self.rollouts.get(reference)

    def pass_time(self, step: timedelta) -> None:
        """People come by, what they did reaches the log, and control looks once."""
        begin_at = self.clock.plan_now()
        self._follow()
        entries: list[Any] = []
        for visit in visits(self.random, self.everybody, begin_at=begin_at, length=step):
            self._visit(visit.person, visit.at, entries)
        self.clock.advance(step)
        entries += [self._report(app, "heartbeat") for app in self.evaluators if app.evaluator is not None]
        self._append(entries)
        if self.random.random() < self.faults.control_restarts:
            self.restart()
        if self.random.random() < self.faults.store_fails:
            self.store.fail_next()
        if self.worker is not None:
            with suppress(StoreUnavailableError):  # its thread tries again
                self.worker.tick()
        self.loop.tick()

    def store_evidence(self, rollout_id: str) -> Evidence:
        """The evidence that control has stored."""
        with self.store.transaction() as tx:
            return tx.evidence(rollout_id)

    def replay_hint(self) -> str:
        return f"replay: World(seed={self.seed}, harm={self.harm}, faults={self.faults})"

    def _follow(self) -> None:
        reports: list[Any] = []
        for evaluator in self.evaluators:
            snapshot = self.publisher.current.get("production")
            if snapshot is not None and evaluator.follow(snapshot):
                reports.append(self._report(evaluator, "confirmed"))
        if reports:
            self._append(reports)

    def _report(self, evaluator: WorldEvaluator, state: EvaluatorState) -> EvaluatorReport:
        now = self.clock.machine_now()
        return EvaluatorReport(
            evaluator=evaluator.name,
            name=evaluator.name,
            kind="sdk",
            state=state,
            snapshot_version=evaluator.version,
            environment="production",
            reported_at=now,
            received_at=now,
        )

    def _visit(self, person: Person, at: datetime, entries: list[Any]) -> None:
        app = self.evaluators[hash_of(person.key) % len(self.evaluators)]
        if app.evaluator is None:
            return
        context = {"targetingKey": person.key, "email": "x@example.com" if person.is_internal else "x@example.org"}
        details = app.evaluator.evaluate("newWidgets", False, context, "boolean", timestamp=0)
        is_new = details.value is True
        if is_new:
            self.touched.add(person.key)
        if details.variant is not None and self.seen.get((person.key, app.version)) != details.variant:
            self.seen[person.key, app.version] = details.variant
            entries.append(self._exposure(person, at, app, details.variant))
        met = is_new or self.harm.both_arms or (self.harm.persists and person.key in self.touched)
        is_there = self.yard is None or self.yard.is_new  # once the old release runs again, it harms nobody
        harmed = met and is_there and self.harm.is_on(at - self.begin_at)
        factor = drift(at, self.begin_at, size=self.drift_size)
        rate = self.base_error * person.error_odds * factor * (self.harm.error_rate if harmed else 1.0)
        delay = self.base_ms * person.speed * (self.harm.latency if harmed else 1.0)
        moment = at + timedelta(seconds=2)
        request = self._event(person, "api_request", moment, app, None)
        entries.append(request)
        entries.append(self._event(person, "api_ms", moment, app, delay * self.random.lognormvariate(0.0, 0.5)))
        if self.random.random() < min(1.0, rate):
            entries.append(self._event(person, "api_error", moment + timedelta(seconds=1), app, None, of=request.id))

    def _exposure(self, person: Person, at: datetime, app: WorldEvaluator, variant: str) -> Exposure:
        return Exposure(
            id=self._id(),
            unit=person.key,
            environment="production",
            flag_set="production",
            flag="newWidgets",
            variant=variant,
            snapshot_version=app.version,
            occurred_at=at,
            sent_at=at,
            evaluator=app.name,
        )

    def _event(
        self,
        person: Person,
        name: str,
        at: datetime,
        app: WorldEvaluator,
        value: float | None,
        *,
        of: str | None = None,
    ) -> TrackedEvent:
        return TrackedEvent(
            id=self._id(),
            unit=person.key,
            name=name,
            occurred_at=at,
            sent_at=at,
            value=value,
            snapshot_version=app.version,
            of=of,
        )

    def _id(self) -> str:
        self._ids += 1
        return f"e{self.seed}-{self._ids}"

    def _append(self, entries: list[Any]) -> None:
        """Everything of the step in one record, in order of time; some of it late, some of it twice."""
        received_at = self.clock.plan_now()
        ready: list[Any] = [*self._held_back]
        self._held_back = []
        for entry in entries:
            if isinstance(entry, TrackedEvent) and self.random.random() < self.faults.late:
                self._held_back.append(entry)
                continue
            ready.append(entry)
            if not isinstance(entry, EvaluatorReport) and self.random.random() < self.faults.twice:
                ready.append(entry)
        stamped = [
            entry
            if isinstance(entry, EvaluatorReport)
            else msgspec.structs.replace(entry, sent_at=received_at, received_at=received_at)
            for entry in ready
        ]
        heartbeat = Heartbeat(source="world", received_at=received_at)
        record = Record(received_at=received_at, machine_at=self.clock.machine_now(), entries=[*stamped, heartbeat])
        try:
            self.log.append_now(record)
        except StoreUnavailableError:
            self._held_back += [entry for entry in ready if isinstance(entry, TrackedEvent)]


def hash_of(key: str) -> int:
    """A stable number from a key; `hash` differs between runs."""
    return sum(ord(c) * 31**i for i, c in enumerate(key[-6:]))
