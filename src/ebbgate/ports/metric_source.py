"""Whom a `query` metric asks: a monitoring system or a database (RULES C2 have no events of it)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from ebbgate.core.rollouts.plan import Source


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """expression: as the plan writes it. arm: the label or column that names the arm. closes: ends of the intervals
    that are asked for, ascending, a multiple of `interval` apart; plan time. timeout: machine time."""

    expression: str
    arm: str
    closes: Sequence[datetime]
    interval: timedelta
    timeout: timedelta


Answer = Mapping[datetime, Mapping[str, float]]
"""Values by close and arm; what the source does not know is not there."""


class MetricSource(Protocol):
    """Asks one source. Nothing is changed there, and nothing is remembered here."""

    def ask(self, source: Source, question: Question) -> Answer:
        """Raises SourceUnavailableError: no answer in time, or one that cannot be understood."""
        ...
