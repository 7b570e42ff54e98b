"""Past days from a file of the client's own: JSON lines, CSV, or what `--save` wrote."""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import StringIO
from math import isfinite
from typing import Any

import msgspec

from ebbgate.core.errors import BadRequestError
from ebbgate.core.metrics.definition import Metric, MetricKind
from ebbgate.core.metrics.history import DAY_S, DAYS_MOST, History, HistoryRow, Observation

_HINT = 'write lines such as {"unit": "u1", "at": "2026-03-02T09:00:00Z", "errors": 0, "clicks": [1, 4]}'


def read_history(text: str, metrics: Sequence[Metric]) -> History:
    """A history of the plan's metrics; columns of others are left alone. Raises BadRequestError, naming the line.

    Every line is one unit on one day: `unit`, `at` (ISO time, or seconds), and a column for each metric: a number, 0
    or 1 for shares and rates, `[numerator, denominator]` (in CSV `1/4`) for ratios, nothing where there is none.
    """
    if (whole := _saved(text)) is not None:
        return whole
    numbers: dict[str, int] = {}
    rows: list[HistoryRow] = []
    names: set[str] = set()
    for line, record in _records(text):
        names |= record.keys()
        unit = record.get("unit")
        if unit is None or unit == "":
            raise BadRequestError(f"line {line} names no `unit`", hint=_HINT)
        values = tuple(_observation(metric, record.get(metric.name), line) for metric in metrics)
        rows.append(HistoryRow(numbers.setdefault(str(unit), len(numbers)), _seconds(record.get("at"), line), values))
    known = [metric.name for metric in metrics if metric.name in names]
    if not rows or not known:
        wanted = ", ".join(metric.name for metric in metrics)
        raise BadRequestError(f"no line has an observation of the plan's metrics ({wanted})", hint=_HINT)
    began = min(row.at_s for row in rows)
    rows = [HistoryRow(row.unit, row.at_s - began, row.values) for row in rows]
    rows.sort(key=lambda row: (row.at_s, row.unit))
    days = int(rows[-1].at_s // DAY_S) + 1
    if days > DAYS_MOST:
        raise BadRequestError(f"the lines span {days} days, and {DAYS_MOST} are the most", hint="give the newest ones")
    return History(metrics=tuple(metric.name for metric in metrics), days=days, rows=tuple(rows))


def _saved(text: str) -> History | None:
    if '"rows"' not in text[:10_000]:
        return None
    try:
        return msgspec.json.decode(text, type=History)
    except msgspec.MsgspecError:
        return None


def _records(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    if not text.lstrip().startswith("{"):
        for line, row in enumerate(csv.DictReader(StringIO(text)), start=2):
            yield line, {key: value for key, value in row.items() if key and value not in (None, "")}
        return
    for line, written in enumerate(text.splitlines(), start=1):
        if not written.strip():
            continue
        try:
            record = json.loads(written)
        except ValueError:
            raise BadRequestError(f"line {line} is no JSON object", hint=_HINT) from None
        if not isinstance(record, dict):
            raise BadRequestError(f"line {line} is no JSON object", hint=_HINT)
        yield line, record


def _seconds(value: Any, line: int) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        raise BadRequestError(f"line {line}: `at` is {value!r}, which is no time", hint=_HINT) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _observation(metric: Metric, value: Any, line: int) -> Observation:
    if value is None:
        return None
    if metric.kind is MetricKind.RATIO:
        parts = value.split("/") if isinstance(value, str) else value
        if not isinstance(parts, list) or len(parts) != 2:
            message = f"line {line}: `{metric.name}` is a ratio, and {value!r} is no pair"
            raise BadRequestError(message, hint="write [numerator, denominator], in CSV 1/4")
        above, below = (_number(metric, part, line) for part in parts)
        return (above, below) if below > 0 else None
    number = _number(metric, value, line)
    if metric.kind in (MetricKind.SHARE, MetricKind.RATE) and number not in (0.0, 1.0):
        message = f"line {line}: `{metric.name}` is {value!r}, and one unit's {metric.kind.value} is 0 or 1"
        raise BadRequestError(message, hint="give each unit's first eligible request: 1 with the event, else 0")
    return number


def _number(metric: Metric, value: Any, line: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not isfinite(number):
        raise BadRequestError(f"line {line}: `{metric.name}` is {value!r}, which is no number", hint=_HINT)
    return number
