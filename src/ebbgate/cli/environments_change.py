"""`ebbgate environment list | create | bucketing`."""

from typing import TYPE_CHECKING, get_args

import click
from rich.table import Table

from ebbgate.cli.options import REASON, Status, name, remote
from ebbgate.cli.output import Output, a_table, day
from ebbgate.core.audiences import Bucketing
from ebbgate.core.flags.environments_view import EnvironmentView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_NAME = click.argument("label", metavar="NAME", type=name)
_GENERATIONS = click.Choice(get_args(Bucketing))


@click.command("list")
@remote
def list_all(control: "ControlClient", out: Output) -> Status:
    """All environments, with their bucketing."""
    out.give(control.environments.list(), _table)
    return None


def _table(found: list[EnvironmentView]) -> Table:
    table = a_table("environment", "bucketing", "flags", "snapshot", "created", right=("flags", "snapshot"))
    for one in found:
        table.add_row(one.name, one.bucketing, str(one.flags), str(one.snapshot_version), day(one.created_at))
    return table


@click.command()
@_NAME
@click.option(
    "--bucketing", "generation", type=_GENERATIONS, default="v2", show_default=True, help="How percentages draw people."
)
@REASON
@remote
def create(control: "ControlClient", out: Output, label: str, generation: Bucketing, reason: str) -> Status:
    """Make an environment. It is served at once, without flags."""
    made = control.environments.create(label, bucketing=generation, reason=reason)
    out.give(made, lambda new: f"{new.name} is there: bucketing {new.bucketing}, snapshot {new.snapshot_version}")
    return None


@click.command()
@_NAME
@click.argument("generation", type=_GENERATIONS)
@REASON
@remote
def bucketing(control: "ControlClient", out: Output, label: str, generation: Bucketing, reason: str) -> Status:
    """Let percentages draw people by another generation of flagd's rule.

    Everybody is drawn anew: every percentage gets other people, and running rollouts are aborted. v2 is what flagd
    does; v3 is what its newest Python and Java providers do.
    """
    out.give(control.environments.set_bucketing(label, generation, reason=reason), lambda changed: changed.note)
    return None
