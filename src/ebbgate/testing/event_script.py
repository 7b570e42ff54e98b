"""Writes a small event log by hand: what a test says in one line becomes records with offsets."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ebbgate.core.events import Entry, EvaluatorReport, Exposure, Record, TrackedEvent

ORIGIN = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday; minute 0 of every script."""


def minute(minutes: float) -> datetime:
    """That many minutes of plan time after ORIGIN."""
    return ORIGIN + timedelta(minutes=minutes)


class EventScript:
    """Collects records. Times are minutes after ORIGIN; ids are numbered where none is given.

    An entry happens at `at`, is received at `received` (default: `at`) and was sent at `sent` (default: `received`), by
    clocks that agree, unless `skew` says by how many minutes the sender's clock is ahead.
    """

    def __init__(self, *, environment: str = "production", flag: str = "newWidgets") -> None:
        self.records: list[tuple[int, Record]] = []
        self._environment, self._flag = environment, flag
        self._number = 0

    def expose(
        self,
        unit: str,
        variant: str,
        at: float,
        *,
        version: int = 1,
        sent: float | None = None,
        received: float | None = None,
        skew: float = 0.0,
        id: str | None = None,
    ) -> str:
        """A unit saw a variant; returns the entry's id."""
        got = at if received is None else received
        entry = Exposure(
            id=id or self._next("x"),
            unit=unit,
            environment=self._environment,
            flag_set="default",
            flag=self._flag,
            variant=variant,
            snapshot_version=version,
            occurred_at=minute(at + skew),
            sent_at=minute((got if sent is None else sent) + skew),
        )
        self.append([entry], got)
        return entry.id

    def track(
        self,
        unit: str,
        name: str,
        at: float,
        value: float | None = None,
        *,
        of: str | None = None,
        sent: float | None = None,
        received: float | None = None,
        skew: float = 0.0,
        id: str | None = None,
        invalid: bool = False,
        **attributes: str | float | bool,
    ) -> str:
        """Something happened to a unit; returns the entry's id."""
        got = at if received is None else received
        entry = TrackedEvent(
            id=id or self._next("e"),
            unit=unit,
            name=name,
            occurred_at=minute(at + skew),
            sent_at=minute((got if sent is None else sent) + skew),
            value=value,
            attributes=attributes,
            of=of,
            invalid=invalid,
        )
        self.append([entry], got)
        return entry.id

    def report(self, report: EvaluatorReport) -> None:
        """An evaluator's report, received when it says."""
        at = (report.reported_at - ORIGIN) / timedelta(minutes=1)
        self.append([report], at)

    def append(self, entries: Sequence[Entry], received: float) -> int:
        """One record; returns the offset after it."""
        offset = len(self.records) * 100 + 100
        moment = minute(received)
        self.records.append((offset, Record(received_at=moment, machine_at=moment, entries=list(entries))))
        return offset

    def quiet_until(self, received: float) -> None:
        """An empty record, so that the watermark moves on."""
        self.append([], received)

    def _next(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}{self._number}"
