"""Past days for `plan power` and `plan simulate`: from the server's events, or from a file of the client's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from ebbgate.cli.options import TOKEN, URL
from ebbgate.core.errors import BadRequestError
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.metrics.history import DAYS_MOST, UNITS_MOST, History, HistoryRequest
from ebbgate.core.metrics.history_text import read_history
from ebbgate.core.rollouts.plan import Plan

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--from-server", "is_from_server", is_flag=True, help="From the past days of the server's events."),
    URL,
    TOKEN,
    click.option(
        "--days",
        default=14,
        show_default=True,
        type=click.IntRange(1, DAYS_MOST),
        help="Past days to read (plan time).",
    ),
    click.option(
        "--units",
        default=5_000,
        show_default=True,
        type=click.IntRange(10, UNITS_MOST),
        help="Read at most so many units, drawn by hash.",
    ),
    click.option(
        "--history",
        "file",
        type=click.Path(path_type=Path),
        help="From a file: JSON lines or CSV, a unit and day a line.",
    ),
)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where past days come from, as the options say; `is_given` is false where they name nothing."""

    is_from_server: bool
    url: str | None
    token: str | None
    days: int
    units: int
    file: Path | None

    @property
    def is_given(self) -> bool:
        return self.file is not None or self.is_from_server or self.url is not None


def with_history(function: F) -> F:
    """Give a command the options of `Source`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def metrics_of(plan: Plan) -> tuple[Metric, ...]:
    """The plan's metrics that units give, guardrails first."""
    found = [guardrail.metric for guardrail in plan.guardrails] + [goal.metric for goal in plan.goals]
    return tuple(metric for metric in found if metric.is_of_events)


def read_source(plan: Plan, source: Source) -> History:
    """The past days. Raises BadRequestError for a file that cannot be used, and what the server raises."""
    metrics = metrics_of(plan)
    if source.file is not None:
        return _of_file(source.file, metrics)
    from ebbgate.cli.connection import open_client

    request = HistoryRequest(metrics=metrics, days=source.days, units=source.units)
    with open_client(source.url, source.token) as control:
        history = control.observations.history(request)
    if not history.rows:
        raise BadRequestError(
            f"the server has no events of the past {source.days} days",
            hint="see what arrives with `ebbgate arrivals`, give --days, or a file with --history",
        )
    return history


def _of_file(path: Path, metrics: tuple[Metric, ...]) -> History:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadRequestError(f"{path} cannot be read: {reason}", hint="give a file of JSON lines or CSV") from None
    try:
        return read_history(text, metrics)
    except BadRequestError as error:
        raise BadRequestError(f"{path}: {error.message}", hint=error.hint) from None
