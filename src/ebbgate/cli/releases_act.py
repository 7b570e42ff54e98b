"""`ebbgate release mark-bad | clear | pin | unpin | prune`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from rich.table import Table

from ebbgate.cli.options import REASON, Status, name, remote
from ebbgate.cli.output import Output, a_table
from ebbgate.cli.releases_lines import size
from ebbgate.core.releases import Release
from ebbgate.core.releases.requests import PruneView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_REF = click.argument("ref", type=name)


def _action(verb: str, method: str, words: str, help_text: str) -> click.Command:
    """A command that asks the API for one change of a release. words: what was done, for people."""

    @click.command(verb, help=help_text)
    @_REF
    @REASON
    @remote
    def command(control: "ControlClient", out: Output, ref: str, reason: str) -> Status:
        step: Callable[..., Release] = getattr(control.releases, method)
        out.give(step(ref, reason=reason), lambda made: f"{made.id} {words}")
        return None

    return command


mark_bad = _action(
    "mark-bad", "mark_bad", "is quarantined", "Quarantine it: nothing deploys or starts it without --override."
)
clear = _action("clear", "clear", "is `built` again, and has to prove itself", "Take the mark of a bad release away.")
approve = _action("approve", "approve", "is approved", "Say yes to it; not for who registered it.")
pin = _action("pin", "pin", "is pinned", "Keep its bytes until it is unpinned.")
unpin = _action("unpin", "unpin", "is not pinned any more", "Let pruning have it.")


@click.command()
@click.option("--app", required=True, metavar="NAME", type=name, help="Of which application.")
@click.option("--keep", type=click.IntRange(min=0), default=10, show_default=True, help="So many newest stay.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say what would go.")
@click.option("--reason", default="retention", metavar="TEXT", help="Kept in the audit.")
@remote
def prune(control: "ControlClient", out: Output, app: str, keep: int, is_dry_run: bool, reason: str) -> Status:
    """Let go of bytes that nothing needs.

    What is current, the last stable release, what is pinned, and whatever an open rollout, deployment or incident
    refers to always stays.
    """
    out.give(control.releases.prune(app, keep=keep, reason=reason, is_dry_run=is_dry_run), _pruned)
    return None


def _pruned(view: PruneView) -> list[Table | str]:
    table = a_table("release", "", "why")
    for line in view.keeping:
        gone = "would go" if view.is_dry_run else "gone"
        table.add_row(line.release, "stays" if line.is_kept else gone, line.why)
    return [table, f"{size(view.freed_bytes)} freed"]
