"""`ebbgate rollback drill | drills`."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.cli.exits import Exit
from ebbgate.cli.options import ENVIRONMENT, REASON, Status, duration, name, remote
from ebbgate.cli.output import Output, a_table, moment
from ebbgate.core.rollbacks.drill import Drill, DrillPart, DrillStatus, PartName

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

LOOK_EVERY = timedelta(milliseconds=200)
_SIGNS = {True: "ok", False: "FAILED", None: "left out"}


@click.command()
@click.argument("app", type=name)
@click.option("--flag-only", is_flag=True, help="Leave the redeployment out.")
@click.option("--timeout", type=duration, default="5m", show_default=True, metavar="5m", help="How long to wait.")
@ENVIRONMENT
@REASON
@remote
def drill(
    control: "ControlClient",
    out: Output,
    app: str,
    flag_only: bool,
    timeout: timedelta,
    environment: str,
    reason: str,
) -> Status:
    """Walk the whole way back of an application on purpose, and see how long each part takes.

    A scratch flag goes on and is killed, and every connected evaluator has to confirm; the last stable release's bytes
    are unpacked, switched and started in the sandbox that the plan names (`deploy.drill`), where its own digest has to
    answer. An application that deploys nothing rehearses the flag alone, and is told so. Nothing that people use is
    touched. The exit status is 0 if it passed, 1 if not (also where nobody was there to show anything), 5 if it is not
    over.
    """
    clock = SystemClock()
    begun = control.drills.start(app, reason=reason, environment=environment, flag_only=flag_only)
    told = 0
    until = clock.monotonic() + timeout.total_seconds()
    while not begun.is_over and clock.monotonic() < until:
        clock.sleep(LOOK_EVERY)
        begun = control.drills.get(begun.id)
        for part in begun.parts[told:]:
            print(_line(part), file=sys.stderr, flush=True)
        told = len(begun.parts)
    out.give(begun, _summary)
    if not begun.is_over:
        return Exit.TIMEOUT
    return None if begun.status is DrillStatus.PASSED else Exit.ERROR


def _line(part: DrillPart) -> str:
    took = f"{part.took.total_seconds():.2f} s" if part.took is not None else ""
    return f"  {part.name.value.replace('_', ' '):<10} {_SIGNS[part.worked]:<9} {took:>9}  {part.words}"


def _summary(one: Drill) -> list[RenderableType]:
    lines: list[RenderableType] = [f"{one.id} of {one.app}: {_standing(one)}"]
    if one.off_ms_max is not None:
        lines.append(
            f"flag off: {one.confirmed}/{one.expected} confirmed, p50 {one.off_ms_p50:.0f} ms, "
            f"p99 {one.off_ms_p99:.0f} ms, last {one.off_ms_max:.0f} ms"
        )
    took = {part.name.value: part.took for part in one.parts if part.worked and part.took is not None}
    redeploy = [took[name] for name in ("place", "switch", "restart", "check") if name in took]
    if redeploy:
        lines.append(f"redeploy of {one.release} in the sandbox: {sum(redeploy, timedelta()).total_seconds():.2f} s")
    if one.status is not DrillStatus.SHOWS_NOTHING:
        lines += [part.words for part in one.parts if part.name is PartName.PLACE and part.worked is None]
    if "recovery" in took:
        lines.append(f"recovery: {took['recovery'].total_seconds():.2f} s")
    return lines


def _standing(one: Drill) -> str:
    """Its status; of one that shows nothing, why."""
    says = one.status.value.replace("_", " ").upper()
    if one.status is not DrillStatus.SHOWS_NOTHING:
        return says
    return f"{says}: {'; '.join(part.words for part in one.parts if part.worked is None)}"


def _of(one: Drill) -> str:
    """What of the way back it was of: a toggle is listed as what it is, and satisfies no plan."""
    if one.is_preflight:
        return "preflight's toggle"
    return "the flag alone" if one.is_flag_only else "the way back"


@click.command()
@click.argument("drill_id", required=False)
@click.option("--app", metavar="NAME", help="Of this application only.")
@remote
def drills(control: "ControlClient", out: Output, drill_id: str | None, app: str | None) -> Status:
    """The drills so far, newest first; or one with all its parts."""
    if drill_id is not None:
        out.give(control.drills.get(drill_id), lambda one: [*_summary(one), *(_line(part) for part in one.parts)])
    else:
        out.give(control.drills.list(app=app), _table)
    return None


def _table(found: list[Drill]) -> RenderableType:
    if not found:
        return "no drill yet: ebbgate rollback drill APP --reason ..."
    table = a_table("id", "app", "of", "status", "at", "flag off", "release")
    for one in found:
        off = f"{one.confirmed}/{one.expected}, last {one.off_ms_max:.0f} ms" if one.off_ms_max is not None else "–"
        status = one.status.value.replace("_", " ")
        table.add_row(one.id, one.app, _of(one), status, moment(one.started_at), off, one.release or "–")
    return table
