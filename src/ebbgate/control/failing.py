"""One failure may be a hiccup; one after the other is something that somebody must hear of, store or no store."""

from collections.abc import Callable
from datetime import timedelta

from ebbgate.ports.clock import Clock

ALARM_AFTER = timedelta(seconds=5)
"""Machine time for which a thread's work has to fail, time after time, before somebody is told."""

Alarm = Callable[[str, timedelta], None]
"""Told the last error, and for how long (machine time) the work has failed. It must not need the store."""


def no_alarm(_error: str, _since: timedelta) -> None:
    """Where nobody is to be told."""


class Failing:
    """Remembers since when a thread's work fails."""

    def __init__(self, clock: Clock, alarm: Alarm) -> None:
        self._clock = clock
        self._alarm = alarm
        self._since: float | None = None  # by the monotonic clock

    def note(self, error: str) -> None:
        """After each round of the work. error: what went wrong, empty for nothing."""
        if not error:
            self._since = None
            return
        now = self._clock.monotonic()
        self._since = self._since if self._since is not None else now
        if now - self._since >= ALARM_AFTER.total_seconds():
            self._alarm(error, timedelta(seconds=now - self._since))
