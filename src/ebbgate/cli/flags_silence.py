"""`ebbgate flag stale`: what should arrive around flags, and does not."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.table import Table

from ebbgate.cli.options import ENVIRONMENT, Status, remote
from ebbgate.cli.output import Output, a_table
from ebbgate.core.flags.environments_view import SilentFlag

if TYPE_CHECKING:
    from ebbgate.client import ControlClient


@click.command()
@ENVIRONMENT
@remote
def stale(control: "ControlClient", out: Output, environment: str) -> Status:
    """Flags that nobody evaluates, attributes that rules ask for in vain, defaults of the code that were served.

    As evaluators of the environment have counted since they began. OFREP callers whose token is good for all
    environments count in each.
    """
    out.give(control.environments.silence(environment), lambda found: _table(found, environment))
    return None


def _table(found: Sequence[SilentFlag], environment: str) -> Table | str:
    if not found:
        return f"every flag of {environment} is evaluated, with the attributes that its rule asks for"
    table = a_table("flag", "silence")
    for one in found:
        table.add_row(one.flag, one.sentence)
    return table
