"""`ebbgate release list | show | diff`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ebbgate.cli.options import Status, name, remote
from ebbgate.cli.output import Output, a_table, day
from ebbgate.cli.releases_lines import STYLES, current_words, deployment_end, release_lines, size
from ebbgate.core.releases.commits import Commit
from ebbgate.core.releases.diff import ReleaseDiff
from ebbgate.core.releases.requests import ReleaseLine, ReleaseView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

APP = click.option("--app", metavar="NAME", help="Of this application only.")
_PAPERS = click.Choice(["manifest", "sbom", "provenance", "log"])
_SHOWN = 40


@click.command("list")
@APP
@remote
def list_all(control: "ControlClient", out: Output, app: str | None) -> Status:
    """All releases, newest first."""
    out.give(control.releases.list(app=app), _table)
    return None


def _table(lines: list[ReleaseLine]) -> Table | str:
    if not lines:
        return "no releases yet; make one with `ebbgate release build`, or `ebbgate release adopt`"
    table = a_table("release", "state", "built", "commit", "size", "notes", right=("size",))
    for line in lines:
        marks = [
            *current_words(line),
            *(["last stable"] if line.is_last_stable else []),
            *(["pinned"] if line.is_pinned else []),
            *([] if line.are_bytes_there else ["no bytes"]),
        ]
        table.add_row(
            line.id,
            Text(line.state.value, style=STYLES[line.state.value]),
            day(line.created_at),
            (line.commit or "adopted")[:10],
            size(line.content_bytes),
            ", ".join(marks),
        )
    return table


@click.command()
@click.argument("ref", type=name)
@click.option("--paper", type=_PAPERS, help="Print one of its papers instead.")
@remote
def show(control: "ControlClient", out: Output, ref: str, paper: str | None) -> Status:
    """Everything of a release; or its bill of materials, provenance, manifest or build log."""
    if paper is not None:
        click.echo(control.releases.paper(ref, paper))
        return None
    out.give(control.releases.get(ref), _view)
    return None


def _view(view: ReleaseView) -> list[RenderableType]:
    lines = release_lines(view.release)
    marks = [
        *current_words(view),
        *(["last stable"] if view.is_last_stable else []),
        *([] if view.are_bytes_there else ["its bytes are GONE"]),
    ]
    if marks:
        lines.append(f"         {', '.join(marks)}")
    lines.append(f"flags    {', '.join(f'{key} ({where})' for where, key in view.flags) or '–'}")
    lines.append(f"rollouts {', '.join(view.rollouts) or '–'}")
    lines += [deployment_end(one) for one in view.deployments[:3]]
    if view.release.notes:
        lines += ["", *view.release.notes.splitlines()]
    return lines


@click.command()
@click.argument("before", type=name)
@click.argument("after", type=name)
@click.option("--repo", type=click.Path(path_type=Path), default=Path(), help="For the commits. Default: here.")
@remote
def diff(control: "ControlClient", out: Output, before: str, after: str, repo: Path) -> Status:
    """What differs between two releases: files, sizes, dependencies, and the commits where a repository is at hand."""
    found = control.releases.diff(before, after)
    commits = _commits(repo, found)
    if out.as_json:
        out.give({"diff": found, "commits": commits}, lambda _: "")
        return None
    out.give(found, lambda shown: _differences(shown, commits))
    return None


def _commits(repo: Path, found: ReleaseDiff) -> list[Commit] | None:
    """None where they cannot be told: no repository here, or not these commits."""
    from ebbgate.bootstrap.builds import repository_at
    from ebbgate.core.errors import EbbgateError

    repository = repository_at(repo)
    if repository is None or found.commit_before is None or found.commit_after is None:
        return None
    try:
        return repository.commits(found.commit_before, found.commit_after)
    except EbbgateError:
        return None


def _differences(found: ReleaseDiff, commits: list[Commit] | None) -> list[RenderableType]:
    signs = {"added": "+", "removed": "-", "changed": "~"}
    lines: list[RenderableType] = [Text(f"{found.before} -> {found.after}", style="bold")]
    if found.is_same_bytes:
        lines.append("the same bytes")
    lines.append(f"size: {size(found.growth)}, {size(found.gzip_growth)} after gzip")
    lines.append(f"files: {len(found.files)}")
    for file in found.files[:_SHOWN]:
        change = (file.bytes_after or 0) - (file.bytes_before or 0)
        lines.append(f"  {signs[file.what]} {file.path} {'+' if change >= 0 else ''}{size(change)}")
    lines.append(f"dependencies: {len(found.dependencies)}")
    for one in found.dependencies[:_SHOWN]:
        versions = " -> ".join(version for version in (one.version_before, one.version_after) if version)
        lines.append(f"  {signs[one.what]} {one.place.removeprefix('node_modules/')} {versions}")
    if commits is None:
        lines.append("commits: not told here (run it in the repository)")
        return lines
    lines.append(f"commits: {len(commits)}")
    return [*lines, *(f"  {commit.sha[:10]} {commit.subject}" for commit in commits[:_SHOWN])]
