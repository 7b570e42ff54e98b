"""`ebbgate rollout history | explain | replay`."""

from itertools import groupby
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.table import Table

from ebbgate.cli.exits import Exit
from ebbgate.cli.options import REF, Status, remote
from ebbgate.cli.output import Output, a_table, day, moment
from ebbgate.core.rollouts.decision import Decision
from ebbgate.core.rollouts.explain import DecisionView, Explanation
from ebbgate.core.rollouts.replay import ReplayView

if TYPE_CHECKING:
    from ebbgate.client import ControlClient

PAGE = 1_000
"""Decisions in one request: the most that the API gives."""


@click.command()
@REF
@click.option("--after", default=0, show_default=True, type=click.IntRange(min=0), help="Only later looks than this.")
@click.option("--limit", default=10_000, show_default=True, type=click.IntRange(min=1), help="At most so many looks.")
@click.option("--all", "is_every", is_flag=True, help="A line for every look, not one for each run of the same answer.")
@remote
def history(control: "ControlClient", out: Output, ref: str, after: int, limit: int, is_every: bool) -> Status:
    """Every decision that was made, oldest first; looks that gave the same answer stand together."""
    out.give(_read(control, ref, after, limit), lambda rows: _table(rows, is_every=is_every))
    return None


def _read(control: "ControlClient", ref: str, after: int, limit: int) -> list[DecisionView]:
    rows: list[DecisionView] = []
    while len(rows) < limit:
        wanted = min(PAGE, limit - len(rows))
        page = control.rollouts.decisions(ref, after=rows[-1].sequence if rows else after, limit=wanted)
        rows += page
        if len(page) < wanted:
            break
    return rows


def _table(rows: list[DecisionView], *, is_every: bool) -> Table | str:
    if not rows:
        return "nothing was decided yet"
    table = a_table("look", "at (plan time)", "decision", "because", right=("look",))
    for run in runs_of(rows, is_every=is_every):
        first, last = run[0], run[-1]
        looks = str(first.sequence) if len(run) == 1 else f"{first.sequence}-{last.sequence}"
        verb = decision_word(last.decision)
        became = "" if last.status_before is last.status_after else f" → {last.status_after.value.replace('_', ' ')}"
        table.add_row(looks, day(first.looked_at), f"{verb}{became}", last.decision.reason)
    return table


def runs_of(rows: list[DecisionView], *, is_every: bool) -> list[list[DecisionView]]:
    """Looks in a row that gave the same answer; each by itself if `is_every`."""
    if is_every:
        return [[row] for row in rows]
    answers = groupby(rows, key=lambda row: (row.decision.code, type(row.decision), row.status_after))
    return [list(run) for _, run in answers]


def decision_word(decision: Decision) -> str:
    """`hold`, `rollback`."""
    return type(decision).__name__.lower()


@click.command()
@REF
@click.option("--look", type=click.IntRange(min=1), help="The number of a look in `history`; default: the newest.")
@click.option("--exact", is_flag=True, help="The statistics as well, with all their digits.")
@remote
def explain(control: "ControlClient", out: Output, ref: str, look: int | None, exact: bool) -> Status:
    """Why a decision was made: what it rested on, in plain sentences.

    --exact adds the statistics behind them. --json has every number that was given to the decision, blocks and all.
    """
    out.give(control.rollouts.explain(ref, sequence=look), lambda found: _sentences(found, is_exact=exact))
    return None


def _sentences(explanation: Explanation, *, is_exact: bool) -> list[RenderableType]:
    row = explanation.decision
    head = f"{row.rollout_id}, look {row.sequence}, {moment(row.looked_at)} of plan time"
    numbers = ["", "The numbers behind it:", *(f"- {line}" for line in explanation.exact)] if is_exact else []
    return [head, *(f"- {sentence}" for sentence in explanation.sentences), *numbers]


@click.command()
@REF
@remote
def replay(control: "ControlClient", out: Output, ref: str) -> Status:
    """Compute every past decision again, from what was stored with it, and compare.

    Evidence, verdicts, health and decisions, from the first look to the end of a rollback; numbers count as the same
    within 1e-9. The exit status is 0 if all are, else 1.
    """
    found = control.rollouts.replay(ref)
    out.give(found, replay_lines)
    return None if found.is_same else Exit.ERROR


def replay_lines(found: ReplayView) -> list[RenderableType]:
    """What a replay found; nothing was compared where nothing was decided yet."""
    if not found.decisions:
        return [f"{found.rollout_id}: no decision yet, so that there is nothing to replay"]
    people = f", {found.by_person} of them by a person" if found.by_person else ""
    head = f"{found.rollout_id}: {found.decisions:,} decisions replayed{people}, {found.values:,} values compared"
    if found.is_same:
        state = "; the stored evidence is what their blocks give" if found.state_is_same else ""
        return [f"{head}: all the same{state}"]
    lines = [f"- look {d.sequence}, {d.path}: stored {d.stored}, now {d.recomputed}" for d in found.differences]
    if found.state_is_same is False:
        lines.append("- the stored evidence is not what the blocks give")
    return [f"{head}: {found.differing:,} differ", *lines]
