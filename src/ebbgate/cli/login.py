"""`ebbgate login`: keep the server's URL and a token for later commands."""

import sys
from typing import TYPE_CHECKING

import click
import msgspec

from ebbgate.cli.connection import DEFAULT_URL, KeptLogin, config_path, target, write_login
from ebbgate.cli.options import AS_JSON, TOKEN, URL, Status
from ebbgate.cli.output import Output
from ebbgate.core.access import kind_of
from ebbgate.core.errors import AuthenticationError

if TYPE_CHECKING:
    from ebbgate.client import ControlClient


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept from now on, but for the token itself."""

    url: str
    token_kind: str | None
    file: str


@click.command()
@URL
@TOKEN
@click.option("--token-stdin", "is_piped", is_flag=True, help="Read the token from standard input.")
@AS_JSON
def login(url: str | None, token: str | None, is_piped: bool, as_json: bool) -> Status:
    """Keep the server's URL and your token in a file that only you can read.

    Without --token it is asked for, so that it stays out of your shell's history. It is tried before it is kept.
    """
    from ebbgate.client import ControlClient

    found = target(url, token)
    secret = sys.stdin.readline().strip() if is_piped else token or _asked(found.url)
    with ControlClient(found.url, secret) as control:
        _try(control)
    path = config_path()
    write_login(path, KeptLogin(url=found.url, token=secret))
    kept = LoggedIn(url=found.url, token_kind=kind_of(secret), file=str(path))
    Output(as_json=as_json).give(kept, lambda k: f"{k.token_kind} token for {k.url} kept in {k.file}")
    return None


def _asked(url: str) -> str:
    """The token as a person types it. Raises AuthenticationError where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise AuthenticationError("there is no token to keep", hint="give --token or --token-stdin")
    secret: str = click.prompt(f"Token for {url} ({DEFAULT_URL} is the default)", hide_input=True, err=True)
    return secret.strip()


def _try(control: "ControlClient") -> None:
    """Raises what the server answers to the token."""
    control.server.clock()
