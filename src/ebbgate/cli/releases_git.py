"""`ebbgate release verify | notes | tag`: what needs the repository beside the server."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from ebbgate.cli.exits import Exit
from ebbgate.cli.options import Status, name, remote
from ebbgate.cli.output import Output
from ebbgate.cli.releases_build import PLAN
from ebbgate.core.errors import BadRequestError
from ebbgate.core.releases import Release
from ebbgate.core.releases.commits import release_notes
from ebbgate.core.releases.requests import VerifyFinding, VerifyView
from ebbgate.core.releases.versions import newest_tag, next_version

if TYPE_CHECKING:
    from ebbgate.client import ControlClient
    from ebbgate.ports.repository import Repository

_REPO = click.option("--repo", type=click.Path(path_type=Path), default=Path(), help="The repository. Default: here.")


@click.command()
@click.argument("ref", type=name)
@_REPO
@click.option("--key", "key_file", type=click.Path(path_type=Path), help="Public Ed25519 key of the provenance (PEM).")
@remote
def verify(control: "ControlClient", out: Output, ref: str, repo: Path, key_file: Path | None) -> Status:
    """Read all bytes of a release again, and look whether its tag still points to its commit.

    Exit status 1 when something is not what it was.
    """
    from ebbgate.bootstrap.builds import repository_at, signature_is_good

    release = control.releases.get(ref).release
    found = control.releases.verify(release.id)
    more = [_tag_finding(repository_at(repo), release)]
    if key_file is not None:
        is_good = release.documents.provenance is not None and signature_is_good(
            control.releases.paper(release.id, "provenance"), key_file
        )
        text = f"signed by {key_file}" if is_good else f"not signed by {key_file}"
        more.append(VerifyFinding(what="signature", is_good=is_good, text=text))
    findings = (*found.findings, *(one for one in more if one is not None))
    view = VerifyView(release=release.id, findings=findings, is_good=all(one.is_good for one in findings))
    out.give(view, _findings)
    return Exit.OK if view.is_good else Exit.ERROR


def _tag_finding(repository: "Repository | None", release: Release) -> VerifyFinding | None:
    if release.tag is None or release.commit is None:
        return None
    if repository is None:
        return VerifyFinding(what="tag", is_good=True, text="not looked at: there is no repository here")
    points_to = repository.tags().get(release.tag)
    if points_to is None:
        return VerifyFinding(what="tag", is_good=False, text=f"there is no tag {release.tag} in this repository")
    if points_to != release.commit:
        text = f"{release.tag} was moved: it points to {points_to[:10]}, the release is of {release.commit[:10]}"
        return VerifyFinding(what="tag", is_good=False, text=text)
    return VerifyFinding(what="tag", is_good=True, text=f"{release.tag} points to {release.commit[:10]}")


def _findings(view: VerifyView) -> list[Text]:
    return [
        Text.assemble(("✓ ", "green") if one.is_good else ("✗ ", "bold red"), f"{one.what}: {one.text}")
        for one in view.findings
    ]


@click.command()
@click.argument("ref", type=name, required=False)
@PLAN
@_REPO
@remote
def notes(control: "ControlClient", out: Output, ref: str | None, plan_file: Path, repo: Path) -> Status:
    """What changed: in a release; without REF, in the commits since the last tag, with the version to come."""
    if ref is not None:
        found = control.releases.get(ref).release
        out.give({"version": found.version, "notes": found.notes}, lambda made: f"{made['version']}\n\n{made['notes']}")
        return None
    from ebbgate.bootstrap.builds import Workshop
    from ebbgate.bootstrap.plans import load_plan

    terms = load_plan(plan_file, None).build
    if terms is None:
        raise BadRequestError("the plan has no `build`", hint="name a release: ebbgate release notes v1.4.0")
    shop = Workshop(repo)
    tags = shop.repository.tags()
    commits = shop.repository.commits(newest_tag(terms.versions, tags), shop.repository.resolve("HEAD"))
    version = next_version(terms.versions, tags, commits, today=shop.now().date())
    shown = {"version": version, "notes": release_notes(commits)}
    out.give(shown, lambda made: f"{made['version']} (to come)\n\n{made['notes'] or 'nothing since the last one'}")
    return None


@click.command()
@click.argument("ref", type=name)
@_REPO
@remote
def tag(control: "ControlClient", out: Output, ref: str, repo: Path) -> Status:
    """Make the annotated tag of a release that has none in this repository yet."""
    from ebbgate.bootstrap.builds import Workshop

    release = control.releases.get(ref).release
    if release.commit is None:
        raise BadRequestError(f"{release.id} names no commit", hint="an adopted release has nothing to tag")
    shop = Workshop(repo)
    message = f"{release.app} {release.version}\n\n{release.notes}".strip() + "\n"
    shop.repository.tag(release.version, shop.repository.resolve(release.commit), message)
    out.give(
        msgspec.to_builtins({"tag": release.version, "commit": release.commit}),
        lambda made: f"{made['tag']} points to {made['commit'][:10]}",
    )
    return None
