"""`ebbgate preflight`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType

from ebbgate.cli.exits import Exit
from ebbgate.cli.options import Status, remote, why
from ebbgate.cli.output import Output
from ebbgate.core.rollbacks.preflight import Check, Preflight, Standing

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_SIGNS = {Standing.GOOD: "✓", Standing.WARN: "!", Standing.BAD: "✗"}


@click.command()
@click.argument("plan", type=click.Path(path_type=Path, dir_okay=False), default=Path("ebbgate.yaml"))
@click.option("--release", default="", metavar="v1.4.0", help="The version that is to start.")
@click.option("--overlay", metavar="NAME", help="One of the plan's overlays.")
@click.option("--quiet-channels", is_flag=True, help="Send no test message.")
@click.option("--reason", default="preflight", type=why, metavar="TEXT", help="Kept in the audit. Default: preflight.")
@remote
def preflight(
    control: "ControlClient",
    out: Output,
    plan: Path,
    release: str,
    overlay: str | None,
    quiet_channels: bool,
    reason: str,
) -> Status:
    """Is everything in place to start this plan?

    The flag is toggled (a scratch flag), the last stable release is there and its bytes are intact, the target answers,
    the events that the metrics need arrive, channels take a message, approvals and a drill are there. The exit status
    is 1 if something should keep it from starting.
    """
    from ebbgate.bootstrap.plans import plan_text

    found = control.drills.preflight(
        plan_text(plan), release=release, overlay=overlay, reason=reason, tell=not quiet_channels
    )
    out.give(found, _list)
    return None if found.is_ready else Exit.ERROR


def _list(found: Preflight) -> list[RenderableType]:
    lines: list[RenderableType] = [_line(check) for check in found.checks]
    lines.append("ready" if found.is_ready else "NOT READY")
    return lines


def _line(check: Check) -> str:
    hint = f"\n               {check.hint}" if check.standing is not Standing.GOOD and check.hint else ""
    return f"{_SIGNS[check.standing]} {check.name:<12} {check.words}{hint}"
