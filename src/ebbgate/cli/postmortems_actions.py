"""`ebbgate postmortem actions | action-add | action-end`."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

import click
from rich.console import RenderableType

from ebbgate.cli.exits import Exit
from ebbgate.cli.incidents_read import INCIDENT
from ebbgate.cli.options import REASON, Status, name, remote
from ebbgate.cli.output import Output, a_table
from ebbgate.core.incidents import ActionKind
from ebbgate.core.incidents.requests import ActionView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_KINDS = click.Choice([kind.value for kind in ActionKind])


@click.command()
@click.option("--incident", metavar="REF", help="Of this incident only.")
@click.option("--all", "show_all", is_flag=True, help="Those that have ended as well.")
@remote
def actions(control: "ControlClient", out: Output, incident: str | None, show_all: bool) -> Status:
    """What is to be done. The exit status is 1 where something is overdue."""
    found = control.postmortems.actions(incident=incident, open_only=not show_all)
    out.give(found, _table)
    return Exit.ERROR if any(item.is_overdue for item in found) else None


def _table(found: list[ActionView]) -> RenderableType:
    if not found:
        return "nothing is to be done"
    table = a_table("id", "incident", "kind", "owner", "due", "state", "what", right=("id",))
    for item in found:
        state = "OVERDUE" if item.is_overdue else item.state.value
        table.add_row(str(item.id), item.incident, item.kind.value, item.owner, str(item.due_on), state, item.text)
    return table


@click.command("action-add")
@INCIDENT
@click.argument("text", type=name)
@click.option("--owner", required=True, type=name, metavar="WHO", help="A team or a person.")
@click.option("--due", required=True, type=click.DateTime(["%Y-%m-%d"]), help="Its last day (UTC).")
@click.option("--kind", required=True, type=_KINDS, help="What it is good for.")
@REASON
@remote
def add(
    control: "ControlClient", out: Output, ref: str, text: str, owner: str, due: datetime, kind: str, reason: str
) -> Status:
    """Add something that is to be done about it."""
    item = control.postmortems.add_action(
        ref, text, owner=owner, due_on=due.date(), kind=ActionKind(kind), reason=reason
    )
    out.give(item, lambda made: f"action {made.id} of {made.incident}: {made.owner}, until {made.due_on}")
    return None


@click.command("action-end")
@click.argument("action_id", type=int, metavar="ID")
@click.option("--dropped", is_flag=True, help="It will not be done.")
@REASON
@remote
def end(control: "ControlClient", out: Output, action_id: int, dropped: bool, reason: str) -> Status:
    """Say that it is done, and how; or with --dropped, why it will not be."""
    state: Literal["done", "dropped"] = "dropped" if dropped else "done"
    out.give(
        control.postmortems.end_action(action_id, state, reason=reason),
        lambda one: f"action {one.id} is {one.state.value}",
    )
    return None
