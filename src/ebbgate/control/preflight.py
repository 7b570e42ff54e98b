"""Preflight: asks the real things, the flag's evaluators, the store of bytes, the target and the channels."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from ebbgate.control.audit import Actor
from ebbgate.control.deployments_ship import answering_shipment
from ebbgate.control.drills import DrillService
from ebbgate.control.notifications import NotificationService
from ebbgate.control.releases_current import current_of
from ebbgate.control.releases_find import has_target, release_of_rollout, require_registered
from ebbgate.control.views import ViewService
from ebbgate.core.errors import EbbgateError, NotFoundError
from ebbgate.core.releases import Release, last_stable
from ebbgate.core.rollbacks.drill import SECOND_STAGE, DrillStatus, PartName, is_recent, unproven
from ebbgate.core.rollbacks.preflight import Check, Preflight, bad, good, warn
from ebbgate.core.rollouts import lint_plan
from ebbgate.core.rollouts.plan import Mode, Plan
from ebbgate.core.rollouts.plan_lint_finding import Finding, Level
from ebbgate.core.rollouts.silence import silent_events
from ebbgate.core.rollouts.state import RolloutState, Status
from ebbgate.ports.artifacts import ArtifactStore
from ebbgate.ports.clock import Clock
from ebbgate.ports.control_store import ControlStore
from ebbgate.ports.deployer import Deployer
from ebbgate.ports.event_store import EventStore

TOGGLE_WITHIN = timedelta(seconds=30)
LOOK_EVERY = timedelta(milliseconds=100)
_WHY = "why: ebbgate rollback drills {}"
_ADOPT = 'ebbgate release adopt FOLDER --version V --reason "..."'
_DEPLOY = 'ebbgate release deploy VERSION --reason "..."'
OPEN = (Status.RUNNING, Status.WATCHING, Status.PAUSED, Status.REVIEW)


class PreflightService:
    """Changes nothing but a scratch flag, and sends test messages if it is asked to."""

    def __init__(
        self,
        store: ControlStore,
        events: EventStore,
        clock: Clock,
        artifacts: ArtifactStore,
        deployer: Deployer,
        notifications: NotificationService,
        drills: DrillService,
        views: ViewService,
    ) -> None:
        self._store = store
        self._events = events
        self._clock = clock
        self._artifacts = artifacts
        self._deployer = deployer
        self._notifications = notifications
        self._drills = drills
        self._views = views

    def check(self, plan: Plan, *, release: str, actor: Actor, tell: bool) -> Preflight:
        """The whole list, in order. A check that breaks is one that is bad; the others go on."""
        steps: list[tuple[str, Callable[[], Check]]] = [
            ("plan", lambda: self._plan(plan)),
            ("commander", lambda: self._commander(plan)),
            ("flag", lambda: self._flag(plan)),
            ("flag toggles", lambda: self._toggles(plan, actor)),
            ("release", lambda: self._release(plan, release)),
            ("last stable", lambda: self._last_stable(plan, release)),
            ("target", lambda: self._target(plan)),
            ("events", lambda: self._arriving(plan)),
            ("channels", lambda: self._channels(actor, tell=tell)),
            ("approvals", lambda: self._approvals(plan, release)),
            ("drill", lambda: self._drill(plan)),
        ]
        checks = tuple(self._safely(name, step) for name, step in steps)
        return Preflight(app=plan.app, flag=plan.flag, release=release, checks=checks)

    def _safely(self, name: str, step: Callable[[], Check]) -> Check:
        try:
            return step()
        except EbbgateError as error:
            return bad(name, error.message, error.hint)

    def _plan(self, plan: Plan) -> Check:
        found = lint_plan(plan)
        errors, warnings, notes = ([one for one in found if one.level is level] for level in Level)
        if errors:
            return bad("plan", f"{errors[0].message} ({errors[0].path})", errors[0].hint)
        if warnings:
            return warn("plan", f"{_number(warnings, 'warning')}: {warnings[0].message}", "see ebbgate plan lint")
        return good("plan", "nothing stands against it" + (f"; {_number(notes, 'note')}" if notes else ""))

    def _commander(self, plan: Plan) -> Check:
        if plan.commander:
            return good("commander", f"{plan.commander} owns reviews")
        if plan.mode is Mode.ACT:
            return warn("commander", "nobody is named who owns reviews", "write `commander:` into the plan")
        return bad("commander", "the plan asks a person, and names none", "write `commander:` into the plan")

    def _flag(self, plan: Plan) -> Check:
        with self._store.transaction() as tx:
            running = [one for one in tx.rollouts(flag=plan.flag) if not one.is_over]
            kill = next((one for one in tx.kills(plan.environment) if one.flag == plan.flag), None)
            row = tx.flag(plan.environment, plan.flag)
        if running:
            return bad("flag", f"rollout {running[0].id} is {running[0].status.value}", "end it first")
        if kill is not None:
            mend = f'lift it: ebbgate flag restore {plan.flag} --reason "..."'
            return bad("flag", f"{plan.flag} is killed: {kill.reason}", mend)
        if row is None:
            return good("flag", f"{plan.flag} is not there yet; starting makes it")
        return good("flag", f"{plan.flag} is there, and no rollout is on it")

    def _toggles(self, plan: Plan, actor: Actor) -> Check:
        """The flag half of a drill: on, off, and everybody confirms."""
        drill = self._drills.start(
            plan.app, environment=plan.environment, actor=actor, flag_only=True, is_preflight=True
        )
        until = self._clock.monotonic() + TOGGLE_WITHIN.total_seconds()
        while not drill.is_over and self._clock.monotonic() < until:
            self._clock.sleep(LOOK_EVERY)
            drill = self._drills.get(drill.id)
        part = next((one for one in drill.parts if one.name is PartName.FLAG_OFF), None)
        if part is None or not drill.is_over:
            return bad("flag toggles", f"{drill.id} did not end", f"look at it: ebbgate rollback drills {drill.id}")
        if part.worked is None:
            return warn("flag toggles", part.words, "start the application with its SDK, then ask again")
        if drill.status is DrillStatus.PASSED:
            return good("flag toggles", part.words)
        return bad("flag toggles", part.words, "see ebbgate evaluators for who does not follow")

    def _release(self, plan: Plan, name: str) -> Check:
        if not name:
            return warn("release", "no release was named", "name it: --release v1.4.0")
        with self._store.transaction() as tx:
            release = require_registered(tx, plan, name)
        if release is None:
            return warn(
                "release", f"{name} was not built or adopted here: there is no second stage", "ebbgate release build"
            )
        if release.is_bad:
            why = release.bad.reason if release.bad is not None else ""
            return bad("release", f"{release.id} is quarantined: {why}", "build a mended one")
        length = self._artifacts.verify(release.artifact.digest)
        return good("release", f"{release.id} is {release.state.value}; its {length:,} bytes are intact")

    def _last_stable(self, plan: Plan, name: str) -> Check:
        stable = self._stable(plan, name)
        if stable is None:
            if plan.deploy is None:
                return warn("last stable", "the plan deploys nothing: there is no second stage", "write `deploy:`")
            return bad("last stable", f"{plan.app} has no stable release", f"record what runs: {_ADOPT}")
        if stable.deploy is None and plan.deploy is not None:
            words = f"{stable.id} names no target, so that it cannot go back"
            return bad("last stable", words, f"record it anew, with this plan: {_ADOPT}")
        length = self._artifacts.verify(stable.artifact.digest)
        return good("last stable", f"{stable.id}: {length:,} bytes, and its digest is intact")

    def _stable(self, plan: Plan, name: str) -> Release | None:
        with self._store.transaction() as tx:
            release = release_of_rollout(tx, plan.app, name) if name else None
            return last_stable(tx.releases(app=plan.app), but=release.id if release is not None else None)

    def _target(self, plan: Plan) -> Check:
        if plan.deploy is None:
            return warn("target", "the plan names none", "write `deploy:` into the plan for the second stage")
        with self._store.transaction() as tx:
            current = current_of(tx, plan.app)
            shipment = answering_shipment(tx, tx.deployments(app=plan.app, limit=1_000))
        if (left := current.unsettled) is not None and not left.is_over:
            return warn("target", f"{left.id} is under way, at {left.step.value}", "wait for its end")
        if left is not None:
            words = f"{left.id} is {left.status.value}, so that nobody knows what answers: {left.error}"
            return bad("target", words, f"mend it, then deploy again: {_DEPLOY}")
        if current.release is None or shipment is None:
            return warn("target", "nothing was deployed there yet", f"deploy what runs: {_DEPLOY}")
        name, answer = current.release.id, self._deployer.target(shipment.terms).look(shipment)
        if answer.is_good:
            return good("target", f"{name} answers: {answer.text}")
        return bad("target", f"{name} does not answer as it should: {answer.text}", "mend it, or deploy it again")

    def _arriving(self, plan: Plan) -> Check:
        """What the plan's metrics need, from both versions where one is being rolled out."""
        missing = silent_events(plan, {name.name: name.count for name in self._events.names()})
        if missing:
            words = "; ".join(one.words for one in missing)
            if any(one.is_gating for one in missing):
                return bad("events", words, "send them; see ebbgate arrivals")
            return warn("events", words, "goals hold no phase, but stay unknown; see ebbgate arrivals")
        running = self._running(plan)
        if running is None:
            return good("events", "every event that the plan's metrics need arrives")
        view = self._views.get(running.id)
        silent = [
            f"{one.metric} (new {one.treatment_n:,}, old {one.control_n:,})"
            for one in view.analyses
            if not one.treatment_n or not one.control_n
        ]
        if silent:
            return warn("events", f"of one version alone: {', '.join(silent)}", "look which version sends nothing")
        return good("events", "every metric has observations of both versions")

    def _running(self, plan: Plan) -> RolloutState | None:
        with self._store.transaction() as tx:
            return next(iter(tx.rollouts(flag=plan.flag, statuses=OPEN)), None)

    def _channels(self, actor: Actor, *, tell: bool) -> Check:
        channels = self._notifications.channels()
        if not channels:
            return bad("channels", "nobody is told of anything", 'set EBBGATE_NOTIFY="..." for the server')
        if broken := [one for one in channels if one.problem]:
            return bad("channels", f"{broken[0].name}: {broken[0].problem}", "correct its URL")
        if not tell:
            return warn("channels", f"{len(channels)} channels, none of them tried", "leave --quiet-channels out")
        refused = [one for one in self._notifications.test([], actor=actor) if one.delivered_at is None]
        if refused:
            return bad(
                "channels", f"{refused[0].channel}: {refused[0].error}", 'try it: ebbgate notify test --reason "..."'
            )
        return good("channels", f"{len(channels)} took a test message")

    def _approvals(self, plan: Plan, name: str) -> Check:
        wanted = plan.preflight.approvals
        if not wanted:
            return good("approvals", "the plan asks for none")
        with self._store.transaction() as tx:
            release = release_of_rollout(tx, plan.app, name) if name else None
        given = release.approvals if release is not None else ()
        words = f"{len(given)} of {wanted}" + (f": {', '.join(one.actor for one in given)}" if given else "")
        if len(given) >= wanted:
            return good("approvals", words)
        return bad("approvals", words, f"ebbgate release approve {name or 'VERSION'} --reason ...")

    def _drill(self, plan: Plan) -> Check:
        within = plan.preflight.drill_within
        with self._store.transaction() as tx:
            is_deployed = plan.deploy is not None or has_target(tx, plan.app)
        passed = self._drills.last_passed(plan.app)
        last = passed if within is None else self._drills.last_whole(plan.app, is_deployed=is_deployed)
        if last is None and passed is not None:
            missing = _parts(unproven(passed, is_deployed=is_deployed))
            words = f"{passed.id} passed without {missing}, which does not count as a drill"
            return bad("drill", words, f"connect evaluators, write `deploy.drill`; {_WHY.format(passed.id)}")
        if last is None:
            make = bad if within is not None else warn
            return make("drill", "there was none that passed", _another(plan))
        if last.ended_at is None:
            raise NotFoundError(f"{last.id} has no end", hint="run another drill")
        words = f"{last.id} passed on {last.ended_at:%Y-%m-%d %H:%M} UTC"
        if within is not None and not is_recent(last, within=within, now=self._clock.machine_now()):
            return bad("drill", f"{words}, longer ago than the plan allows", _another(plan))
        left_out = [part.name for part in last.parts if part.worked is None]
        if not left_out:
            return good("drill", words)
        if not is_deployed and SECOND_STAGE.issuperset(left_out):
            words += f"; no redeployment was rehearsed, as nothing of {plan.app} is deployed by ebbgate"
            return good("drill", words)
        return warn("drill", f"{words}, and left out: {_parts(left_out)}", _WHY.format(last.id))


def _another(plan: Plan) -> str:
    return f'run one: ebbgate rollback drill {plan.app} --reason "..."'


def _parts(names: Iterable[PartName]) -> str:
    return ", ".join(name.value.replace("_", " ") for name in names)


def _number(found: list[Finding], what: str) -> str:
    return f"{len(found)} {what}{'s' if len(found) > 1 else ''}"
