"""`ebbgate plan`: what can be said of a plan file before it runs. Needs no server."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_HOME = "ebbgate.cli.plans_read"

ENTRIES = {
    "lint": Entry(f"{_HOME}:lint", "What cannot work, and what may surprise."),
    "show": Entry(f"{_HOME}:show", "The plan in plain sentences."),
    "power": Entry("ebbgate.cli.plans_power:power", "Users and days that each phase needs, and what to change."),
    "simulate": Entry("ebbgate.cli.plans_simulate:simulate", "The plan, a thousand times, on past days of your units."),
    "schema": Entry(f"{_HOME}:schema", "The JSON Schema of plan files, for editors."),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def plan() -> None:
    """Check a plan file before it runs. Needs no server, but for past days that are asked of one.

    PLAN is a file, by default ebbgate.yaml.
    """
