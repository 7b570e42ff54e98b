"""`ebbgate rollout list | get | status`."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ebbgate.cli.exits import Exit, exit_of_view
from ebbgate.cli.following import follow, wait_for
from ebbgate.cli.options import REF, Status, duration, remote
from ebbgate.cli.output import Output, a_table, console, day
from ebbgate.core.rollouts.state import FINAL
from ebbgate.core.rollouts.state import Status as RolloutStatus
from ebbgate.core.rollouts.view import RolloutLine, RolloutView
from ebbgate.terminal import plain_line, render_view
from ebbgate.terminal.tables import WIDE
from ebbgate.terminal.words import status_words

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_DECIDED = FINAL | {RolloutStatus.PAUSED, RolloutStatus.REVIEW}
"""Where nothing more happens by itself, or a person is asked: waiting further would be waiting for somebody."""


@click.command("list")
@remote
def list_all(control: "ControlClient", out: Output) -> Status:
    """All rollouts, newest first."""
    out.give(control.rollouts.list(), _lines)
    return None


def _lines(lines: list[RolloutLine]) -> Table | str:
    if not lines:
        return "no rollouts yet; start one with `ebbgate rollout start`"
    is_wide = console().width >= WIDE
    more = ("environment", "ended") if is_wide else ()
    table = a_table("id", "release", "status", "phase", "started", *more)
    for line in lines:
        words, style = status_words(line.status)
        words += f", {line.outcome}" if line.outcome else ""
        table.add_row(
            line.id,
            line.release,
            Text(words.lower(), style=style),
            line.phase,
            day(line.created_at),
            *((line.environment, day(line.ended_at)) if is_wide else ()),
        )
    return table


@click.command()
@REF
@click.option("--watch", "-w", "is_watching", is_flag=True, help="Follow it until its end; the exit status tells it.")
@remote
def get(control: "ControlClient", out: Output, ref: str, is_watching: bool) -> Status:
    """The ladder, the metrics, and what comes next.

    With --watch, on a terminal, a picture that is redrawn; elsewhere a line for each change.
    """
    if not is_watching:
        out.give(control.rollouts.get(ref), _picture)
        return None
    return follow(control, out, ref)


def _picture(view: RolloutView) -> list[RenderableType]:
    return [render_view(view, width=console().width)]


@click.command()
@REF
@click.option(
    "--timeout", type=duration, metavar="10m", help="Wait so long (machine time) for an end, a pause or a review."
)
@remote
def status(control: "ControlClient", out: Output, ref: str, timeout: timedelta | None) -> Status:
    """One line, and an exit status for scripts.

    \b
    0 succeeded           1 aborted     3 rolled back
    4 paused or in review               5 still going on when --timeout was over
    6 rolled back without proof of recovery, or (without --timeout) still going on
    """
    if timeout is None:
        view = control.rollouts.get(ref)
    else:
        view = wait_for(control, ref, until=lambda seen: seen.status in _DECIDED, timeout=timeout)
    out.give(view, lambda seen: str(plain_line(seen, None)))
    if timeout is not None and view.status not in _DECIDED:
        return Exit.TIMEOUT
    return exit_of_view(view)
