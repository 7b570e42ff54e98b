"""`ebbgate release build`: here, in a disposable checkout; then measured, uploaded, registered and tagged."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ebbgate.cli.options import Status, name, remote
from ebbgate.cli.output import Output
from ebbgate.cli.releases_lines import budget_line, release_lines
from ebbgate.core.errors import BadRequestError, BuildError, ConflictError, PlanError, RepositoryError
from ebbgate.core.releases import BudgetResult, BuildRecord, BuildTerms, Documents, Manifest, Release, encode_manifest
from ebbgate.core.releases.budgets import judge_budgets
from ebbgate.core.releases.commits import release_notes
from ebbgate.core.releases.requests import RebuildRelease, RegisterRelease
from ebbgate.core.releases.versions import newest_tag, next_version, tidy_version
from ebbgate.core.rollouts.plan import Plan

if TYPE_CHECKING:
    from ebbgate.bootstrap.builds import Workshop
    from ebbgate.client import ControlClient
    from ebbgate.ports.builder import Built

PLAN = click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path), default=Path("ebbgate.yaml"), help="Default: ebbgate.yaml."
)


@click.command()
@PLAN
@click.option("--ref", metavar="REF", help="A branch, tag or commit. Default: HEAD, with nothing uncommitted.")
@click.option("--version", "version", metavar="v1.4.0", help="Default: the next one, by the plan's `versions`.")
@click.option("--reason", default="built", metavar="TEXT", help="Kept in the audit.")
@click.option("--flag", "flags", multiple=True, metavar="KEY", help="A further flag that it brings; repeatable.")
@click.option("--irreversible", is_flag=True, help="Going back from it would lose data: nothing redeploys by itself.")
@click.option("--no-tag", is_flag=True, help="Make no tag.")
@click.option("--key", "key_file", type=click.Path(path_type=Path), help="Ed25519 key (PEM) that signs the provenance.")
@click.option("--rebuild", metavar="REF", type=name, help="Put back the lost bytes of this release instead.")
@click.option("--accept-other-bytes", is_flag=True, help="With --rebuild: even where they are not the same.")
@remote
def build(
    control: "ControlClient",
    out: Output,
    plan_file: Path,
    ref: str | None,
    version: str | None,
    reason: str,
    flags: tuple[str, ...],
    irreversible: bool,
    no_tag: bool,
    key_file: Path | None,
    rebuild: str | None,
    accept_other_bytes: bool,
) -> Status:
    """Build a commit in a clean checkout, measure it, and make a release of it.

    Your own tree is never touched. What the commands print goes to standard error as they print it. A failed command,
    or a budget that is not met, leaves no release.
    """
    from ebbgate.bootstrap.builds import Workshop
    from ebbgate.bootstrap.plans import load_plan

    plan = load_plan(plan_file, None)
    if plan.build is None:
        raise PlanError("the plan has no `build`", hint="add `build: {run: [npm ci, npm run build], keep: dist}`")
    shop = Workshop(plan_file.resolve().parent)
    if rebuild is not None:
        made = _rebuilt(control, shop, plan.build, rebuild, reason, key_file, accept_other_bytes)
    else:
        commit = commit_of(shop, ref, outputs=outputs_of(plan, folder=plan_file.resolve().parent))
        version = version_of(control, shop, plan, plan.build, version, commit, is_tagging=not no_tag)
        made = make_release(
            control,
            shop,
            plan,
            plan.build,
            version,
            commit,
            reason,
            key_file,
            folder=plan_file.resolve().parent,
            flags=flags,
            is_tagging=not no_tag,
            reversible=not irreversible,
        )
    out.give(made, release_lines)
    return None


def outputs_of(plan: Plan, *, folder: Path) -> tuple[Path, ...]:
    """Where the plan deploys to, its drills too, and the data of a server of this folder: no source, even where it lies
    in the repository. folder: of the plan.
    """
    from ebbgate.bootstrap.builds import absolute
    from ebbgate.bootstrap.settings import ServeSettings

    deploy = absolute(plan.deploy, folder=folder)
    terms = [one for one in (deploy, deploy.drill if deploy is not None else None) if one is not None]
    targets = [Path(one.to.directory) for one in terms if one.to.directory is not None]
    return (*targets, folder / ServeSettings().data_dir)


def commit_of(shop: "Workshop", ref: str | None, *, outputs: Sequence[Path] = ()) -> str:
    """What is to be built. outputs: as `outputs_of` has them. Raises RepositoryError for HEAD with something
    uncommitted.
    """
    commit = shop.repository.resolve(ref or "HEAD")
    if ref is None and (dirty := shop.repository.is_dirty(outputs=outputs)):
        more = f" and {len(dirty) - 1} more" if len(dirty) > 1 else ""
        raise RepositoryError(
            f"there are uncommitted changes: {dirty[0]}{more}",
            hint="commit them, or name in .gitignore what is no source; or build a commit as it is, with --ref HEAD",
        )
    return commit


def version_of(
    control: "ControlClient",
    shop: "Workshop",
    plan: Plan,
    terms: BuildTerms,
    asked: str | None,
    commit: str,
    *,
    is_tagging: bool,
) -> str:
    """The version, which no tag and no release may have yet."""
    tags = shop.repository.tags()
    known = {line.version for line in control.releases.list(app=plan.app)}
    if asked is None:
        since = newest_tag(terms.versions, [*tags, *known])
        commits = shop.repository.commits(since if since in tags else None, commit)
        found = next_version(terms.versions, [*tags, *known], commits, today=shop.now().date())
    else:
        found = tidy_version(asked)
    if found in known:
        raise ConflictError(f"release {plan.app}@{found} is there already", hint="give another --version")
    if is_tagging and found in tags:
        raise ConflictError(f"the tag {found} exists already", hint="give another --version, or --no-tag")
    return found


def make_release(
    control: "ControlClient",
    shop: "Workshop",
    plan: Plan,
    terms: BuildTerms,
    version: str,
    commit: str,
    reason: str,
    key_file: Path | None,
    *,
    folder: Path,
    flags: tuple[str, ...] = (),
    is_tagging: bool = True,
    reversible: bool = True,
) -> Release:
    """Build, measure, upload, register, tag."""
    from ebbgate.bootstrap.builds import absolute

    since = newest_tag(terms.versions, shop.repository.tags())
    notes = release_notes(shop.repository.commits(since, commit))
    with tempfile.TemporaryDirectory(prefix="ebbgate-build-") as work:
        tell(f"building {plan.app} {version} from {commit[:10]}")
        built = shop.build(commit, terms, work=Path(work), progress=tell)
        budgets = _measured(control, plan.app, terms, built.manifest)
        documents, is_signed = _uploaded(control, shop, plan.app, version, built, terms, key_file)
        request = RegisterRelease(
            app=plan.app,
            version=version,
            artifact=built.artifact,
            documents=documents,
            reason=reason,
            commit=commit,
            tag=version if is_tagging else None,
            environment=plan.environment,
            flags=tuple(dict.fromkeys((plan.flag, *flags))),
            deploy=absolute(plan.deploy, folder=folder),
            reversible=reversible,
            notes=notes,
            build=_record(built, budgets, is_signed),
        )
        made = control.releases.register(request)
    if is_tagging:
        try:
            tag_release(shop, made, commit)
        except (RepositoryError, ConflictError) as error:
            hint = f"mend it, then: ebbgate release tag {made.id}"
            raise RepositoryError(f"{made.id} is made, but not tagged: {error.message}", hint=hint) from error
    return made


def tag_release(shop: "Workshop", release: Release, commit: str) -> None:
    """The annotated tag, with its notes. Raises RepositoryError, ConflictError where there is one of that name."""
    message = f"{release.app} {release.version}\n\n{release.notes}".strip() + "\n"
    shop.repository.tag(release.version, commit, message)


def _rebuilt(
    control: "ControlClient",
    shop: "Workshop",
    terms: BuildTerms,
    ref: str,
    reason: str,
    key_file: Path | None,
    accept_other_bytes: bool,
) -> Release:
    """The marked last resort (RULES H4): from the commit that the release names."""
    before = control.releases.get(ref).release
    if before.commit is None:
        raise BadRequestError(f"{before.id} was adopted, not built", hint="adopt it again under another version")
    with tempfile.TemporaryDirectory(prefix="ebbgate-build-") as work:
        tell(f"rebuilding {before.id} from {before.commit[:10]}")
        built = shop.build(shop.repository.resolve(before.commit), terms, work=Path(work), progress=tell)
        documents, is_signed = _uploaded(control, shop, before.app, before.version, built, terms, key_file)
        request = RebuildRelease(
            artifact=built.artifact,
            documents=documents,
            reason=reason,
            build=_record(built, (), is_signed),
            accept_other_bytes=accept_other_bytes,
        )
        return control.releases.rebuild(before.id, request)


def _measured(control: "ControlClient", app: str, terms: BuildTerms, manifest: Manifest) -> tuple[BudgetResult, ...]:
    """Raises BuildError for a budget that is not met, or that measures nothing."""
    stable = next((line for line in control.releases.list(app=app) if line.is_last_stable), None)
    needs_it = any(budget.growth_bytes is not None for budget in terms.budgets)
    before = control.releases.manifest(stable.id) if stable is not None and needs_it else None
    results = judge_budgets(terms.budgets, manifest, before)
    for result in results:
        tell(budget_line(result))
    broken = [one for one in results if one.is_met is False or (one.is_met is None and one.kind != "growth")]
    broken += [one for one in results if one.is_met is None and one.kind == "growth" and before is not None]
    if broken:
        lines = "; ".join(budget_line(one) for one in broken)
        raise BuildError(f"a budget is not met, there is no release: {lines}", hint="make it smaller, or raise it")
    return results


def _uploaded(
    control: "ControlClient",
    shop: "Workshop",
    app: str,
    version: str,
    built: "Built",
    terms: BuildTerms,
    key_file: Path | None,
) -> tuple[Documents, bool]:
    from ebbgate import __version__
    from ebbgate.bootstrap.builds import pieces

    bill, provenance = shop.papers(app, version, built, terms, builder=_builder(__version__), key_file=key_file)
    tell(f"uploading {built.artifact.archive_bytes:,} bytes, {built.artifact.digest}")
    control.releases.upload(built.artifact.digest, pieces(built.archive))
    documents = Documents(
        manifest=sent(control, encode_manifest(built.manifest)),
        sbom=sent(control, bill),
        provenance=sent(control, provenance),
        log=sent(control, built.log.read_bytes()),
    )
    return documents, key_file is not None


def sent(control: "ControlClient", data: bytes) -> str:
    """Upload some bytes; returns their digest."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    control.releases.upload(digest, [data])
    return digest


def _builder(version: str) -> str:
    return f"urn:ebbgate:cli:{version}"


def _record(built: "Built", budgets: Sequence[BudgetResult], is_signed: bool) -> BuildRecord:
    from ebbgate import __version__

    for risk in built.risks:
        tell(f"risk: {risk}")
    return BuildRecord(
        builder=_builder(__version__),
        started_at=built.started_at,
        took=built.ended_at - built.started_at,
        commands=built.commands,
        budgets=tuple(budgets),
        risks=built.risks,
        dependencies=len(built.manifest.dependencies),
        locked_by=built.manifest.locked_by,
        toolchain=built.toolchain,
        is_signed=is_signed,
    )


def tell(line: str) -> None:
    """To standard error, at once: standard output is for the result."""
    click.echo(line, err=True)
