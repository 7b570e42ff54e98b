"""A running server, an application that is deployed beside it, and the acts that are played on them."""

from contextlib import ExitStack
from datetime import timedelta
from typing import Self

from rich.console import Console

from ebbgate.client import ControlClient
from ebbgate.core.errors import StoreUnavailableError
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.demo.breaking import Breaking, ScheduledKill
from ebbgate.demo.comparing import compare, read_looks
from ebbgate.demo.drivers import Drivers
from ebbgate.demo.ending import read_ending, story
from ebbgate.demo.expectation import ACT_ENDS, actual_end, expected_ends
from ebbgate.demo.harm import HarmLog, met
from ebbgate.demo.keys import Keys
from ebbgate.demo.report import ActReport, DemoReport, report_act
from ebbgate.demo.server import LocalServer
from ebbgate.demo.settings import DemoSettings, DriverSettings, Version
from ebbgate.demo.target import DemoTarget
from ebbgate.ports.clock import Clock
from ebbgate.terminal import watch

OVERLAY = "demo"
REASON = "the demo begins"
CONTROL_WITHIN_S = 60.0
"""So long control may not answer: it was killed, or the machine has too much to do."""

TIMEOUT_S = 30.0
EVERY = timedelta(milliseconds=200)
RELEASES = {1: "v1.4.0", 2: "v1.5.0"}


class Stage:
    """Plays acts. A context manager: what it deployed ends with it."""

    def __init__(
        self,
        settings: DemoSettings,
        server: LocalServer,
        console: Console,
        clock: Clock,
        *,
        text: str,
        plan: Plan,
        users: int,
    ) -> None:
        self._settings = settings
        self._server = server
        self._console = console
        self._clock = clock
        self._flag = plan.flag
        self._users = users
        admin = self._admin = ControlClient(server.control_url, server.admin_token, TIMEOUT_S)
        self._control = ControlClient(
            server.control_url, admin.tokens.create("operator", "demo", reason=REASON).secret, TIMEOUT_S
        )
        self._sdk_token = admin.tokens.create("server", "demo application", reason=REASON).secret
        self._target = DemoTarget(plan.app, server.data_dir / "deployed", admin, clock)
        self._text = self._target.placed(text, may_redeploy=settings.may_redeploy)
        self._visits = 0

    def __enter__(self) -> Self:
        self._target.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._target.close()

    def play_all(self) -> list[ActReport]:
        """The acts that are asked for. What a person broke in the first one shows what the second would."""
        acts: list[ActReport] = []
        for act in self._settings.acts:
            if acts and self._version(acts[-1].act) is Version.GOOD and acts[-1].was_broken:
                self._console.print(f"Act {act} is left out: act {acts[-1].act} was taken back, as it would be.")
                continue
            acts.append(self.play(act))
        return acts

    def play(self, act: int) -> ActReport:
        """One rollout from its start to its end, with drivers that know nothing of it."""
        version, release = self._version(act), RELEASES[act]
        self._console.rule(f"Act {act}: {release}, a {version.value} version")
        self._target.ship(release)
        harm = HarmLog(lambda: met(self._control))
        with Drivers(self._driver_settings(act, version)) as drivers:
            drivers.wait_ready()
            breaking = Breaking(drivers, self._server, self._clock, is_bad=version is Version.BAD)
            if breaking.is_bad and self._settings.break_flag:
                breaking.break_flag()
            # An admin, as the plan's probe is a command, which an operator may not bring.
            view = self._admin.rollouts.start(self._text, overlay=OVERLAY, release=release, reason=f"demo, act {act}")
            view = self._watch(view, breaking, harm)
        self._visits += drivers.visits
        return self._told(act, view, breaking, harm)

    def _watch(self, view: RolloutView, breaking: Breaking, harm: HarmLog) -> RolloutView:
        """Until it ends, with keys where there is somebody to press them."""
        reader = _Reader(self._control, view, breaking, harm, self._clock)
        killing = ScheduledKill(breaking) if self._settings.kill_control else None

        def read() -> RolloutView:
            seen = reader.read()
            if killing is not None:
                killing.follow(seen)
            return seen

        with ExitStack() as stack:
            has_keys = self._console.is_terminal and Keys.are_there()
            if has_keys:
                stack.enter_context(Keys(breaking.press))
            return watch(
                read,
                console=self._console,
                clock=self._clock,
                until=lambda seen: seen.status in ACT_ENDS,
                footer=breaking.footer if has_keys else None,
            )

    def _told(self, act: int, view: RolloutView, breaking: Breaking, harm: HarmLog) -> ActReport:
        """What it came to, and the flag made ready for the next act."""
        self._wait_for_control()  # which may have been killed at the very end
        ending = read_ending(self._control, view, self._clock)
        harm.note(view.looks)
        looks = read_looks(self._control, view.id, scale=self._settings.scale)
        line = story(view, ending, harmed=harm.total) if view.rollback is not None else ""
        if line:
            self._console.print(line, style="bold", highlight=False)
        if view.rollback is not None:
            self._control.flags.restore(self._flag, reason="the next act begins")
        elif view.ended_at is None:
            self._control.rollouts.abort(view.id, reason="the act is over, and nobody answers a review here")
        return report_act(
            view,
            act=act,
            expected=expected_ends(self._settings, act, is_bad=breaking.is_bad),
            ended=actual_end(view),
            story=line,
            ending=ending,
            harmed=harm.total if breaking.is_bad else None,
            others=compare(looks, harm, broken_at=breaking.broken_at, users=self._users, seed=self._settings.seed),
            kills=breaking.kills,
            replay=self._control.rollouts.replay(view.id) if breaking.kills else None,
        )

    def _wait_for_control(self) -> None:
        until = self._clock.monotonic() + CONTROL_WITHIN_S
        while True:
            try:
                self._control.observations.totals()
                return
            except StoreUnavailableError:
                if self._clock.monotonic() > until:
                    raise
                self._clock.sleep(EVERY)

    def report(self, acts: list[ActReport], *, machine_s: float) -> DemoReport:
        totals = self._control.observations.totals()
        return DemoReport(
            seed=self._settings.seed,
            users=self._users,
            units=totals.units,
            events=totals.events,
            exposures=totals.exposures,
            duplicates=totals.duplicates,
            visits=self._visits,
            machine_s=machine_s,
            acts=tuple(acts),
        )

    def _version(self, act: int) -> Version:
        return self._settings.act1 if act == 1 else self._settings.act2

    def _driver_settings(self, act: int, version: Version) -> DriverSettings:
        return DriverSettings(
            url=self._server.edge_url,
            token=self._sdk_token,
            flag=self._flag,
            seed=self._settings.seed,
            index=0,
            processes=self._settings.processes,
            users=self._users,
            sdks=self._settings.sdks,
            version=version,
            release=RELEASES[act],
            version_url=self._target.version_url,
            ignore_pushes=act == 2 and self._settings.ignore_pushes,
            harm_persists=act == 2 and self._settings.harm_persists,
        )


class _Reader:
    """Reads the rollout, and whom the harm reached; while control does not answer, what was seen last."""

    def __init__(
        self, control: ControlClient, view: RolloutView, breaking: Breaking, harm: HarmLog, clock: Clock
    ) -> None:
        self._control = control
        self._view = view
        self._breaking = breaking
        self._harm = harm
        self._clock = clock
        self._heard_at = clock.monotonic()

    def read(self) -> RolloutView:
        try:
            self._view = self._control.rollouts.get(self._view.id)
            self._heard_at = self._clock.monotonic()
            self._breaking.is_control_down = False
            if self._breaking.is_bad:
                self._harm.note(self._view.looks)
        except StoreUnavailableError:
            if self._clock.monotonic() - self._heard_at > CONTROL_WITHIN_S:
                raise
        return self._view
