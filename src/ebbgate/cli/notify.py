"""`ebbgate notify`."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_HOME = "ebbgate.cli.notify_channels"

ENTRIES = {
    "channels": Entry(f"{_HOME}:channels", "Who is told what."),
    "test": Entry(f"{_HOME}:test", "Send a test message, and say who took it."),
    "list": Entry(f"{_HOME}:list_all", "What was sent, and what a channel refused."),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def notify() -> None:
    """Channels to people: mail, Slack, Teams, webhooks and about a hundred more, each by an Apprise URL.

    They are the server's setting `notify`: EBBGATE_NOTIFY="mailto://... slack://...", or tables in its settings file.
    """
