"""`ebbgate flag export | import`: an environment as one flagd document."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import RenderableType
from rich.text import Text

from ebbgate.cli.options import ENVIRONMENT, Status, remote, why
from ebbgate.cli.output import Output, json_text
from ebbgate.core.errors import FlagDocumentError
from ebbgate.core.flags.environments_view import ImportView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_STYLES = {"created": "green", "changed": "blue", "deleted": "red", "kept": "dim", "blocked": "bold red"}


@click.command("export")
@click.option("--served", "is_served", is_flag=True, help="As evaluators get it: with rollouts and kills in it.")
@ENVIRONMENT
@remote
def export_flags(control: "ControlClient", out: Output, is_served: bool, environment: str) -> Status:
    """All flags of an environment as one flagd document, on standard output: as they were written."""
    document = control.environments.export_flags(environment, is_served=is_served)
    out.give(document, lambda found: json_text(found).rstrip())
    return None


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--replace", "is_replacing", is_flag=True, help="Delete flags that it has not, unless a rollout runs.")
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say what would change.")
@click.option("--snapshot", type=click.IntRange(min=0), metavar="VERSION", help="The dry run's; another is refused.")
@click.option("--flag-set", metavar="ID", help="Only flags of this flagSetId, where the document has several.")
@click.option("--reason", type=why, metavar="TEXT", help="Why: kept in the audit. Not needed for a dry run.")
@ENVIRONMENT
@remote
def import_flags(
    control: "ControlClient",
    out: Output,
    file: Path,
    is_replacing: bool,
    is_dry_run: bool,
    snapshot: int | None,
    flag_set: str | None,
    reason: str | None,
    environment: str,
) -> Status:
    """Take a flagd document (JSON or YAML; - reads standard input), whole or not at all.

    Refused where it changes a flag on which a rollout runs. References are resolved into each flag.
    """
    if reason is None and not is_dry_run:
        raise click.UsageError("Missing option '--reason': an import is a change, and the audit keeps why.")
    done = control.environments.import_flags(
        environment,
        read_document(file),
        reason=reason or "dry run",
        is_replacing=is_replacing,
        is_dry_run=is_dry_run,
        snapshot_version=snapshot,
        flag_set=flag_set,
    )
    out.give(done, _lines)
    return None


def read_document(file: Path) -> dict[str, Any]:
    """The document in the file. Raises FlagDocumentError."""
    found = read_data(file)
    if not isinstance(found, dict):
        raise FlagDocumentError(f"{file} holds no flagd document", hint='write {"flags": {...}}')
    return found


def read_data(file: Path) -> Any:
    """What a JSON or YAML file says; `-` is standard input. Raises FlagDocumentError."""
    from ebbgate.bootstrap.flag_files import flag_data

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise FlagDocumentError(f"{file} cannot be read: {reason}", hint="give a flagd document") from None
    return flag_data(text, name=str(file))


def _lines(done: ImportView) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for flag in done.flags:
        because = f"  rollout {flag.rollout_id} is running" if flag.rollout_id else ""
        lines.append(Text.assemble((f"{flag.action:8}", _STYLES[flag.action]), f" {flag.flag}{because}"))
        lines += [f"         {change}" for change in flag.changes]
    said = "would be changed" if done.is_dry_run else "changed"
    count = sum(flag.action != "kept" for flag in done.flags)
    lines.append(f"{count} flags {said}, {done.unchanged} as they were ({done.environment}, {_snapshot(done)})")
    if any(flag.action == "blocked" for flag in done.flags):
        lines.append(Text("! with a blocked flag the import is refused whole", style="yellow"))
    return lines


def _snapshot(done: ImportView) -> str:
    return f"snapshot {done.snapshot_version}"
