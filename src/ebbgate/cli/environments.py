"""`ebbgate environment`."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_HOME = "ebbgate.cli.environments_change"

ENTRIES = {
    "list": Entry(f"{_HOME}:list_all", "All environments."),
    "create": Entry(f"{_HOME}:create", "Make an environment; flags are put into existing ones only."),
    "bucketing": Entry(f"{_HOME}:bucketing", "Draw everybody anew by another generation."),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def environment() -> None:
    """Where flags live: each environment has its own flags, snapshot and bucketing."""
