"""`ebbgate flag put | kill | restore | opt-in | opt-out`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ebbgate.cli.flags_document import read_data
from ebbgate.cli.flags_read import KEY, describe
from ebbgate.cli.options import ENVIRONMENT, REASON, Status, name, remote
from ebbgate.cli.output import Output
from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags.view import OptView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_UNIT = click.argument("unit", type=name)
_WISH = click.option("--reason", default="asked for it", show_default=True, metavar="TEXT", help="Kept in the audit.")
_AS_USER = click.option(
    "--as-user", "is_user", is_flag=True, help="The user's own wish, with a client token; the flag must allow it."
)


@click.command()
@KEY
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--revision", type=click.IntRange(min=0), help="The one you saw (0: a new flag); another is refused.")
@REASON
@ENVIRONMENT
@remote
def put(
    control: "ControlClient", out: Output, key: str, file: Path, revision: int | None, reason: str, environment: str
) -> Status:
    """Create a flag, or replace its definition, from a JSON or YAML file (- reads standard input).

    FILE holds flagd's definition of the flag, or a whole flagd document with this flag in it.
    """
    definition = read_definition(key, file, environment=environment)
    out.give(control.flags.put(key, definition, reason=reason, revision=revision, environment=environment), describe)
    return None


def read_definition(key: str, file: Path, *, environment: str) -> dict[str, Any]:
    """The flag's definition in the file; out of a whole document with all that it takes from there, as by an import.

    Raises FlagDocumentError.
    """
    from ebbgate.core.flags.standalone import standalone_flags

    found = read_data(file)
    if isinstance(found, dict) and isinstance(found.get("flags"), dict | list):
        flags = standalone_flags(found, environments=(environment,))
        if key not in flags:
            known = ", ".join(sorted(flags)) or "none"
            raise FlagDocumentError(f"{file} has no flag {key!r}", hint=f"flags in it: {known}", path="$.flags")
        found = flags[key]
    if not isinstance(found, dict):
        raise FlagDocumentError(f"{file} holds no flag", hint='write {"state": "ENABLED", "variants": {...}, ...}')
    return found


@click.command()
@KEY
@click.option("--variant", metavar="NAME", help="What everybody gets. Default: the old version.")
@REASON
@ENVIRONMENT
@remote
def kill(control: "ControlClient", out: Output, key: str, variant: str | None, reason: str, environment: str) -> Status:
    """Everybody gets the old version, at once, whatever rule and rollout say. `restore` lifts it."""
    out.give(control.flags.kill(key, reason=reason, variant=variant, environment=environment), describe)
    return None


@click.command()
@KEY
@REASON
@ENVIRONMENT
@remote
def restore(control: "ControlClient", out: Output, key: str, reason: str, environment: str) -> Status:
    """Lift a kill: rule and rollout count again."""
    out.give(control.flags.restore(key, reason=reason, environment=environment), describe)
    return None


@click.command("opt-in")
@KEY
@_UNIT
@_AS_USER
@_WISH
@ENVIRONMENT
@remote
def opt_in(
    control: "ControlClient", out: Output, key: str, unit: str, is_user: bool, reason: str, environment: str
) -> Status:
    """Put a user on the flag's opt-in list."""
    if is_user:
        out.give(control.flags.opt_self(key, unit, is_in=True, environment=environment), _wish)
    else:
        out.give(control.flags.opt_in(key, unit, reason=reason, environment=environment), describe)
    return None


@click.command("opt-out")
@KEY
@_UNIT
@_AS_USER
@_WISH
@ENVIRONMENT
@remote
def opt_out(
    control: "ControlClient", out: Output, key: str, unit: str, is_user: bool, reason: str, environment: str
) -> Status:
    """Take a user off the flag's opt-in list."""
    if is_user:
        out.give(control.flags.opt_self(key, unit, is_in=False, environment=environment), _wish)
    else:
        out.give(control.flags.opt_out(key, unit, reason=reason, environment=environment), describe)
    return None


def _wish(done: OptView) -> str:
    words = "on" if done.is_in else "not on"
    return f"{done.unit} is {words} the list of {done.flag} ({done.environment}, snapshot {done.snapshot_version})"
