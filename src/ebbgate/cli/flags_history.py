"""`ebbgate flag history | diff | revert | delete`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ebbgate.cli.flags_read import KEY, describe
from ebbgate.cli.options import ENVIRONMENT, REASON, Status, remote
from ebbgate.cli.output import Output, a_table, moment
from ebbgate.core.flags.history_view import FlagDiffView, FlagVersionView
from ebbgate.core.flags.view import FlagDeletedView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_VERSION = click.IntRange(min=1)
_SEEN = click.option("--revision", type=_VERSION, help="The one you saw; another is refused.")


@click.command()
@KEY
@click.option("--before", type=_VERSION, metavar="VERSION", help="Only older ones than this.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most so many.")
@ENVIRONMENT
@remote
def history(
    control: "ControlClient", out: Output, key: str, before: int | None, limit: int, environment: str
) -> Status:
    """Every change of a flag, newest first: who, when, why, and what differs."""
    versions = control.flags.history(key, before=before, limit=limit, environment=environment)
    out.give(versions, _table)
    return None


def _table(versions: Sequence[FlagVersionView]) -> Table | str:
    if not versions:
        return "no version was kept: the flag is older than its history, and was not changed since"
    table = a_table("version", "at", "by", "what", "differs", "why", right=("version",))
    for one in versions:
        what = one.action.removeprefix("flag.").replace("_", "-")
        table.add_row(str(one.version), moment(one.at), one.actor, what, "\n".join(one.changes) or "–", one.reason)
    return table


@click.command()
@KEY
@click.argument("older", metavar="A", type=_VERSION)
@click.argument("newer", metavar="B", type=_VERSION)
@ENVIRONMENT
@remote
def diff(control: "ControlClient", out: Output, key: str, older: int, newer: int, environment: str) -> Status:
    """What differs from version A to version B of a flag, in sentences."""
    out.give(control.flags.diff(key, older, newer, environment=environment), _differences)
    return None


def _differences(found: FlagDiffView) -> list[RenderableType]:
    title = Text.assemble((found.flag, "bold"), f"  {found.environment}  version {found.older} -> {found.newer}")
    return [title, *(found.changes or ("nothing differs",))]


@click.command()
@KEY
@click.option("--to", "version", required=True, type=_VERSION, metavar="VERSION", help="As `flag history` has it.")
@_SEEN
@REASON
@ENVIRONMENT
@remote
def revert(
    control: "ControlClient", out: Output, key: str, version: int, revision: int | None, reason: str, environment: str
) -> Status:
    """Write the definition of an earlier version anew, as a new version.

    A kill and the opt-in list stay as they are. A deleted flag comes back. Refused while a rollout runs on the flag.
    """
    found = control.flags.revert(key, version, reason=reason, revision=revision, environment=environment)
    out.give(found, describe)
    return None


@click.command()
@KEY
@_SEEN
@REASON
@ENVIRONMENT
@remote
def delete(
    control: "ControlClient", out: Output, key: str, revision: int | None, reason: str, environment: str
) -> Status:
    """Delete a flag, its kill and its opt-in list; the history stays.

    Whoever still asks for it gets the code's own default. Refused while a rollout runs on the flag.
    """
    out.give(control.flags.delete(key, reason=reason, revision=revision, environment=environment), _gone)
    return None


def _gone(gone: FlagDeletedView) -> list[RenderableType]:
    back = f"ebbgate flag revert {gone.key} --to {gone.version - 1} --reason ..."
    lines: list[RenderableType] = [f"{gone.key} is deleted from {gone.environment} (snapshot {gone.snapshot_version})"]
    return [*lines, f"Bring it back: {back}"] if gone.version > 1 else lines
