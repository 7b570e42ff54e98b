"""`ebbgate plan power` (RULES E7)."""

from pathlib import Path

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ebbgate.bootstrap.plans import load_plan
from ebbgate.cli.options import Status, local
from ebbgate.cli.output import Output, a_table
from ebbgate.cli.plans_read import OVERLAY, PLAN
from ebbgate.core.rollouts import PowerTable
from ebbgate.core.rollouts import power as power_of
from ebbgate.core.rollouts.plan_power import Answer, LimitCell, PowerCell

_ANSWERS = {
    Answer.YES: ("✓ yes", "green"),
    Answer.NO: ("✗ no", "bold red"),
    Answer.NOT_APPLICABLE: ("– n/a", "dim"),
    Answer.UNKNOWN: ("? unknown", "yellow"),
}


@click.command()
@PLAN
@OVERLAY
@local
def power(out: Output, plan: Path, overlay: str | None) -> Status:
    """Which guardrail can be proven in which phase, if nothing has changed, with power 0.9; and which limits can be
    tested.
    """
    out.give(power_of(load_plan(plan, overlay)), _shown)
    return None


def _shown(table: PowerTable) -> list[RenderableType]:
    users = f"{table.users:,} active users a day" if table.users else "the plan does not say its `users`"
    lines: list[RenderableType] = [f"Can it be answered? ({users}, power {table.power:g})", Text(""), _grid(table)]
    if whys := _whys(table.guardrails):
        lines += [Text(""), *whys]
    if limits := _limits(table.limits):
        lines += [Text(""), *limits]
    return [*lines, Text(""), *(Text(f"· {sentence}", style="dim") for sentence in table.assumptions)]


def _grid(table: PowerTable) -> Table:
    phases = dict.fromkeys((cell.phase_index, cell.phase) for cell in table.guardrails)
    grid = a_table("", *(name for _, name in phases))
    for guardrail in dict.fromkeys(cell.guardrail for cell in table.guardrails):
        cells = {cell.phase_index: cell for cell in table.guardrails if cell.guardrail == guardrail}
        answers = [_ANSWERS[cells[index].answer] for index, _ in phases]
        grid.add_row(Text(guardrail, style="bold"), *(Text(words, style=style) for words, style in answers))
    return grid


def _whys(cells: tuple[PowerCell, ...]) -> list[RenderableType]:
    """One line for each answer that holds a rollout up, and each one that is not known."""
    wanted = (Answer.NO, Answer.UNKNOWN)
    return [Text(f"{cell.guardrail} in {cell.phase}: {cell.why}") for cell in cells if cell.answer in wanted]


def _limits(cells: tuple[LimitCell, ...]) -> list[RenderableType]:
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
            lines.append(
                Text(f"! limit {limit:g} of {guardrail}{where} needs {weak[0].needed_units:,} exposed users: {phases}")
            )
    if not lines and cells and cells[0].is_testable is not None:
        return [Text("every absolute limit can be tested in every phase")]
    return lines
