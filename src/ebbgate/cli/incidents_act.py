"""`ebbgate incident open | note | assign | severity | stable | reopen | close`."""

from typing import TYPE_CHECKING, Literal

import click
from rich.console import RenderableType

from ebbgate.cli.incidents_read import INCIDENT
from ebbgate.cli.options import ENVIRONMENT, REASON, Status, name, remote, why
from ebbgate.cli.output import Output
from ebbgate.core.incidents import Incident, IncidentKind, Role, Severity
from ebbgate.core.incidents.requests import OpenedIncident
from ebbgate.core.rollbacks.reports import ReportTaken

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

_KINDS = click.Choice([kind.value.replace("_", "-") for kind in IncidentKind])
_SEVERITIES = click.Choice([severity.value for severity in Severity])
_ROLES = click.Choice([role.value for role in Role])


@click.command("open")
@click.option("--app", required=True, metavar="NAME", type=name, help="The application that is harmed.")
@click.option("--kind", type=_KINDS, default=IncidentKind.PERSON.value, show_default=True, help="What was found.")
@click.option("--title", metavar="TEXT", help="A few words; the reason, if it is not given.")
@click.option("--severity", type=_SEVERITIES, help="By default that of the kind.")
@click.option("--release", metavar="VERSION", help="The version that is suspected.")
@click.option("--new-app", "is_new_app", is_flag=True, help="Also if nothing is known of the application.")
@ENVIRONMENT
@REASON
@remote
def open_one(
    control: "ControlClient",
    out: Output,
    app: str,
    kind: str,
    title: str | None,
    severity: str | None,
    release: str | None,
    is_new_app: bool,
    environment: str,
    reason: str,
) -> Status:
    """Open an incident by hand. Corrupted data take the application's running rollouts back at once; the answer says
    which.
    """
    opened = control.incidents.open(
        app=app,
        kind=IncidentKind(kind.replace("-", "_")),
        title=(title or reason)[:200],
        reason=reason,
        severity=Severity(severity) if severity else None,
        environment=environment,
        release=release,
        is_new_app=is_new_app,
    )
    out.give(opened, _opened)
    return None


def _opened(one: OpenedIncident) -> list[RenderableType]:
    """What became of what was running is said always: at night nobody looks for what is not there."""
    lines = [f"{one.id} is open ({one.severity.value}): {one.title}"]
    if one.taken_back:
        lines.append(f"taken back: {', '.join(one.taken_back)}")
    if one.frozen:
        lines.append(f"paused, as it cannot be reversed by itself: {', '.join(one.frozen)}")
    if one.left and one.kind is IncidentKind.DATA_CORRUPTION:
        lines.append(f"not taken back, as another system serves the flag; switch it there: {', '.join(one.left)}")
    elif one.left:
        lines.append(
            f"nothing was taken back; {', '.join(one.left)} goes on: ebbgate rollback {one.left[0]} --reason ..."
        )
    if not (one.taken_back or one.frozen or one.left):
        lines.append(f"nothing of {one.app} was being rolled out in {one.environment}, so nothing was taken back")
    return list(lines)


@click.command()
@click.argument("text", type=why)
@click.option("--app", default="", metavar="NAME", help="The application that it is about; or --flag.")
@click.option("--flag", default="", metavar="KEY", help="The flag that it is about.")
@click.option("--unit", default="", metavar="KEY", help="Who says it; their version is looked up.")
@click.option("--variant", default="", metavar="NAME", help="Their version, where no unit is known.")
@click.option("--kind", default="complaint", show_default=True, metavar="WORD", help="Such as ticket, call, review.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1), help="So many, without a unit.")
@ENVIRONMENT
@remote
def report(
    control: "ControlClient",
    out: Output,
    text: str,
    app: str,
    flag: str,
    unit: str,
    variant: str,
    kind: str,
    count: int,
    environment: str,
) -> Status:
    """Keep what a user says; it counts for the version that the user had."""
    taken = control.incidents.report(
        text=text, app=app, flag=flag, unit=unit, variant=variant, kind=kind, count=count, environment=environment
    )
    out.give(taken, lambda all_taken: [_counted(one) for one in all_taken])
    return None


def _counted(taken: ReportTaken) -> str:
    now = taken.standing
    if now is None:
        return "Kept; no rollout is under way that it counts for."
    lines = f"{now.rollout}: {taken.report.arm.value}; {now.treatment} new, {now.control} old, {now.unknown} unknown."
    return f"{lines} {taken.outcome.replace('_', ' ')}: {now.why} {taken.incident}".strip() if taken.outcome else lines


@click.command()
@INCIDENT
@click.argument("text", type=why)
@click.option("--link", default="", metavar="URL", help="Of what it rests on.")
@remote
def note(control: "ControlClient", out: Output, ref: str, text: str, link: str) -> Status:
    """Keep what you see: facts, with the time at which you say them."""
    out.give(control.incidents.note(ref, text, link=link), lambda row: f"noted in {row.incident}")
    return None


@click.command()
@INCIDENT
@click.argument("role", type=_ROLES)
@click.argument("who", default="")
@REASON
@remote
def assign(control: "ControlClient", out: Output, ref: str, role: str, who: str, reason: str) -> Status:
    """Give somebody a role; without a name it is taken away."""
    out.give(control.incidents.assign(ref, Role(role), who, reason=reason), _roles)
    return None


def _roles(one: Incident) -> str:
    return f"{one.id}: " + (", ".join(f"{role.value} {who}" for role, who in one.roles.items()) or "no roles")


@click.command()
@INCIDENT
@click.argument("severity", type=_SEVERITIES, metavar="SEVERITY")
@REASON
@remote
def severity(control: "ControlClient", out: Output, ref: str, severity: str, reason: str) -> Status:
    """Say how grave it is: sev1 (people are harmed now), sev2 (taken back), sev3 (nobody was harmed)."""
    changed = control.incidents.set_severity(ref, Severity(severity), reason=reason)
    out.give(changed, lambda one: f"{one.id} is {one.severity.value}")
    return None


def _move(verb: str, status: Literal["stable", "active", "closed"], help_text: str) -> click.Command:
    @click.command(verb, help=help_text)
    @INCIDENT
    @REASON
    @remote
    def command(control: "ControlClient", out: Output, ref: str, reason: str) -> Status:
        out.give(control.incidents.move(ref, status, reason=reason), lambda one: f"{one.id} is {one.status.value}")
        return None

    return command


stable = _move("stable", "stable", "Say that the harm is over; the post-mortem is drafted at once.")
reopen = _move("reopen", "active", "Say that it is not over.")
close = _move("close", "closed", "Finish it. Its post-mortem has to be reviewed.")
