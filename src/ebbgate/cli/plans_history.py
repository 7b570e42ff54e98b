"""Past days for `plan power` and `plan simulate`: from the server's events, or from a file of the client's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from ebbgate.cli.options import TOKEN, URL
from ebbgate.core.errors import BadRequestError
from ebbgate.core.events.view import ArrivalsView
from ebbgate.core.metrics.definition import Metric
from ebbgate.core.metrics.history import DAYS_MOST, UNITS_MOST, History, HistoryRequest, slowest_metric
from ebbgate.core.metrics.history_text import read_history
from ebbgate.core.rollouts.plan import Plan
from ebbgate.core.rollouts.values import duration_text

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
            raise no_history(metrics, control.observations.arrivals(), days=source.days)
    return history


def no_history(metrics: tuple[Metric, ...], arrivals: ArrivalsView, *, days: int) -> BadRequestError:
    """Why the server has no past days for these metrics: nothing came, or what came is not known to its end yet."""
    names = {name for metric in metrics for name in (metric.event, metric.trial) if name is not None}
    newest_at = max((one.newest_at for one in arrivals.names if one.name in names), default=None)
    slowest = slowest_metric(metrics)
    if newest_at is None and arrivals.names and names:
        wanted = ", ".join(f"`{name}`" for name in sorted(names))
        return BadRequestError(
            f"the server has events, but none that the plan's metrics count: {wanted}",
            hint="see what arrives with `ebbgate arrivals`, or give a file with --history",
        )
    if newest_at is not None and slowest is not None and arrivals.watermark is not None:
        known_at = newest_at + slowest.window + slowest.lateness
        if known_at > arrivals.watermark:
            terms = f"{duration_text(slowest.window)} and {duration_text(slowest.lateness)} for late events"
            return BadRequestError(
                f"events arrive, but no window has closed yet; the longest is that of {slowest.name}: {terms}. "
                f"What came so far counts from {known_at:%Y-%m-%d %H:%M} of plan time on",
                hint="wait until then, give the metrics a shorter `window`, or a file with --history",
            )
    return BadRequestError(
        f"the server has no events of the past {days} days",
        hint="see what arrives with `ebbgate arrivals`, give --days, or a file with --history",
    )


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
