"""`ebbgate plan simulate` (RULES E7): the plan, a thousand times, on the client's own past."""

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ebbgate.bootstrap.plans import load_plan
from ebbgate.cli.exits import Exit
from ebbgate.cli.options import Status, local
from ebbgate.cli.output import Output, a_table, json_text
from ebbgate.cli.plans_history import Source, metrics_of, read_source, with_history
from ebbgate.cli.plans_read import OVERLAY, PLAN
from ebbgate.core.errors import BadRequestError
from ebbgate.core.metrics.history import History
from ebbgate.core.rollouts.plan import Plan

if TYPE_CHECKING:
    from ebbgate.simulation.past_people import Past, Planted
    from ebbgate.simulation.past_runs import Rehearsal, Scenario

_HARM = re.compile(r"(?P<name>[\w.-]+)=\+?(?P<percent>\d+(\.\d+)?)%")


@click.command()
@PLAN
@OVERLAY
@with_history
@click.option("--runs", default=1_000, show_default=True, type=click.IntRange(10, 100_000), help="Of each scenario.")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0), help="One seed is one result.")
@click.option(
    "--harm",
    "harms",
    multiple=True,
    metavar="METRIC=SIZE%",
    help="Plant this instead: so much worse. Again for more. [each guardrail: twice its margin]",
)
@click.option("--save", type=click.Path(path_type=Path), help="Keep the past days in a file, for --history.")
@local
def simulate(
    out: Output,
    /,
    plan: Path,
    overlay: str | None,
    runs: int,
    seed: int,
    harms: tuple[str, ...],
    save: Path | None,
    **options: Any,
) -> Status:
    """Run the plan on past days of your own units: harmless (how often it is taken back all the same), and with a harm
    planted in each guardrail (how often and how soon it is caught). Exit status 6 if false rollbacks exceed alpha.
    """
    from ebbgate.simulation.past_people import Past
    from ebbgate.simulation.past_runs import planted_harms

    loaded, source = load_plan(plan, overlay), Source(**options)
    if not source.is_given:
        raise click.UsageError("past days are needed: --from-server, --url, or --history FILE")
    history = read_source(loaded, source)
    if save is not None:
        _keep(save, history)
    past = Past(history, metrics_of(loaded))
    observed = [name for name, values in past.x.items() if any(value == value for value in values)]
    metrics = [metric for metric in metrics_of(loaded) if metric.name in observed]
    chosen = _chosen(harms, loaded, set(observed)) if harms else planted_harms(loaded, metrics)
    report = _rehearsed(loaded, past, chosen, runs=runs, seed=seed)
    out.give(report, _shown)
    return Exit.OK if report.is_sound else Exit.INCONCLUSIVE


def _keep(path: Path, history: History) -> None:
    try:
        path.write_text(json_text(history), encoding="utf-8")
    except OSError as error:
        raise BadRequestError(f"{path} cannot be written: {error.strerror or error}", hint="name another") from None


def _chosen(written: tuple[str, ...], plan: Plan, observed: set[str]) -> "tuple[Planted, ...]":
    from ebbgate.simulation.past_people import Planted

    guardrails, found = {guardrail.metric.name for guardrail in plan.guardrails}, []
    for text in written:
        match = _HARM.fullmatch(text)
        if match is None or not float(match["percent"]):
            raise click.BadParameter(f"{text!r} is no harm; write errors=50%", param_hint="--harm")
        if match["name"] not in guardrails & observed:
            known = ", ".join(sorted(guardrails & observed)) or "none"
            raise click.BadParameter(f"{match['name']!r} is no guardrail with past days; there are: {known}")
        found.append(Planted(metric=match["name"], size=float(match["percent"]) / 100))
    return tuple(found)


def _rehearsed(plan: Plan, past: "Past", harms: "tuple[Planted, ...]", *, runs: int, seed: int) -> "Rehearsal":
    """With a bar on standard error, where that is a terminal."""
    from rich.console import Console

    from ebbgate.simulation.past_runs import rehearse

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        names = ["A/A", *(f"{harm.metric} {harm.size:+.0%}" for harm in harms)]
        task = bar.add_task(names[0], total=runs * len(names))

        def told(done: int) -> None:
            bar.update(task, completed=done, description=names[min(done // runs, len(names) - 1)])

        return rehearse(plan, past, harms, runs=runs, seed=seed, progress=told)


def _shown(report: "Rehearsal") -> list[RenderableType]:
    null = report.scenarios[0]
    lines: list[RenderableType] = [
        f"{null.runs:,} rollouts of {report.units:,} units each, from {report.days} past days, seed {report.seed}",
        Text(""),
    ]
    low, high = null.interval
    verdict = "within" if report.is_sound else "MORE THAN"
    lines.append(
        Text(
            f"false rollbacks, nothing being wrong: {null.share:.1%} [{low:.1%}, {high:.1%}], {verdict} the"
            f" {report.alpha:.0%} of the plan{_where(null)}",
            style="green" if report.is_sound else "bold red",
        )
    )
    lines.append(Text(""))
    if len(report.scenarios) > 1:
        right = ("worse by", "caught", "95 %", "exposed", "after")
        table = a_table("planted harm", "worse by", "caught", "95 %", "exposed", "after", "mostly in", right=right)
        for scenario in report.scenarios[1:]:
            table.add_row(*_row(scenario))
        lines += [table, Text("exposed, after: median units and plan time of those caught", style="dim"), Text("")]
    asked = ", ".join(f"{_name(one)} {one.asked / one.runs:.0%}" for one in report.scenarios if one.asked)
    if asked:
        lines += [f"a person is asked in: {asked}", Text("")]
    return [*lines, *(Text(f"· {sentence}", style="dim") for sentence in report.assumptions)]


def _row(scenario: "Scenario") -> tuple[str, ...]:
    assert scenario.harm is not None
    low, high = scenario.interval
    units = "–" if scenario.median_units is None else f"{scenario.median_units:,}"
    mostly = max(scenario.by_phase, key=lambda name: scenario.by_phase[name]) if scenario.by_phase else "–"
    return (
        scenario.harm.metric,
        f"{scenario.harm.size:.0%}",
        f"{scenario.share:.0%}",
        f"[{low:.0%}, {high:.0%}]",
        units,
        _length(scenario.median_after),
        mostly,
    )


def _name(scenario: "Scenario") -> str:
    return "A/A" if scenario.harm is None else scenario.harm.metric


def _where(scenario: "Scenario") -> str:
    found = ", ".join(f"{name} {count}" for name, count in sorted(scenario.by_metric.items()))
    return f" (by {found})" if found else ""


def _length(length: timedelta | None) -> str:
    if length is None:
        return "–"
    hours = length / timedelta(hours=1)
    return f"{hours:.0f}h" if hours < 48 else f"{hours / 24:.1f}d"
