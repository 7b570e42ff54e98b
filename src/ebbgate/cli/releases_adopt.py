"""`ebbgate release adopt`: the version that runs already, as the first stable release (RULES H4)."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ebbgate.cli.options import REASON, Status, remote
from ebbgate.cli.output import Output
from ebbgate.cli.releases_build import PLAN, sent
from ebbgate.cli.releases_lines import release_lines
from ebbgate.core.releases import Documents, encode_manifest
from ebbgate.core.releases.requests import RegisterRelease
from ebbgate.core.releases.versions import tidy_version

if TYPE_CHECKING:
    from ebbgate.client import ControlClient


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@PLAN
@click.option("--version", "version", required=True, metavar="v1.3.2", help="What it is called.")
@click.option("--commit", metavar="SHA", help="That it was built from, where that is known.")
@REASON
@remote
def adopt(
    control: "ControlClient", out: Output, source: Path, plan_file: Path, version: str, commit: str | None, reason: str
) -> Status:
    """Record the version that runs now as stable, so that there is one to go back to.

    SOURCE is the folder (or a tar archive of it) in which the plan's restart commands start it. Its bytes are kept;
    what runs is not touched.
    """
    from ebbgate.bootstrap.builds import absolute, pack_folder, pieces, unpacked
    from ebbgate.bootstrap.plans import load_plan

    plan = load_plan(plan_file, None)
    with (
        tempfile.TemporaryDirectory(prefix="ebbgate-adopt-") as work,
        unpacked(source, work=Path(work)) as folder,
    ):
        archive, artifact, manifest = pack_folder(folder, work=Path(work))
        control.releases.upload(artifact.digest, pieces(archive))
        request = RegisterRelease(
            app=plan.app,
            version=tidy_version(version),
            artifact=artifact,
            documents=Documents(manifest=sent(control, encode_manifest(manifest))),
            reason=reason,
            commit=commit,
            environment=plan.environment,
            deploy=absolute(plan.deploy, folder=plan_file.resolve().parent),
            is_adopted=True,
        )
        made = control.releases.register(request)
    out.give(made, release_lines)
    return None
