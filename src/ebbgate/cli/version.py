"""`ebbgate version`."""

import platform

import click

from ebbgate import __version__
from ebbgate.cli.options import Status, local
from ebbgate.cli.output import Output


@click.command()
@local
def version(out: Output) -> Status:
    """The version of ebbgate, and of the Python that runs it."""
    found = {"ebbgate": __version__, "python": platform.python_version()}
    out.give(found, lambda _: f"ebbgate {found['ebbgate']} (Python {found['python']})")
    return None
