"""`ebbgate incident list | show | timeline`."""

from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import RenderableType
from rich.table import Table

from ebbgate.cli.options import Status, name, remote
from ebbgate.cli.output import Output, a_table, moment
from ebbgate.core.incidents import Entry, Incident

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

INCIDENT = click.argument("ref", metavar="REF", type=name)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with its timeline."""

    incident: Incident
    timeline: list[Entry]


@click.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only those that are not closed.")
@click.option("--app", metavar="NAME", help="Of this application only.")
@remote
def list_all(control: "ControlClient", out: Output, open_only: bool, app: str | None) -> Status:
    """Incidents, newest first."""
    out.give(control.incidents.list(open_only=open_only, app=app), _table)
    return None


def _table(found: list[Incident]) -> RenderableType:
    if not found:
        return "no incident"
    table = a_table("id", "severity", "status", "kind", "opened", "what")
    for one in found:
        kind = one.kind.value.replace("_", " ")
        table.add_row(one.id, one.severity.value, one.status.value, kind, moment(one.opened_at), one.title)
    return table


@click.command()
@INCIDENT
@remote
def show(control: "ControlClient", out: Output, ref: str) -> Status:
    """One incident and its timeline."""
    found = control.incidents.get(ref)
    out.give(Shown(incident=found, timeline=control.incidents.timeline(found.id)), _shown)
    return None


def _shown(shown: Shown) -> list[RenderableType]:
    one = shown.incident
    roles = ", ".join(f"{role.value} {who}" for role, who in one.roles.items()) or "nobody has a role yet"
    lines = [
        f"{one.id}  {one.severity.value}  {one.status.value}  {one.kind.value.replace('_', ' ')}",
        one.title,
        f"opened {moment(one.opened_at)} by {one.opened_by}; {roles}",
    ]
    if one.rollout is not None:
        lines.append(f"rollout {one.rollout}, release {one.release or 'unknown'}, flag {one.flag} in {one.environment}")
    return [*lines, "", _entries(shown.timeline)]


@click.command()
@INCIDENT
@remote
def timeline(control: "ControlClient", out: Output, ref: str) -> Status:
    """What happened, oldest first: decisions, changes, proofs, deployments, messages and notes."""
    out.give(control.incidents.timeline(ref), _entries)
    return None


def _entries(entries: list[Entry]) -> Table:
    table = a_table("at", "what", "who says so", "")
    for entry in entries:
        often = f" (x{entry.times})" if entry.times > 1 else ""
        table.add_row(f"{entry.at:%m-%d %H:%M:%S}", entry.kind.value, entry.actor, f"{entry.words}{often}")
    return table
