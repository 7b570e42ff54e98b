"""`ebbgate token create | list | revoke`."""

from typing import TYPE_CHECKING, get_args

import click
from rich.table import Table
from rich.text import Text

from ebbgate.cli.options import REASON, Status, name, remote
from ebbgate.cli.output import Output, a_table, day, moment
from ebbgate.core.access import TokenKind
from ebbgate.core.access.view import NewToken, TokenView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient


@click.command()
@click.argument("kind", type=click.Choice(get_args(TokenKind)))
@click.option("--name", "label", required=True, type=name, metavar="TEXT", help="What it is for; the audit shows it.")
@click.option("--environment", metavar="NAME", help="The only one that it is good for (client and server tokens).")
@click.option("--reason", metavar="TEXT", help="Kept in the audit. Default: the name.")
@remote
def create(
    control: "ControlClient", out: Output, kind: str, label: str, environment: str | None, reason: str | None
) -> Status:
    """Make a token. Its text goes to standard output, once; only a hash is kept."""
    made = control.tokens.create(kind, label, reason=reason or label, environment=environment)
    out.give(made, lambda new: new.secret)
    if not out.as_json:
        click.echo(_note(made), err=True)
    return None


def _note(made: NewToken) -> str:
    where = made.token.environment or "all environments"
    return f"{made.token.kind} token {made.token.id} for {where}; it is shown only this once"


@click.command("list")
@remote
def list_all(control: "ControlClient", out: Output) -> Status:
    """All tokens, oldest first, revoked ones as well; never their texts."""
    out.give(control.tokens.list(), _table)
    return None


def _table(tokens: list[TokenView]) -> Table:
    table = a_table("id", "kind", "name", "environment", "created", "is")
    for token in tokens:
        is_good = token.revoked_at is None
        words = "good" if is_good else f"revoked {day(token.revoked_at)}"
        style = "" if is_good else "dim"
        table.add_row(
            token.id,
            token.kind,
            token.name,
            token.environment or "all",
            day(token.created_at),
            Text(words, style=style),
        )
    return table


@click.command()
@click.argument("token_id", metavar="ID", type=name)
@REASON
@remote
def revoke(control: "ControlClient", out: Output, token_id: str, reason: str) -> Status:
    """Take a token back for good. ID is the one that `token list` shows."""
    out.give(
        control.tokens.revoke(token_id, reason=reason),
        lambda gone: f"token {gone.id} ({gone.name}) is revoked since {moment(gone.revoked_at)}",
    )
    return None
