"""Drills: the rollback's own code on a scratch flag and a sandbox target, and how long each part took."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import quantiles

import msgspec
import structlog

from ebbgate.control.apps import known_apps, require_app
from ebbgate.control.audit import Actor, record, tell
from ebbgate.control.drills_redeploy import Redeployment
from ebbgate.control.flags import FlagService
from ebbgate.control.flags_rows import require_environment
from ebbgate.control.propagation import prove
from ebbgate.core.errors import ConflictError, EbbgateError, NotFoundError
from ebbgate.core.rollbacks.drill import (
    SCRATCH_FLAG,
    Drill,
    DrillPart,
    DrillStatus,
    PartName,
    newest_passed,
    newest_whole,
    outcome_of,
)
from ebbgate.core.rollouts.plan import Policy
from ebbgate.core.rollouts.recovery import Propagation
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.event_store import EventStore

PROOF_WITHIN = timedelta(seconds=60)
LOOK_EVERY = timedelta(milliseconds=50)
ON = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}
OFF_VARIANT = "off"

Work = Callable[[], None]

log = structlog.get_logger("ebbgate.drills")
_replace = msgspec.structs.replace


def in_thread(name: str, work: Work) -> None:
    """Do it beside the caller; a control that ends does not wait for it."""
    threading.Thread(target=work, name=name, daemon=True).start()


class DrillService:
    """One drill at a time, each in a thread of its own. wake: lets the loop read what has arrived."""

    def __init__(
        self,
        store: ControlStore,
        events: EventStore,
        clock: Clock,
        flags: FlagService,
        redeployment: Redeployment,
        *,
        wake: Callable[[], None],
        spawn: Callable[[str, Work], None] = in_thread,
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._flags = flags
        self._redeployment = redeployment
        self._wake = wake
        self._spawn = spawn
        self._begun = threading.Lock()

    def start(self, app: str, *, environment: str, actor: Actor, flag_only: bool, is_preflight: bool = False) -> Drill:
        """Begin a drill; it goes on when this returns. Raises ConflictError while another one runs, NotFoundError for
        an environment or an app that is not there. is_preflight: the app is that of a plan, and may be new.
        """
        with self._begun:
            drill = self._insert(
                Drill(
                    id="",
                    app=app,
                    environment=environment,
                    actor=actor.name,
                    reason=actor.reason,
                    is_flag_only=flag_only,
                    is_preflight=is_preflight,
                    started_at=self._clock.machine_now(),
                ),
                actor,
            )
        self._spawn(drill.id, lambda: self._run(drill, actor, flag_only))
        return drill

    def get(self, drill_id: str) -> Drill:
        """Raises NotFoundError."""
        with self._store.transaction() as tx:
            found = tx.drill(drill_id)
        if found is None:
            raise NotFoundError(f"no drill {drill_id!r}", hint="list them: ebbgate rollback drills")
        return found

    def last_passed(self, app: str) -> Drill | None:
        """The newest that passed and was of more than the flag, whatever it left out."""
        with self._store.transaction() as tx:
            return newest_passed(tx.drills(app=app, status=DrillStatus.PASSED, limit=1_000))

    def last_whole(self, app: str, *, is_deployed: bool) -> Drill | None:
        """The newest that left nothing out that `drill_within` asks for. is_deployed: see `newest_whole`."""
        with self._store.transaction() as tx:
            return newest_whole(tx.drills(app=app, status=DrillStatus.PASSED, limit=1_000), is_deployed=is_deployed)

    def recover(self) -> None:
        """After a start: what was running was interrupted, and its scratch flag is taken away."""
        with self._store.transaction() as tx:
            running = tx.drills(status=DrillStatus.RUNNING)
        for drill in running:
            self._remove_flag(drill.environment, Actor(name="ebbgate", reason=f"drill {drill.id} was interrupted"))
            self._finish(drill, DrillStatus.INTERRUPTED)

    def _insert(self, drill: Drill, actor: Actor) -> Drill:
        with self._store.transaction() as tx:
            if running := tx.drills(status=DrillStatus.RUNNING, limit=1):
                raise ConflictError(
                    f"drill {running[0].id} is running", hint="wait for its end: ebbgate rollback drills"
                )
            require_environment(tx, drill.environment)
            if not drill.is_preflight:
                asked_of = {one.app for one in tx.drills(limit=1_000) if one.is_preflight}
                require_app(drill.app, known_apps(tx) | asked_of, otherwise="ask `ebbgate preflight` of its plan first")
            number = next((one.number for one in tx.drills(limit=1)), 0) + 1
            drill = _replace(drill, id=f"drill-{number}", number=number)
            tx.put_drill(drill)
            record(tx, self._clock, actor, action="drill.start", subject=f"drill:{drill.id}", after={"app": drill.app})
        return drill

    def _run(self, drill: Drill, actor: Actor, flag_only: bool) -> None:
        try:
            drill = self._flag_on(drill, actor)
            drill = self._flag_off(drill, actor)
            drill = drill if flag_only else self._redeploy(drill)
            drill = self._recovery(drill, actor)
            self._finish(drill, outcome_of(drill.parts))
        except EbbgateError as error:
            log.error("drill_failed", drill=drill.id, code=error.code, error=error.message)
            self._give_up(drill, error.message, actor)
        except Exception:
            log.exception("drill_broke", drill=drill.id)
            self._give_up(drill, "an unforeseen error; see the log of control", actor)

    def _flag_on(self, drill: Drill, actor: Actor) -> Drill:
        begun = self._clock.monotonic()
        self._remove_flag(drill.environment, actor)
        view = self._flags.put(drill.environment, SCRATCH_FLAG, ON, actor=_for(drill, actor))
        proof = self._proof(drill.environment, self._version(drill.environment))
        words = f"{view.key} is on; {_words(proof)}"
        return self._add(drill, PartName.FLAG_ON, proof.is_complete, begun, words)

    def _flag_off(self, drill: Drill, actor: Actor) -> Drill:
        begun = self._clock.monotonic()
        self._flags.kill(drill.environment, SCRATCH_FLAG, actor=_for(drill, actor), variant=OFF_VARIANT)
        version = self._version(drill.environment)
        off_at = self._committed_at(drill.environment, version)
        proof = self._proof(drill.environment, version)
        arrivals = self._arrivals(drill.environment, version, off_at)
        points = quantiles(arrivals, n=100, method="inclusive") if len(arrivals) > 1 else arrivals * 99
        drill = _replace(
            drill,
            confirmed=proof.confirmed,
            expected=proof.expected,
            off_ms_p50=points[49] if points else None,
            off_ms_p99=points[98] if points else None,
            off_ms_max=arrivals[-1] if arrivals else None,
        )
        if not proof.expected:
            return self._add(drill, PartName.FLAG_OFF, None, begun, "no evaluator is connected that could confirm")
        words = f"{_words(proof)}; the last after {arrivals[-1]:.0f} ms" if arrivals else _words(proof)
        return self._add(drill, PartName.FLAG_OFF, proof.is_complete, begun, words)

    def _redeploy(self, drill: Drill) -> Drill:
        begun = self._clock.monotonic()
        plan = self._redeployment.plan(drill)
        drill = _replace(drill, release=plan.release, sandbox=plan.sandbox)
        if plan.why_not:
            return self._add(drill, PartName.PLACE, None if plan.is_optional else False, begun, plan.why_not)
        for name, act in self._redeployment.parts(drill, plan):
            begun = self._clock.monotonic()
            try:
                words, worked = act()
            except EbbgateError as error:
                drill = self._add(drill, name, False, begun, error.message)
                break
            drill = self._add(drill, name, worked, begun, words)
        self._redeployment.stop(drill, plan)
        return drill

    def _recovery(self, drill: Drill, actor: Actor) -> Drill:
        begun = self._clock.monotonic()
        self._remove_flag(drill.environment, _for(drill, actor))
        proof = self._proof(drill.environment, self._version(drill.environment))
        return self._add(drill, PartName.RECOVERY, proof.is_complete, begun, f"the flag is away; {_words(proof)}")

    def _proof(self, environment: str, version: int) -> Propagation:
        """Wait until all that are connected confirm a version."""
        until = self._clock.monotonic() + PROOF_WITHIN.total_seconds()
        while True:
            self._wake()
            proof = prove(
                self._events.evaluators(),
                version,
                environment=environment,
                server_lost=Policy().server_lost,
                now=self._clock.machine_now(),
            )
            if proof.is_complete or self._clock.monotonic() >= until:
                return proof
            self._clock.sleep(LOOK_EVERY)

    def _arrivals(self, environment: str, version: int, off_at: datetime) -> list[float]:
        """Milliseconds until each evaluator that was connected confirmed, in order."""
        return sorted(
            (one.received_at - off_at).total_seconds() * 1000
            for one in self._events.confirmations(version)
            if one.connected_at is not None and one.connected_at <= off_at and one.environment in (None, environment)
        )

    def _version(self, environment: str) -> int:
        with self._store.transaction() as tx:
            latest = tx.latest_snapshot(environment)
        return latest.version if latest is not None else 0

    def _committed_at(self, environment: str, version: int) -> datetime:
        with self._store.transaction() as tx:
            rows = tx.snapshots(environment, limit=50)
        return next(row.created_at for row in rows if row.version == version)

    def _remove_flag(self, environment: str, actor: Actor) -> None:
        try:
            self._flags.delete(environment, SCRATCH_FLAG, actor=actor)
        except NotFoundError:
            return

    def _add(self, drill: Drill, name: PartName, worked: bool | None, begun: float, words: str) -> Drill:
        took = timedelta(seconds=self._clock.monotonic() - begun)
        part = DrillPart(name=name, worked=worked, took=took, words=words)
        return self._store_next(_replace(drill, parts=(*drill.parts, part)))

    def _give_up(self, drill: Drill, why: str, actor: Actor) -> None:
        try:
            drill = self.get(drill.id)
            part = DrillPart(name=PartName.RECOVERY, worked=False, took=None, words=why)
            self._remove_flag(drill.environment, actor)
            self._finish(_replace(drill, parts=(*drill.parts, part)), DrillStatus.FAILED)
        except EbbgateError as error:  # the next start tells that it was interrupted
            log.error("drill_not_ended", drill=drill.id, error=error.message)

    def _finish(self, drill: Drill, status: DrillStatus) -> Drill:
        return self._store_next(_replace(drill, status=status, ended_at=self._clock.machine_now()))

    def _store_next(self, drill: Drill) -> Drill:
        after = _replace(drill, revision=drill.revision + 1)
        with self._store.transaction() as tx:
            tx.put_drill(after)
            if after.is_over and not _is_toggle(after):
                words = "; ".join(f"{part.name.value}: {part.words}" for part in after.parts) or "nothing was tried"
                payload = {
                    "title": f"{after.id} of {after.app} {after.status.value.replace('_', ' ')}",
                    "words": words,
                    "severity": "info" if after.status is DrillStatus.PASSED else "warning",
                }
                tell(tx, self._clock, topic="drill", subject=after.id, key=f"drill:{after.id}:end", payload=payload)
        return after

    def list(self, *, app: str | None = None, limit: int = 50) -> list[Drill]:
        """Newest first."""
        with self._store.transaction() as tx:
            return tx.drills(app=app, limit=limit)


def _is_toggle(drill: Drill) -> bool:
    """A flag that toggled as it should, or before nobody: preflight's own question. Told as "passed" it would be taken
    for a drill.
    """
    return drill.is_flag_only and drill.status in (DrillStatus.PASSED, DrillStatus.SHOWS_NOTHING)


def _for(drill: Drill, actor: Actor) -> Actor:
    return Actor(name=actor.name, reason=f"drill {drill.id}: {drill.reason}")


def _words(proof: Propagation) -> str:
    return f"{proof.confirmed}/{proof.expected} evaluators confirmed, {proof.unproven_words}"
