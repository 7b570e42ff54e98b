"""`ebbgate release ship`: build, tag, deploy and start the rollout, in one command for people and for pipelines.

What is done is looked up first, so the same command goes on where one before it stopped.
"""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import RenderableType
from rich.text import Text

from ebbgate.cli.exits import Exit
from ebbgate.cli.nobody_told import warn_where_nobody_is_told
from ebbgate.cli.options import REASON, Status, duration, name, remote
from ebbgate.cli.output import Output
from ebbgate.cli.releases_build import commit_of, make_release, outputs_of, tag_release, tell, version_of
from ebbgate.cli.releases_deploy import followed
from ebbgate.cli.releases_lines import deployment_end, size
from ebbgate.cli.releases_ship_checks import Standing, look_before
from ebbgate.core.errors import BuildError, DeployError
from ebbgate.core.releases import Deployment, DeploymentStatus, Release
from ebbgate.core.releases.requests import ReleaseView
from ebbgate.core.releases.versions import tidy_version
from ebbgate.core.rollouts.plan import Mode, Plan
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.terminal import plain_line

if TYPE_CHECKING:
    from ebbgate.bootstrap.builds import Workshop
    from ebbgate.client import ControlClient


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """What is so after it. done: what this call did: build, tag, deploy, start, adopt. rollout: None with --first."""

    release: Release
    deployment: Deployment
    rollout: RolloutView | None
    done: tuple[str, ...]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. release: one that is built already; None to build `ref`."""

    plan_file: Path
    plan: Plan
    overlay: str | None
    mode: Mode | None
    release: str | None
    version: str | None
    ref: str | None
    reason: str
    is_first: bool


@click.command()
@click.argument("plan_file", metavar="[PLAN]", type=click.Path(path_type=Path), default=Path("ebbgate.yaml"))
@click.option("--version", metavar="v1.4.0", help="Default: the next one, by the plan's `versions`.")
@click.option("--ref", metavar="REF", help="What to build. Default: HEAD, with nothing uncommitted.")
@click.option("--release", metavar="REF", type=name, help="Ship this one, which is built already.")
@click.option("--first", "is_first", is_flag=True, help="Nothing runs yet: deploy it as the stable one, start nothing.")
@REASON
@click.option("--overlay", metavar="NAME", help="One of the plan's overlays.")
@click.option("--mode", type=click.Choice([mode.value for mode in Mode]), help="In place of the plan's.")
@click.option("--timeout", type=duration, default="10m", show_default=True, help="Of the deployment (machine time).")
@remote
def ship(
    control: "ControlClient",
    out: Output,
    plan_file: Path,
    version: str | None,
    ref: str | None,
    release: str | None,
    is_first: bool,
    reason: str,
    overlay: str | None,
    mode: str | None,
    timeout: timedelta,
) -> Status:
    """Build, tag, deploy, start the rollout (PLAN: ebbgate.yaml).

    Whatever would stop it later stops it before anything is built. Asked again, it goes on where it was: what is
    built, tagged, deployed or started is not so twice. Then `ebbgate rollout status FLAG --timeout 2h` waits for its
    end.

    \b
    0 the rollout is on its way (with --first: the release answers)
    1 refused, not built, or not deployed: what was there before is back
    2 the plan is wrong
    5 the deployment goes on after --timeout
    7 the token may not
    """
    from ebbgate.bootstrap.plans import load_plan

    order = Order(
        plan_file=plan_file,
        plan=load_plan(plan_file, overlay),
        overlay=overlay,
        mode=Mode(mode) if mode else None,
        release=release,
        version=tidy_version(version) if version else None,
        ref=ref,
        reason=reason,
        is_first=is_first,
    )
    shipped, status = _ship(control, order, timeout)
    out.give(shipped, _lines)
    return status


def _ship(control: "ControlClient", order: Order, timeout: timedelta) -> tuple[Shipped, Exit]:
    from ebbgate.bootstrap.builds import Workshop

    shop = Workshop(order.plan_file.resolve().parent)
    outputs = outputs_of(order.plan, folder=order.plan_file.resolve().parent)
    commit = commit_of(shop, order.ref, outputs=outputs) if order.release is None else None
    before = look_before(control, order.plan, release=order.release, version=order.version, commit=commit)
    before.refuse(is_first=order.is_first)
    release, done = _released(control, shop, order, before.release, commit)
    done += _tagged(shop, release)
    deployment, is_new = _deployed(control, order, control.releases.get(release.id), timeout)
    done += ["deploy"] if is_new else []
    if not deployment.is_over:
        return Shipped(release=release, deployment=deployment, rollout=None, done=tuple(done)), Exit.TIMEOUT
    if deployment.status is not DeploymentStatus.DONE:
        hint = f"see its steps: ebbgate release show {release.id}"
        raise DeployError(str(deployment_end(deployment)), hint=hint)
    rollout = None
    if order.is_first:
        done += [] if release.is_stable else ["adopt"]
        release = control.releases.adopt(release.id, reason=order.reason)
    else:
        rollout = _started(control, order, release, before, done)
        release = control.releases.get(release.id).release
    return Shipped(release=release, deployment=deployment, rollout=rollout, done=tuple(done)), Exit.OK


def _released(
    control: "ControlClient", shop: "Workshop", order: Order, found: Release | None, commit: str | None
) -> tuple[Release, list[str]]:
    """The release, made if it was not there."""
    if found is not None:
        tell(f"{found.id} is built already, {found.artifact.digest}")
        return found, []
    assert order.plan.build is not None and commit is not None, "looked at before"
    version = version_of(control, shop, order.plan, order.plan.build, order.version, commit, is_tagging=True)
    made = make_release(
        control,
        shop,
        order.plan,
        order.plan.build,
        version,
        commit,
        order.reason,
        None,
        folder=order.plan_file.resolve().parent,
    )
    return made, ["build", "tag"]


def _tagged(shop: "Workshop", release: Release) -> list[str]:
    """The tag, if an earlier call was ended before it. Raises BuildError for a tag that points elsewhere."""
    if release.tag is None or release.commit is None:
        return []
    points_to = shop.repository.tags().get(release.tag)
    if points_to is None:
        tag_release(shop, release, release.commit)
        return ["tag"]
    if points_to != release.commit:
        raise BuildError(
            f"the tag {release.tag} points to {points_to[:10]}, the release is of {release.commit[:10]}",
            hint=f"see what moved it: ebbgate release verify {release.id}",
        )
    return []


def _deployed(control: "ControlClient", order: Order, view: ReleaseView, timeout: timedelta) -> tuple[Deployment, bool]:
    """The deployment of the release and whether it was asked for now; the one that brought it where it runs already."""
    newest = view.deployments[0] if view.deployments else None
    if view.is_current and view.is_answering and newest is not None and newest.status is DeploymentStatus.DONE:
        tell(f"{view.release.id} runs already")
        return newest, False
    if newest is not None and not newest.is_over:
        return followed(control, newest, timeout=timeout), False
    key = f"ship:{view.release.id}:after-{newest.number if newest is not None else 0}"
    asked = control.releases.deploy(view.release.id, reason=order.reason, key=key)
    return followed(control, asked, timeout=timeout), True


def _started(
    control: "ControlClient", order: Order, release: Release, before: Standing, done: list[str]
) -> RolloutView:
    from ebbgate.bootstrap.plans import plan_text

    if before.rollout is not None:
        tell(f"{before.rollout} rolls it out already")
        return control.rollouts.get(before.rollout)
    started = control.rollouts.start(
        plan_text(order.plan_file), release=release.id, reason=order.reason, overlay=order.overlay, mode=order.mode
    )
    done.append("start")
    warn_where_nobody_is_told(control, started)
    return started


def _lines(shipped: Shipped) -> list[RenderableType]:
    release = shipped.release
    lines: list[RenderableType] = [
        Text.assemble((release.id, "bold"), f"  {size(release.artifact.content_bytes)}, {release.artifact.digest}"),
        deployment_end(shipped.deployment),
    ]
    if (rollout := shipped.rollout) is not None:
        lines += [str(plain_line(rollout, None)), f"wait for its end: ebbgate rollout status {rollout.id} --timeout 2h"]
    elif shipped.release.is_stable:
        lines.append("it is the stable release now; nothing is rolled out")
    return lines
