"""The demo from its first line to its last: a server, the acts, and what they came to."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from types import FrameType

import msgspec
from rich.console import Console
from rich.table import Table

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.plans import load_plan, plan_text
from ebbgate.core.rollouts import power
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.plan_power import Answer
from ebbgate.demo.report import DemoReport, other_rows, table
from ebbgate.demo.server import LocalServer
from ebbgate.demo.settings import DemoSettings
from ebbgate.demo.stage import OVERLAY, Stage

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
    with ended_by_signals(), ExitStack() as stack:
        directory = settings.keep or Path(tempfile.mkdtemp(prefix="ebbgate-demo-"))
        if settings.keep is None:
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
        server = stack.enter_context(LocalServer(directory, scale=settings.scale, log_level="error"))
        stage = stack.enter_context(Stage(settings, server, console, clock, text=text, plan=plan, users=users))
        acts = stage.play_all()
        report = stage.report(acts, machine_s=clock.monotonic() - begun)
    conclude(console, report, settings)
    return 0 if report.is_right else 1


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Being asked to end is an exit like any other: processes are ended, files removed, the terminal put back."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, leave) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


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
    others = Table("who decides", "a good version", "a broken version", title="The same looks, decided by others")
    for row in other_rows(report):
        others.add_row(*row)
    console.print(others)
    if any(other.is_projected for act in report.acts for other in act.others):
        console.print("* not before ebbgate acted: calculated, had the looks gone on as they were", highlight=False)
    console.print(
        "Read more: docs/architecture.md (the life of a decision); ebbgate rollout explain newWidgets; docs/guides/"
    )
