"""`ebbgate evaluators | arrivals | audit`: what control sees of the world, and what was done."""

from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ebbgate.cli.options import Status, remote
from ebbgate.cli.output import Output, a_table, day, moment
from ebbgate.core.access.view import AuditEntry
from ebbgate.core.events.view import ArrivalsView, EvaluatorView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

CONFIRMING = ("sdk", "stream")
"""Kinds that say which version they serve (RULES H2)."""

PAGE = 1_000


@click.command()
@remote
def evaluators(control: "ControlClient", out: Output) -> Status:
    """Who evaluates flags, and which snapshot version each serves."""
    out.give(control.observations.evaluators(), _evaluators)
    return None


def _evaluators(found: list[EvaluatorView]) -> Table | str:
    if not found:
        return "no evaluator has reported yet; connect an SDK, or ask the edge over OFREP"
    table = a_table("name", "is", "version", "confirmed", "last seen", right=("version",))
    for one in sorted(found, key=lambda e: (not e.is_connected, e.name or e.evaluator)):
        words, style = ("connected", "green") if one.is_connected else ("gone", "yellow")
        if one.is_closed:
            words, style = "closed", "dim"
        confirmed = moment(one.confirmed_at) if one.kind in CONFIRMING else "cannot tell"
        version = "–" if one.snapshot_version is None else str(one.snapshot_version)
        table.add_row(
            f"{one.name or one.evaluator} ({one.kind})",
            Text(words, style=style),
            version,
            confirmed,
            moment(one.last_seen_at),
        )
    return table


@click.command()
@remote
def arrivals(control: "ControlClient", out: Output) -> Status:
    """Which events arrive, and what running rollouts wait for in vain."""
    out.give(control.observations.arrivals(), _arrivals)
    return None


def _arrivals(view: ArrivalsView) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for silence in view.silence:
        lines += [Text(f"! {silence.rollout_id}: {sentence}", style="yellow") for sentence in silence.sentences]
    if view.names:
        table = a_table("event", "arrived", "newest (plan time)", right=("arrived",))
        for name in view.names:
            table.add_row(name.name, f"{name.count:,}", moment(name.newest_at))
        lines.append(table)
    else:
        lines.append("no events have arrived yet")
    if view.evaluations:
        table = a_table(
            "flag", "evaluations", "without key", "code defaults", right=("evaluations", "without key", "code defaults")
        )
        for counts in view.evaluations:
            table.add_row(counts.flag, f"{counts.evaluations:,}", f"{counts.keyless:,}", f"{counts.code_defaults:,}")
        lines += [Text(""), table]
    return [*lines, Text(f"read up to {moment(view.watermark)} of plan time", style="dim")]


@click.command()
@click.option("--subject", metavar="REF|KIND:NAME", help="Of one only: a rollout, flag:ENVIRONMENT/KEY, token:ID, ...")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1), help="The newest so many.")
@remote
def audit(control: "ControlClient", out: Output, subject: str | None, limit: int) -> Status:
    """Who changed what, when and why; the newest last."""
    out.give(read_audit(control, subject)[-limit:], lambda entries: _audit(entries, subject))
    return None


def read_audit(control: "ControlClient", subject: str | None) -> list[AuditEntry]:
    """Everything, page by page."""
    entries: list[AuditEntry] = []
    while True:
        after = entries[-1].id if entries else 0
        page = control.records.audit(subject=subject, after=after, limit=PAGE)
        entries += page
        if len(page) < PAGE:
            return entries


def _audit(entries: list[AuditEntry], subject: str | None) -> Table | str:
    if not entries:
        return f"no entries for {subject}" if subject is not None else "nothing was changed yet"
    table = a_table("at", "who", "did", "because")
    for entry in entries:
        table.add_row(day(entry.at), entry.actor, f"{entry.action} {entry.subject.partition(':')[2]}", entry.reason)
    return table
