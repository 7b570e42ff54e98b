"""A clock that stands still until it is told to move."""

from datetime import UTC, datetime, timedelta

from ebbgate.core.clock import ClockMapping

MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)


class VirtualClock:
    """Both clocks of RULES A1 under the test's hand. Sleeping moves it."""

    def __init__(self, *, now: datetime = MORNING, scale: float = 1.0) -> None:
        self._now = now
        self._mapping = ClockMapping(origin_at=now, plan_origin_at=now, scale=scale)
        self._elapsed = timedelta(0)

    @property
    def mapping(self) -> ClockMapping:
        return self._mapping

    def machine_now(self) -> datetime:
        return self._now

    def plan_now(self) -> datetime:
        return self._mapping.plan_time(self._now)

    def monotonic(self) -> float:
        return self._elapsed.total_seconds()

    def advance(self, duration: timedelta) -> None:
        """Move on by a machine duration."""
        self._now += duration
        self._elapsed += duration

    def sleep(self, duration: timedelta) -> None:
        self.advance(duration)

    async def sleep_async(self, duration: timedelta) -> None:
        self.advance(duration)
