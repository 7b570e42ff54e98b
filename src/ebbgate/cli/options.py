"""Options that commands share, and what they are given instead of them."""

import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click

from ebbgate.core.errors import PlanError

if TYPE_CHECKING:
    from ebbgate.cli.output import Output
    from ebbgate.client import ControlClient

P = ParamSpec("P")
Status = int | None
"""Of a command: its exit status; None is 0."""

AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
URL = click.option("--url", metavar="URL", help="Of the control API. [EBBGATE_CONTROL_URL]")
TOKEN = click.option("--token", metavar="TOKEN", help="Of kind operator or admin. [EBBGATE_TOKEN]")
ENVIRONMENT = click.option("--environment", default="production", show_default=True, metavar="NAME", help="Where.")


def local(function: Callable[Concatenate["Output", P], Status]) -> Callable[..., Status]:
    """A command that works on this machine alone; it gets where to print."""

    @AS_JSON
    @wraps(function)
    def command(*args: Any, as_json: bool, **kwargs: Any) -> Status:
        from ebbgate.cli.output import Output

        return function(Output(as_json=as_json), *args, **kwargs)

    return command


def remote(function: Callable[Concatenate["ControlClient", "Output", P], Status]) -> Callable[..., Status]:
    """A command over the control API; it gets the client and where to print."""

    @URL
    @TOKEN
    @AS_JSON
    @wraps(function)
    def command(*args: Any, url: str | None, token: str | None, as_json: bool, **kwargs: Any) -> Status:
        from ebbgate.cli.connection import open_client
        from ebbgate.cli.output import Output

        with open_client(url, token) as control:
            return function(control, Output(as_json=as_json), *args, **kwargs)

    return command


def duration(value: str | timedelta) -> timedelta:
    """The type of an option such as `10m` or `2h30m`; machine time. 0 is allowed: do not wait."""
    from ebbgate.core.rollouts.values import duration as read

    if isinstance(value, timedelta) or re.fullmatch(r"0[smh]?", value):
        return value if isinstance(value, timedelta) else timedelta(0)
    try:
        return read(value, "$")
    except PlanError as error:
        raise click.BadParameter(f"{error.message}: {error.hint}") from None


def name(value: str) -> str:
    """The type of a name of something on the server: never empty, as that would name the whole list."""
    if not value.strip() or value in (".", ".."):
        raise click.BadParameter("a name is needed here")
    return value


def why(value: str) -> str:
    """The type of a reason: it has to say something."""
    if not value.strip():
        raise click.BadParameter("say why, in a few words: the audit keeps it")
    return value


REASON = click.option("--reason", required=True, type=why, metavar="TEXT", help="Why: kept in the audit.")
REF = click.argument("ref", type=name)
"""A rollout's id, or the name of its flag."""
