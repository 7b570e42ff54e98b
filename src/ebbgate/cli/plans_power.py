"""`ebbgate plan power` (RULES E7)."""

from collections.abc import Mapping
from math import ceil, exp
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ebbgate.bootstrap.plans import load_plan
from ebbgate.cli.options import Status, local
from ebbgate.cli.output import Output, a_table
from ebbgate.cli.plans_history import Source, metrics_of, read_source, with_history
from ebbgate.cli.plans_read import OVERLAY, PLAN
from ebbgate.core.metrics import Metric, MetricKind, format_value
from ebbgate.core.rollouts import PowerTable
from ebbgate.core.rollouts import power as power_of
from ebbgate.core.rollouts.plan_power import Answer, GoalCell, LimitCell, PowerCell
from ebbgate.core.rollouts.plan_power_changes import with_changes
from ebbgate.core.rollouts.traffic import MetricTraffic, Traffic, given_traffic, traffic_of
from ebbgate.core.rollouts.values_quantities import quantity_text

_SPREAD = "spread: one standard deviation between users, ± as a share of the value, × as a factor"
_ANSWERS = {
    Answer.YES: ("✓ yes", "green"),
    Answer.NO: ("✗ no", "bold red"),
    Answer.NOT_APPLICABLE: ("– n/a", "dim"),
    Answer.UNKNOWN: ("? unknown", "yellow"),
}


@click.command()
@PLAN
@OVERLAY
@click.option("--users", type=click.IntRange(min=1), help="Active users of a day, in place of the plan's `users`.")
@click.option(
    "--new-users", default=0, type=click.IntRange(min=0), help="Of a later day, how many had not come before."
)
@with_history
@local
def power(out: Output, /, plan: Path, overlay: str | None, users: int | None, new_users: int, **options: Any) -> Status:
    """Which guardrail can be proven in which phase, if nothing has changed, with power 0.9: users and days needed, and
    what to change where the answer is no; which goals and limits can be decided.
    """
    loaded, source = load_plan(plan, overlay), Source(**options)
    if source.is_given and (users is not None or new_users):
        raise click.UsageError("past days tell the users: leave out --users and --new-users")
    traffic = None
    if source.is_given:
        traffic = traffic_of(read_source(loaded, source), metrics_of(loaded))
    elif (users or loaded.users) is not None:
        traffic = given_traffic(users or loaded.users or 0, new_users)
    metrics = {metric.name: metric for metric in loaded.metrics}
    out.give(with_changes(loaded, power_of(loaded, traffic)), lambda table: power_lines(table, metrics))
    return None


def power_lines(table: PowerTable, metrics: Mapping[str, Metric]) -> list[RenderableType]:
    """metrics: those of the plan, by name, whose units the numbers are in."""
    people = f"{table.users:,} active users a day" if table.users else "the plan does not say its `users`"
    lines: list[RenderableType] = [f"Can it be answered? ({people}, power {table.power:g})", Text(""), _grid(table)]
    if whys := _whys(table.guardrails):
        lines += [Text(""), *whys]
    if table.goals:
        lines += [Text(""), *(Text(f"goal {cell.goal} in {cell.phase}: {_goal(cell)}") for cell in table.goals)]
    if limits := _limits(table.limits, metrics):
        lines += [Text(""), *limits]
    if table.traffic is not None and table.traffic.metrics:
        lines += [Text(""), _measured(table.traffic, metrics), Text(_SPREAD, style="dim")]
    return [*lines, Text(""), *(Text(f"· {sentence}", style="dim") for sentence in table.assumptions)]


def _measured(traffic: Traffic, metrics: Mapping[str, Metric]) -> Table:
    """What past days say of each metric."""
    within = f"within {traffic.days}d" if traffic.days > 1 else "in a day"
    table = a_table("past days", "users", "with it", "value", "spread", right=("users", "with it", "value", "spread"))
    table.add_row(f"all, {within}", f"{traffic.reach[-1]:,.0f}", "", "", "")
    for name, seen in traffic.metrics.items():
        metric = metrics[name]
        table.add_row(name, f"{seen.n:,}", f"{seen.share:.0%}", format_value(metric, seen.value), _spread(metric, seen))
    return table


def _spread(metric: Metric, seen: MetricTraffic) -> str:
    if seen.spread is None:
        return "–"
    return f"×{exp(seen.spread):.2f}" if metric.kind is MetricKind.QUANTILE else f"±{seen.spread:.0%}"


def _goal(cell: GoalCell) -> str:
    days = f", {_days(cell.needed_days)} in the phase" if cell.needed_days is not None else ""
    return f"{cell.why}{days}"


def _days(days: float) -> str:
    """Rounded up, so that what is shown is enough."""
    return f"{ceil(days * 10 - 1e-9) / 10:g}d"


def _grid(table: PowerTable) -> Table:
    phases = dict.fromkeys((cell.phase_index, cell.phase) for cell in table.guardrails)
    grid = a_table("", *(name for _, name in phases))
    for guardrail in dict.fromkeys(cell.guardrail for cell in table.guardrails):
        cells = {cell.phase_index: cell for cell in table.guardrails if cell.guardrail == guardrail}
        grid.add_row(Text(guardrail, style="bold"), *(_answer(cells[index]) for index, _ in phases))
    return grid


def _answer(cell: PowerCell) -> Text:
    """The answer, with the new units and days that it takes."""
    words, style = _ANSWERS[cell.answer]
    if cell.needed_units is not None:
        days = f" in {_days(cell.needed_days)}" if cell.needed_days is not None else ""
        words += f" {cell.needed_units:,}{days}"
    return Text(words, style=style)


def _whys(cells: tuple[PowerCell, ...]) -> list[RenderableType]:
    """One line for each answer that holds a rollout up, and each one that is not known."""
    wanted = (Answer.NO, Answer.UNKNOWN)
    lines: list[RenderableType] = []
    for cell in cells:
        if cell.answer in wanted:
            lines.append(Text(f"{cell.guardrail} in {cell.phase}: {cell.why}"))
            if cell.changes:
                lines.append(Text(f"  what would do: {'; or '.join(cell.changes)}", style="dim"))
    return lines


def _limits(cells: tuple[LimitCell, ...], metrics: Mapping[str, Metric]) -> list[RenderableType]:
    """One line for each absolute limit that some phase is too small to test (RULES G3)."""
    by_limit: dict[tuple[str, float, str], list[LimitCell]] = {}
    for cell in cells:
        by_limit.setdefault((cell.guardrail, cell.limit, cell.function), []).append(cell)
    lines: list[RenderableType] = []
    for (guardrail, limit, function), found in by_limit.items():
        weak = [cell for cell in found if cell.is_testable is False]
        if weak:
            where = f" on {function}" if function else ""
            phases = ", ".join(f"{cell.phase} ({cell.treatment_units:,})" for cell in weak)
            said = f"limit {_limit_text(metrics[guardrail], limit)} of {guardrail}{where}"
            lines.append(Text(f"! {said} needs {weak[0].needed_units:,} exposed users: {phases}"))
    if not lines and cells and cells[0].is_testable is not None:
        return [Text("every absolute limit can be tested in every phase")]
    return lines


def _limit_text(metric: Metric, limit: float) -> str:
    """`1s`, `5%` or `3 per user`, as a plan writes it."""
    per = " per user" if metric.kind is MetricKind.COUNT and metric.is_of_events else ""
    return quantity_text(limit, event=metric.event, kind=metric.kind) + per
