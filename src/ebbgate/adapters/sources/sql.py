"""Databases by SQLAlchemy's URLs: one SELECT for each interval that is due, with its ends as bound times."""

import threading
from datetime import datetime
from math import isnan
from typing import Any

import sqlalchemy
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ebbgate.core.errors import SourceUnavailableError
from ebbgate.core.rollouts.plan import Source
from ebbgate.ports.metric_source import Answer, Question

_VALUE = "value"


class SqlSource:
    """A MetricSource. Statements run on a connection of their own that is rolled back: a source is only read."""

    def ask(self, source: Source, question: Question) -> Answer:
        """The driver may not know timeouts, so that a thread waits for it; one that hangs is left behind, once."""
        found: dict[datetime, dict[str, float]] = {}
        failed: list[Exception] = []

        def run() -> None:
            try:
                found.update(_ask(source, question))
            except (
                SourceUnavailableError,
                SQLAlchemyError,
                ImportError,
                ArithmeticError,
                TypeError,
                ValueError,
                OSError,
            ) as error:
                failed.append(error)

        thread = threading.Thread(target=run, name=f"source {source.name}", daemon=True)
        thread.start()
        thread.join(question.timeout.total_seconds())
        if thread.is_alive():
            raise _unavailable(source, f"has not answered within {question.timeout.total_seconds():g}s")
        if not failed:
            return found
        if isinstance(failed[0], SourceUnavailableError):
            raise failed[0]
        raise _unavailable(source, f"does not answer: {failed[0]}") from failed[0]


def _ask(source: Source, question: Question) -> dict[datetime, dict[str, float]]:
    try:
        engine = sqlalchemy.create_engine(source.url, poolclass=sqlalchemy.NullPool)
    except ArgumentError as error:
        raise _unavailable(source, "has no address that SQLAlchemy knows") from error
    found: dict[datetime, dict[str, float]] = {}
    with engine.connect() as connection:
        for close in question.closes:
            bound = {"opened_at": close - question.interval, "closed_at": close}
            statement = sqlalchemy.text(question.expression)
            names = {name: moment for name, moment in bound.items() if f":{name}" in question.expression}
            typed = statement.bindparams(
                *(sqlalchemy.bindparam(name, at, sqlalchemy.DateTime(timezone=True)) for name, at in names.items())
            )
            rows = connection.execute(typed)
            for row in rows.mappings():
                _take(source, question, found.setdefault(close, {}), dict(row))
        connection.rollback()
    engine.dispose()
    return found


def _take(source: Source, question: Question, arms: dict[str, float], row: dict[str, Any]) -> None:
    if question.arm not in row or _VALUE not in row:
        raise _unavailable(source, f"answers with {', '.join(row)}, not with `{question.arm}` and `{_VALUE}`")
    arm = str(row[question.arm])
    if row[_VALUE] is None or isnan(value := float(row[_VALUE])):
        return
    if arm in arms:
        raise _unavailable(source, f"answers twice for `{arm}`: group by `{question.arm}` alone")
    arms[arm] = value


def _unavailable(source: Source, what: str) -> SourceUnavailableError:
    hint = "run the SELECT by hand; it gives one row for each version"
    return SourceUnavailableError(f"source `{source.name}` {what}", hint=hint)
