"""`ebbgate flag list | show`."""

from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ebbgate.cli.options import ENVIRONMENT, Status, name, remote
from ebbgate.cli.output import Output, a_table, json_text, moment
from ebbgate.core.flags.view import FlagView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

KEY = click.argument("key", type=name)


@click.command("list")
@ENVIRONMENT
@remote
def list_all(control: "ControlClient", out: Output, environment: str) -> Status:
    """All flags of an environment."""
    out.give(control.flags.list(environment=environment), lambda flags: _table(flags, environment))
    return None


def _table(flags: list[FlagView], environment: str) -> Table | str:
    if not flags:
        return f"no flags in {environment} yet; `ebbgate rollout start` makes the one that its plan names"
    table = a_table("flag", "is", "rollout", "variants", "revision", right=("revision",))
    for flag in flags:
        words, style = standing(flag)
        table.add_row(
            flag.key,
            Text(words, style=style),
            flag.rollout_id or "–",
            " ".join(flag.definition.get("variants", {})),
            str(flag.revision),
        )
    return table


def standing(flag: FlagView) -> tuple[str, str]:
    """What decides about the flag now, and its style."""
    if flag.kill is not None:
        return f"OFF: everybody gets `{flag.kill.variant}`", "bold red"
    if flag.definition.get("state") == "DISABLED":
        return "disabled: everybody gets the code's default", "yellow"
    if flag.rollout_id is not None:
        return "live, by its rollout", "blue"
    rule = "by its own rule" if flag.definition.get("targeting") else f"`{flag.definition.get('defaultVariant')}`"
    return f"live, {rule}", "green"


@click.command()
@KEY
@ENVIRONMENT
@remote
def show(control: "ControlClient", out: Output, key: str, environment: str) -> Status:
    """One flag: as written, as served, and what stands between."""
    out.give(control.flags.get(key, environment=environment), describe)
    return None


def describe(flag: FlagView) -> list[RenderableType]:
    """The flag in some lines."""
    words, style = standing(flag)
    facts = f"  {flag.environment}  revision {flag.revision}, snapshot {flag.snapshot_version}"
    lines: list[RenderableType] = [Text.assemble((flag.key, "bold"), facts), Text(words, style=style)]
    if flag.kill is not None:
        lines.append(f"killed by {flag.kill.actor} at {moment(flag.kill.killed_at)}: {flag.kill.reason}")
        lines.append(f"Lift it: ebbgate flag restore {flag.key} --reason ...")
    if flag.rollout_id is not None:
        lines.append(f"rollout: {flag.rollout_id}; see `ebbgate rollout get {flag.rollout_id}`")
    if flag.opt_in:
        lines.append(f"opted in: {', '.join(flag.opt_in[:10])}" + (" ..." if len(flag.opt_in) > 10 else ""))
    lines += [Text("as written:", style="dim"), json_text(flag.definition).rstrip()]
    if flag.served is not None and flag.served != flag.definition:
        lines += [Text("as served:", style="dim"), json_text(flag.served).rstrip()]
    return lines
