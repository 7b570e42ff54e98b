"""Entries that wait to be sent: bounded, and what is lost is counted."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from threading import Condition

import msgspec

from ebbgate.core.clock import ClockMapping
from ebbgate.core.events.types import Attribute, Exposure, TrackedEvent
from ebbgate.sdk.clock import plan_time


class PendingExposure(msgspec.Struct, gc=False):
    """An exposure as it was at the call. at: machine seconds. mapping: of the plan clock then, None if unknown."""

    id: str
    unit: str
    environment: str
    flag_set: str
    flag: str
    variant: str
    snapshot_version: int
    evaluator: str
    at: float
    mapping: ClockMapping | None

    def entry(self, *, sent_at: datetime, mapping: ClockMapping | None) -> Exposure:
        """The wire entry. mapping: the plan clock's now, for an entry older than the first snapshot."""
        return Exposure(
            id=self.id,
            unit=self.unit,
            environment=self.environment,
            flag_set=self.flag_set,
            flag=self.flag,
            variant=self.variant,
            snapshot_version=self.snapshot_version,
            evaluator=self.evaluator,
            occurred_at=plan_time(self.at, self.mapping or mapping),
            sent_at=sent_at,
        )


class PendingEvent(msgspec.Struct, gc=False):
    """A tracked event as it was at the call; times as in `PendingExposure`."""

    id: str
    unit: str
    name: str
    value: float | None
    invalid: bool
    attributes: Mapping[str, Attribute]
    snapshot_version: int | None
    of: str | None
    at: float
    mapping: ClockMapping | None

    def entry(self, *, sent_at: datetime, mapping: ClockMapping | None) -> TrackedEvent:
        """The wire entry. mapping: as in `PendingExposure.entry`."""
        return TrackedEvent(
            id=self.id,
            unit=self.unit,
            name=self.name,
            value=self.value,
            invalid=self.invalid,
            attributes=dict(self.attributes),
            snapshot_version=self.snapshot_version,
            of=self.of,
            occurred_at=plan_time(self.at, self.mapping or mapping),
            sent_at=sent_at,
        )


Pending = PendingExposure | PendingEvent


class EventBuffer:
    """A bounded queue from the host's threads to the one that delivers.

    When it is full the oldest exposure goes first, and an event only when no exposure is left: an event that is lost
    biases a metric, while a lost exposure only costs a unit. `changed` is the lock, and tells the deliverer that the
    queue is no longer empty, or holds a whole batch. The batch being sent counts as queued.
    """

    def __init__(self, *, queue_max: int, batch_max: int) -> None:
        self.changed = Condition()
        self.dropped_exposures = 0
        self.dropped_events = 0
        self._queue_max = queue_max
        self._batch_max = batch_max
        self._exposures: deque[PendingExposure] = deque()
        self._events: deque[PendingEvent] = deque()
        self._sending: list[Pending] = []

    def __len__(self) -> int:
        """Entries not yet acknowledged."""
        return len(self._exposures) + len(self._events) + len(self._sending)

    @property
    def is_batch_full(self) -> bool:
        return len(self._exposures) + len(self._events) >= self._batch_max

    def add(self, entry: Pending) -> None:
        """Queue an entry; never blocks for longer than a copy of the queue's ends takes."""
        with self.changed:
            if len(self) >= self._queue_max and not self._make_room():
                self._count_dropped(entry)
                return
            if isinstance(entry, PendingExposure):
                self._exposures.append(entry)
            else:
                self._events.append(entry)
            queued = len(self._exposures) + len(self._events)
            if queued == 1 or queued == self._batch_max:
                self.changed.notify_all()

    def take_batch(self) -> list[Pending]:
        """The entries to send now: those that were not acknowledged last time, else the oldest, exposures first."""
        with self.changed:
            if not self._sending:
                for queue in (self._exposures, self._events):
                    while queue and len(self._sending) < self._batch_max:
                        self._sending.append(queue.popleft())
            return list(self._sending)

    def settle(self, count: int) -> None:
        """The first `count` entries of the batch need no further attempt: acknowledged, or refused for good."""
        with self.changed:
            del self._sending[:count]
            self.changed.notify_all()

    def keep(self, entries: list[Pending]) -> None:
        """Only these of the batch can be sent at all; the others are dropped, and counted."""
        with self.changed:
            kept = {id(entry) for entry in entries}
            for entry in self._sending:
                if id(entry) not in kept:
                    self._count_dropped(entry)
            self._sending[:] = entries
            self.changed.notify_all()

    def _make_room(self) -> bool:
        if self._exposures:
            self._exposures.popleft()
            self.dropped_exposures += 1
        elif self._events:
            self._events.popleft()
            self.dropped_events += 1
        else:
            return False  # everything is in the batch being sent
        return True

    def _count_dropped(self, entry: Pending) -> None:
        if isinstance(entry, PendingExposure):
            self.dropped_exposures += 1
        else:
            self.dropped_events += 1
