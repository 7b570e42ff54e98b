"""`ebbgate release deploy | deployments`."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click
from rich.table import Table

from ebbgate.cli.exits import Exit
from ebbgate.cli.options import REASON, Status, duration, name, remote
from ebbgate.cli.output import Output, a_table, moment
from ebbgate.cli.releases_lines import deployment_end, event_line, proof_words
from ebbgate.cli.releases_read import APP
from ebbgate.core.releases import Deployment, DeploymentStatus

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_POLL = timedelta(milliseconds=200)


@click.command()
@click.argument("ref", type=name)
@REASON
@click.option("--override", is_flag=True, help="Even if it is quarantined.")
@click.option("--key", metavar="WORD", help="The same word is the same deployment, however often it is asked for.")
@click.option("--no-wait", is_flag=True, help="Do not wait for its end.")
@click.option("--timeout", type=duration, default="10m", show_default=True, help="Wait so long (machine time).")
@remote
def deploy(
    control: "ControlClient",
    out: Output,
    ref: str,
    reason: str,
    override: bool,
    key: str | None,
    no_wait: bool,
    timeout: timedelta,
) -> Status:
    """Send a release to the target of its plan, restart, and see that it is the one that answers.

    \b
    0 it answers      5 still going on when --timeout was over
    1 it does not: what was there before is back, or a person is needed
    """
    asked = control.releases.deploy(ref, reason=reason, override=override, key=key)
    ended = asked if no_wait else followed(control, asked, timeout=timeout)
    out.give(ended, deployment_end)
    if ended.status is DeploymentStatus.DONE or no_wait:
        return Exit.OK
    return Exit.ERROR if ended.is_over else Exit.TIMEOUT


def followed(control: "ControlClient", deployment: Deployment, *, timeout: timedelta) -> Deployment:
    """Tell each step on standard error until it is over, or the time is."""
    from ebbgate.bootstrap.clocks import SystemClock

    clock = SystemClock()
    until = clock.monotonic() + timeout.total_seconds()
    told = 0
    while True:
        for event in deployment.events[told:]:
            click.echo(event_line(event), err=True)
        told = max(told, len(deployment.events))
        if deployment.is_over or clock.monotonic() >= until:
            return deployment
        clock.sleep(_POLL)
        deployment = control.releases.deployment(deployment.id)


@click.command()
@APP
@remote
def deployments(control: "ControlClient", out: Output, app: str | None) -> Status:
    """What went where, newest first."""
    out.give(control.releases.deployments(app=app), _table)
    return None


def _table(found: list[Deployment]) -> Table | str:
    if not found:
        return "nothing was deployed yet; do it with `ebbgate release deploy`"
    table = a_table("deployment", "release", "status", "asked", "by", "proof")
    for one in found:
        kind = " (rollback)" if one.is_rollback else ""
        table.add_row(
            one.id, one.release, one.status.value + kind, moment(one.created_at), one.actor, proof_words(one.proof)
        )
    return table
