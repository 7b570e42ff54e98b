"""The demo, act by act: a real server, real SDKs in processes of their own, the client's plan."""

import shutil
import tempfile
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.plans import load_plan, plan_text
from ebbgate.client import ControlClient
from ebbgate.core.rollouts import power
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_power import Answer
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.demo.drivers import Drivers
from ebbgate.demo.expectation import ACT_ENDS, actual_end, expected_ends
from ebbgate.demo.report import ActReport, DemoReport, report_act, table
from ebbgate.demo.server import LocalServer
from ebbgate.demo.settings import DemoSettings, DriverSettings, Version
from ebbgate.terminal import watch

OVERLAY = "demo"
REASON = "the demo begins"
RELEASES = {1: "v1.4.0", 2: "v1.5.0"}
SHARE_ACTIVE = 0.8
"""Share of the people who come by within the shortest comparing phase (three days at about a visit every other day)."""


def run(settings: DemoSettings) -> int:
    """Play the acts; 0 only if each ended as it should. Leaves nothing running, and no files but those of `keep`."""
    console = Console(force_terminal=False if settings.plain else None, stderr=settings.as_json)
    file = Path(str(files("ebbgate.demo") / "ebbgate.yaml"))
    text, plan = plan_text(file), load_plan(file, OVERLAY)
    users = settings.users or round(max(20_000, plan.users or 0) / SHARE_ACTIVE)
    introduce(console, plan, users=users, settings=settings)
    clock = SystemClock()
    begun = clock.monotonic()
    with ExitStack() as stack:
        directory = settings.keep or Path(tempfile.mkdtemp(prefix="ebbgate-demo-"))
        if settings.keep is None:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        server = stack.enter_context(LocalServer(directory, scale=settings.scale, log_level="error"))
        stage = Stage(settings, server, console, clock, text=text, flag=plan.flag, users=users)
        acts = [stage.play(act) for act in settings.acts]
        report = stage.report(acts, machine_s=clock.monotonic() - begun)
    conclude(console, report, settings)
    return 0 if report.is_right else 1


class Stage:
    """A running server, and the acts played on it."""

    def __init__(
        self,
        settings: DemoSettings,
        server: LocalServer,
        console: Console,
        clock: SystemClock,
        *,
        text: str,
        flag: str,
        users: int,
    ) -> None:
        self._settings = settings
        self._server = server
        self._console = console
        self._clock = clock
        self._text = text
        self._flag = flag
        self._users = users
        admin = ControlClient(server.control_url, server.admin_token)
        self._control = ControlClient(server.control_url, admin.tokens.create("operator", "demo", reason=REASON).secret)
        self._sdk_token = admin.tokens.create("server", "demo application", reason=REASON).secret
        self._visits = 0

    def play(self, act: int) -> ActReport:
        """One rollout from its start to its end, with drivers that know nothing of it."""
        version = self._settings.act1 if act == 1 else self._settings.act2
        expected = expected_ends(self._settings, act)
        self._console.rule(f"Act {act}: {RELEASES[act]}, a {version.value} version")
        with Drivers(self._driver_settings(act, version)) as drivers:
            drivers.wait_ready()
            view = self._control.rollouts.start(
                self._text, overlay=OVERLAY, release=RELEASES[act], reason=f"demo, act {act}"
            )
            view = watch(
                lambda: self._control.rollouts.get(view.id),
                console=self._console,
                clock=self._clock,
                until=lambda seen: seen.status in ACT_ENDS,
            )
        self._visits += drivers.visits
        self._tidy(view)
        return report_act(view, act=act, expected=expected, ended=actual_end(view))

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
            ignore_pushes=act == 2 and self._settings.ignore_pushes,
            harm_persists=act == 2 and self._settings.harm_persists,
        )

    def _tidy(self, view: RolloutView) -> None:
        """Make the flag ready for the next act."""
        if view.rollback is not None:
            self._control.flags.restore(self._flag, reason="the next act begins")
        elif view.ended_at is None:
            self._control.rollouts.abort(view.id, reason="the act is over, and nobody answers a review here")


def introduce(console: Console, plan: Plan, *, users: int, settings: DemoSettings) -> None:
    """Say what will be seen, what the overlay changed, and that the gates can be answered."""
    console.print(
        f"{plan.app}: {plan.flag}, {users:,} synthetic users, {settings.sdks} SDK instances, seed {settings.seed}"
    )
    console.print(f"one second is {settings.scale / 3600:g} hours of plan time")
    console.print(f"the client's plan, with the overlay `{plan.overlay}` (whole: ebbgate plan show):")
    for change in plan.overlay_changes:
        before = change.before or "by default"
        console.print(f"  {change.path}: {before} -> {change.after}", markup=False, highlight=False)
    cells = power(msgspec.structs.replace(plan, users=round(users * SHARE_ACTIVE))).guardrails
    console.print("plan power, at 0.9:")
    for cell in cells:
        if cell.answer is not Answer.NOT_APPLICABLE:
            console.print(f"  {cell.guardrail} in {cell.phase}: {cell.answer.value}, {cell.why}", highlight=False)


def conclude(console: Console, report: DemoReport, settings: DemoSettings) -> None:
    """The table, and where to read more."""
    if settings.as_json:
        print(msgspec.json.encode(report).decode())  # noqa: T201
    shown = Table(show_header=False, title="What happened, from the stored rows")
    for name, value in table(report):
        shown.add_row(name, value)
    console.print(shown)
    console.print("Read more: docs/architecture.md (the life of a decision); ebbgate rollout explain; docs/guides/")
