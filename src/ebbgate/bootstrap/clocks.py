"""One of the two modules that read a clock (RULES A3); the other is `ebbgate.sdk.clock`."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from ebbgate.core.clock import ClockMapping


class SystemClock:
    """The machine's clock, with plan time by a stored mapping."""

    def __init__(self, mapping: ClockMapping | None = None) -> None:
        now = datetime.now(UTC)
        self._mapping = mapping or ClockMapping(origin_at=now, plan_origin_at=now)

    @property
    def mapping(self) -> ClockMapping:
        return self._mapping

    def machine_now(self) -> datetime:
        return datetime.now(UTC)

    def plan_now(self) -> datetime:
        return self._mapping.plan_time(self.machine_now())

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, duration: timedelta) -> None:
        time.sleep(max(0.0, duration.total_seconds()))

    async def sleep_async(self, duration: timedelta) -> None:
        await asyncio.sleep(max(0.0, duration.total_seconds()))
