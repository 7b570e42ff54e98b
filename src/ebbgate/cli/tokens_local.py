"""`ebbgate token new-admin`."""

from pathlib import Path

import click

from ebbgate.bootstrap.settings import read_settings
from ebbgate.cli.options import Status, local, name, why
from ebbgate.cli.output import Output


@click.command("new-admin")
@click.option("--data", "data_dir", type=click.Path(path_type=Path, file_okay=False), help="Default: .ebbgate")
@click.option("--name", "label", default="new admin", show_default=True, type=name, metavar="TEXT", help="Its name.")
@click.option(
    "--reason",
    default="made on the server's machine",
    show_default=True,
    type=why,
    metavar="TEXT",
    help="Why: kept in the audit.",
)
@local
def new_admin(out: Output, data_dir: Path | None, label: str, reason: str) -> Status:
    """Make an admin token without having one: for who has lost them all.

    This works on the server's own store and needs its account, not its API; the server may run. The token's text goes
    to standard output, once. The settings are those of `ebbgate serve`.
    """
    from ebbgate.bootstrap.access import new_admin as make

    made = make(read_settings({"data_dir": data_dir}), name=label, reason=reason)
    out.give(made, lambda new: new.secret)
    if not out.as_json:
        click.echo(f"admin token {made.token.id}; it is shown only this once", err=True)
    return None
