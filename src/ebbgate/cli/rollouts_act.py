"""`ebbgate rollout start | pause | resume | promote | abort | retry`, and `ebbgate rollback`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType

from ebbgate.cli.exits import Exit
from ebbgate.cli.nobody_told import warn_where_nobody_is_told
from ebbgate.cli.options import REASON, REF, Status, name, remote
from ebbgate.cli.output import Output, console
from ebbgate.core.rollouts.plan import Mode
from ebbgate.core.rollouts.state import RollbackOutcome
from ebbgate.core.rollouts.state import Status as RolloutStatus
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.terminal import plain_line, render_view

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_WATCH = click.option("--watch", "-w", "is_watching", is_flag=True, help="Then follow it until its end.")


@click.command()
@click.argument("plan", type=click.Path(path_type=Path, allow_dash=True), default=Path("ebbgate.yaml"))
@click.option("--release", required=True, metavar="v1.4.0", type=name, help="The version behind the flag.")
@REASON
@click.option("--overlay", metavar="NAME", help="One of the plan's overlays.")
@click.option("--mode", type=click.Choice([mode.value for mode in Mode]), help="In place of the plan's.")
@click.option("--override", is_flag=True, help="Even if the release is quarantined.")
@_WATCH
@remote
def start(
    control: "ControlClient",
    out: Output,
    plan: Path,
    release: str,
    reason: str,
    overlay: str | None,
    mode: str | None,
    override: bool,
    is_watching: bool,
) -> Status:
    """Start a rollout of a plan file (default: ebbgate.yaml; - reads it from standard input)."""
    from ebbgate.bootstrap.plans import plan_text

    text = sys.stdin.read() if str(plan) == "-" else plan_text(plan)
    view = control.rollouts.start(
        text, release=release, reason=reason, overlay=overlay, mode=Mode(mode) if mode else None, override=override
    )
    warn_where_nobody_is_told(control, view)
    if is_watching:
        return _follow(control, out, view)
    out.give(view, _picture)
    return None


def _picture(view: RolloutView) -> list[RenderableType]:
    return [render_view(view, width=console().width)]


def _follow(control: "ControlClient", out: Output, view: RolloutView) -> int:
    from ebbgate.cli.following import follow

    return follow(control, out, view.id)


def _action(verb: str, words: str, help_text: str) -> click.Command:
    """A command that asks the API for one step of a rollout. words: what was done, for people."""

    @click.command(verb, help=help_text)
    @REF
    @REASON
    @remote
    def command(control: "ControlClient", out: Output, ref: str, reason: str) -> Status:
        step: Callable[..., RolloutView] = getattr(control.rollouts, verb)
        out.give(step(ref, reason=reason), lambda view: f"{words} {plain_line(view, None)}")
        return None

    return command


pause = _action("pause", "Paused.", "Stop advancing; exposure stays where it is, and the gates go on looking.")
resume = _action("resume", "Goes on.", "Go on from a pause or a review.")
promote = _action("promote", "Promoted.", "Go to the next phase now, on your word; harm that was shown stays shown.")
abort = _action("abort", "Aborted.", "End it without a verdict; everybody gets the flag's own default again.")
retry = _action("retry", "A new try.", "Start an ended rollout again, as a new try.")
settle = _action(
    "settle",
    "Settled as unverified.",
    "End a rollback whose recovery cannot be proven, before its deadline; it counts as unverified.",
)


@click.command()
@REF
@REASON
@click.option("--redeploy", is_flag=True, help="Send the last stable release back at once, whatever the flag does.")
@_WATCH
@remote
def rollback(control: "ControlClient", out: Output, ref: str, reason: str, redeploy: bool, is_watching: bool) -> Status:
    """Take a version back now.

    The flag is off when this returns; the proof that all evaluators follow, and the recovery of the metrics, come
    after. With --watch the exit status is 0 for a proven recovery, 6 for an unproven one, 1 for none.
    """
    view = control.rollouts.roll_back(ref, reason=reason, redeploy=redeploy)
    if not is_watching:
        out.give(view, lambda seen: ["The flag is off.", *_picture(seen)])
        return None
    from ebbgate.cli.following import follow_to_end

    return exit_of_outcome(follow_to_end(control, out, view.id))  # what was shown: asking again could fail


def exit_of_outcome(view: RolloutView) -> Exit:
    """How the rollback that was asked for ended."""
    if view.status is not RolloutStatus.ROLLED_BACK or view.rollback is None:
        return Exit.ERROR
    if view.rollback.outcome is RollbackOutcome.RECOVERED:
        return Exit.OK
    return Exit.INCONCLUSIVE if view.rollback.outcome is RollbackOutcome.UNVERIFIED else Exit.ERROR
