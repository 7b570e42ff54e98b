"""`ebbgate set-feature-flag`: one switch that anybody can work."""

from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.text import Text

from ebbgate.cli.flags_read import standing
from ebbgate.cli.options import ENVIRONMENT, Status, name, remote
from ebbgate.cli.output import Output
from ebbgate.core.flags.view import FlagSwitch
from ebbgate.core.rollouts.requests import FlagStatusView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient


@click.command("set-feature-flag")
@click.option("--feature", required=True, metavar="NAME", type=name, help="The flag.")
@click.option("--status", required=True, type=click.Choice([switch.value for switch in FlagSwitch]))
@click.option("--reason", metavar="TEXT", help="Why: kept in the audit. Default: the command itself.")
@ENVIRONMENT
@remote
def set_feature_flag(
    control: "ControlClient", out: Output, feature: str, status: str, reason: str | None, environment: str
) -> Status:
    """Switch a feature on or off.

    disabled: everybody gets the old version, at once; a rollout that is running on the flag is taken back.
    enabled: the switch-off is lifted, and the flag's own rule counts again.
    """
    said = reason or f"set-feature-flag --status={status}"
    out.give(control.flags.set_status(feature, FlagSwitch(status), reason=said, environment=environment), _lines)
    return None


def _lines(view: FlagStatusView) -> list[RenderableType]:
    words, style = standing(view.flag)
    snapshot = f"  (snapshot {view.flag.snapshot_version}, {view.flag.environment})"
    lines: list[RenderableType] = [Text.assemble((view.flag.key, "bold"), " is ", (words, style), snapshot)]
    if view.rollout is not None:
        status = view.rollout.status.value.replace("_", " ")
        lines.append(f"rollout {view.rollout.id}: {status}; follow it with `ebbgate rollout get {view.rollout.id} -w`")
    return lines
