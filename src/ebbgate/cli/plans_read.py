"""`ebbgate plan lint | show | schema`."""

from pathlib import Path

import click
import msgspec
from rich.console import RenderableType
from rich.text import Text

from ebbgate.bootstrap.plans import load_plan
from ebbgate.cli.exits import Exit
from ebbgate.cli.options import Status, local
from ebbgate.cli.output import Output
from ebbgate.core.rollouts import Finding, Level, PlanView, lint_plan, show_plan
from ebbgate.core.rollouts.plan_schema import plan_schema

PLAN = click.argument("plan", type=click.Path(path_type=Path), default=Path("ebbgate.yaml"))
OVERLAY = click.option("--overlay", metavar="NAME", help="With one of the plan's overlays.")

_SIGNS = {Level.ERROR: ("✗", "bold red"), Level.WARNING: ("!", "yellow"), Level.NOTE: ("·", "dim")}


class LintReport(msgspec.Struct, frozen=True, kw_only=True):
    """is_workable: whether `rollout start` would take it."""

    file: str
    overlay: str | None
    is_workable: bool
    findings: tuple[Finding, ...]


@click.command()
@PLAN
@OVERLAY
@click.option("--strict", "is_strict", is_flag=True, help="Exit status 2 for warnings, too.")
@local
def lint(out: Output, plan: Path, overlay: str | None, is_strict: bool) -> Status:
    """What cannot work (exit status 2), and what may surprise."""
    findings = lint_plan(load_plan(plan, overlay))
    levels = {finding.level for finding in findings}
    report = LintReport(
        file=str(plan), overlay=overlay, is_workable=Level.ERROR not in levels, findings=tuple(findings)
    )
    out.give(report, _findings)
    is_bad = Level.ERROR in levels or (is_strict and Level.WARNING in levels)
    return Exit.USAGE if is_bad else Exit.OK


def _findings(report: LintReport) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for finding in report.findings:
        sign, style = _SIGNS[finding.level]
        lines.append(Text.assemble((f"{sign} {finding.level.value}", style), f" {finding.path}: {finding.message}"))
        lines.append(Text(f"  hint: {finding.hint}", style="dim"))
    counts = {level: sum(finding.level is level for finding in report.findings) for level in Level}
    said = [f"{count} {level.value}{'s' if count > 1 else ''}" for level, count in counts.items() if count]
    verdict = "can run" if report.is_workable else "cannot run"
    return [*lines, f"{report.file} {verdict}: {', '.join(said) or 'nothing to say'}"]


@click.command()
@PLAN
@OVERLAY
@local
def show(out: Output, plan: Path, overlay: str | None) -> Status:
    """The plan in plain sentences; --json is the plan as data."""
    view = show_plan(load_plan(plan, overlay))
    out.give(view.data if out.as_json else view, _lines)
    return None


def _lines(view: PlanView) -> list[RenderableType]:
    return [Text(line, style="bold") if line.endswith(":") and line[:1] != " " else Text(line) for line in view.lines]


@click.command()
@local
def schema(out: Output) -> Status:
    """The JSON Schema of plan files; an editor that knows it completes and checks while you write."""
    Output(as_json=True).give(plan_schema(), lambda _: "")
    return None
