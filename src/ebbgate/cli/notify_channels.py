"""`ebbgate notify channels | test | list`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType

from ebbgate.cli.exits import Exit
from ebbgate.cli.options import REASON, Status, remote
from ebbgate.cli.output import Output, a_table, moment
from ebbgate.core.alerts.view import ChannelView, DeliveryView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

NOBODY = 'nobody is told of anything: no channel is configured. Set EBBGATE_NOTIFY="mailto://..." for the server.'


@click.command()
@remote
def channels(control: "ControlClient", out: Output) -> Status:
    """The configured channels; never their URLs, which hold secrets."""
    found = control.notifications.channels()
    out.give(found, _channels)
    return Exit.ERROR if any(channel.problem for channel in found) else None


def _channels(found: list[ChannelView]) -> RenderableType:
    if not found:
        return NOBODY
    table = a_table("channel", "service", "topics", "at least", "problem")
    for one in found:
        topics = ", ".join(one.topics) or "all"
        table.add_row(one.name, one.service, topics, one.at_least.value, one.problem)
    return table


@click.command()
@click.argument("names", nargs=-1, metavar="[CHANNEL]...")
@REASON
@remote
def test(control: "ControlClient", out: Output, names: tuple[str, ...], reason: str) -> Status:
    """Send a test message to the named channels, or to all. The exit status is 0 only if each took it."""
    sent = control.notifications.test(names, reason=reason)
    out.give(sent, lambda rows: [_said(row) for row in rows])
    return None if all(row.delivered_at is not None for row in sent) else Exit.ERROR


def _said(row: DeliveryView) -> str:
    return f"{row.channel}: took it" if row.delivered_at is not None else f"{row.channel}: REFUSED, {row.error}"


@click.command("list")
@click.option("--channel", metavar="NAME", help="Of this channel only.")
@click.option("--after", type=int, default=0, metavar="ID", help="Only messages with a greater id.")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True)
@remote
def list_all(control: "ControlClient", out: Output, channel: str | None, after: int, limit: int) -> Status:
    """What was sent, oldest first: delivered, still tried, or given up after a day."""
    out.give(control.notifications.list(channel=channel, after=after, limit=limit), _deliveries)
    return None


def _deliveries(rows: Sequence[DeliveryView]) -> RenderableType:
    if not rows:
        return "nothing was sent yet"
    table = a_table("id", "at", "channel", "severity", "message", "state", right=("id",))
    for row in rows:
        table.add_row(str(row.id), moment(row.at), row.channel, row.severity.value, row.title, _state(row))
    return table


def _state(row: DeliveryView) -> str:
    if row.delivered_at is not None:
        return "delivered"
    after = f"after {row.attempts} attempts: {row.error}" if row.attempts else "waiting"
    return f"given up {after}" if row.gave_up_at is not None else after
