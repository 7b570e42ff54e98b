"""`ebbgate doctor`: find what is wrong with the set-up."""

from pathlib import Path

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ebbgate.cli.doctor_checks import Check, Finding, check_data, check_extras, check_ports, check_python
from ebbgate.cli.doctor_server import check_server
from ebbgate.cli.exits import Exit
from ebbgate.cli.options import AS_JSON, TOKEN, URL, Status
from ebbgate.cli.output import Output, a_table

_SIGNS = {
    Finding.OK: ("✓ ok", "green"),
    Finding.NOTE: ("· note", "dim"),
    Finding.WARNING: ("! warning", "yellow"),
    Finding.FAILED: ("✗ failed", "bold red"),
}


@click.command()
@click.option("--data", "data_dir", type=click.Path(path_type=Path), default=Path(".ebbgate"), show_default=True)
@click.option("--edge-url", metavar="URL", help="Of the edge. Default: by the data directory, else port 8120.")
@URL
@TOKEN
@AS_JSON
def doctor(data_dir: Path, edge_url: str | None, url: str | None, token: str | None, as_json: bool) -> Status:
    """Find what is wrong with the set-up: this machine, the data directory, the server, the token, what arrives.

    The exit status is 1 if anything has failed.
    """
    checks = [check_python(), check_extras(), *check_data(data_dir), *check_ports(data_dir)]
    checks += check_server(url, token, data_dir=data_dir, edge_url=edge_url)
    Output(as_json=as_json).give(checks, _table)
    return Exit.ERROR if any(check.finding is Finding.FAILED for check in checks) else Exit.OK


def _table(checks: list[Check]) -> list[RenderableType]:
    table: Table = a_table("check", "is", "found")
    for check in checks:
        words, style = _SIGNS[check.finding]
        found = Text(check.detail)
        if check.hint:
            found.append(f"\n→ {check.hint}", style="dim")
        table.add_row(check.name, Text(words, style=style), found)
    wrong = sum(check.finding is Finding.FAILED for check in checks)
    return [table, f"{wrong} of {len(checks)} failed." if wrong else "Nothing has failed."]
