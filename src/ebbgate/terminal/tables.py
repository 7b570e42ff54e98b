"""The metric table and the goal table. A terminal of 80 columns gets fewer columns, not folded ones."""

from datetime import datetime

from rich.table import Table
from rich.text import Text

from ebbgate.core.metrics import Analysis, LimitStanding, Metric
from ebbgate.core.rollouts.explain_metric import includes_none
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.terminal import values
from ebbgate.terminal.words import BAD, BOLD, FAINT, GOALS, VERDICTS, WARN, age, count

WIDE = 100
"""Columns from which the table has both arms' counts and an age in every row."""


def metric_table(view: RolloutView, *, width: int) -> Table:
    """One row a guardrail. The verdict is a word and a sign; colour only repeats it."""
    is_wide = width >= WIDE
    table = _table(is_wide=is_wide)
    table.add_column("")
    for title in ("old", "new"):
        table.add_column(title, justify="right")
    table.add_column("change, 95% at all times" if is_wide else "change, 95% always")
    table.add_column("margin", justify="right")
    table.add_column("n new/old" if is_wide else "n new", justify="right")
    if is_wide:
        table.add_column("age", justify="right")
    table.add_column("verdict")
    for analysis in view.analyses:
        metric = values.metric_of(view, analysis.metric)
        table.add_row(Text(values.label(metric), style=BOLD), *_cells(view, metric, analysis, is_wide=is_wide))
        for part in analysis.parts:  # each endpoint, widget, ... by itself; it decides nothing but its limits
            name = part.metric.removeprefix(f"{analysis.metric}[").removesuffix("]")
            table.add_row(Text(f"  {name}", style=FAINT), *_cells(view, metric, part, is_wide=is_wide))
    return table


def _cells(view: RolloutView, metric: Metric, analysis: Analysis, *, is_wide: bool) -> list[Text]:
    old, new = values.values(metric, analysis)
    n = count(analysis.treatment_n)
    words, style = VERDICTS[analysis.verdict]
    return [
        Text(old),
        Text(new),
        Text(values.change(metric, analysis)),
        Text(values.margin(metric, analysis)),
        Text(f"{n}/{count(analysis.control_n)}" if is_wide else n),
        *([Text(newest_age(analysis.newest_at, view.now))] if is_wide else []),
        Text(words, style=style),
    ]


def newest_age(newest_at: datetime | None, now: datetime) -> str:
    """How old the newest data are, in plan time."""
    return "–" if newest_at is None else age(now - newest_at)


def goal_table(view: RolloutView, *, width: int) -> Table:
    """One row a goal: what was promised, and what is seen."""
    is_wide = width >= WIDE
    table = _table(is_wide=is_wide)
    table.add_column("goals", header_style=FAINT)
    table.add_column("target", justify="right")
    table.add_column("change, 95% at all times" if is_wide else "change, 95% always")
    table.add_column("n new/old" if is_wide else "n new", justify="right")
    table.add_column("standing")
    for goal in view.goals:
        words, style = GOALS[goal.standing]
        n = count(goal.treatment_n)
        table.add_row(
            Text(goal.metric, style=BOLD),
            Text(values.goal_target(goal)),
            Text(values.goal_change(goal)),
            Text(f"{n}/{count(goal.control_n)}" if is_wide else n),
            Text(words, style=style),
        )
    return table


def goal_line(view: RolloutView) -> Text:
    """The goals in one line: `goals: clicks ? unknown, satisfaction ✓ met`."""
    text = Text("goals: ", style=FAINT)
    for index, goal in enumerate(view.goals):
        words, style = GOALS[goal.standing]
        text.append(f"{', ' if index else ''}{goal.metric} ").append(words, style=style)
    return text


def alarm_lines(view: RolloutView) -> list[Text]:
    """Of harm beside a range that includes no change, that this is no mistake."""
    return [
        Text(
            f"{analysis.metric}: harm is shown though its range includes no change: the range is of this phase, "
            "the alarm has all of them and decides",
            style=FAINT,
        )
        for analysis in view.analyses
        if analysis.why == "crossed" and includes_none(analysis)
    ]


def limit_lines(view: RolloutView) -> list[Text]:
    """Every absolute limit that is breached, and one line that counts the others."""
    lines: list[Text] = []
    within = undecided = 0
    for analysis in view.analyses:
        metric = values.metric_of(view, analysis.metric)
        for limit in analysis.limits:
            if limit.standing is LimitStanding.WITHIN:
                within += 1
            elif limit.standing is LimitStanding.UNDECIDED:
                undecided += 1
            else:
                kind = "CRITICAL LIMIT BREACHED" if limit.is_critical else "limit breached"
                whose = "" if limit.attributable else " (the old version breaches it, too)"
                style = BAD if limit.is_critical and limit.attributable else WARN
                lines.append(Text(f"✗ {kind}: {values.limit_words(metric, limit)}{whose}", style=style))
    if within or undecided:
        counts = [f"{within} proven within" if within else "", f"{undecided} undecided" if undecided else ""]
        lines.append(Text("absolute limits: " + ", ".join(part for part in counts if part), style=FAINT))
    return lines


def _table(*, is_wide: bool) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, 2 if is_wide else 1, 0, 0), header_style=FAINT)
