"""The clock port. Nothing else reads a clock (RULES A3)."""

from datetime import datetime, timedelta
from typing import Protocol

from ebbgate.core.clock import ClockMapping


class Clock(Protocol):
    """Both clocks of RULES A1. Times are aware UTC."""

    @property
    def mapping(self) -> ClockMapping: ...

    def machine_now(self) -> datetime:
        """Machine time: timeouts, retries, acknowledgements, leases, probes."""
        ...

    def plan_now(self) -> datetime:
        """Plan time: phases, windows, watch, event times."""
        ...

    def monotonic(self) -> float:
        """Machine seconds that never go back; only differences mean something."""
        ...

    def sleep(self, duration: timedelta) -> None:
        """Block the thread for a machine duration."""
        ...

    async def sleep_async(self, duration: timedelta) -> None:
        """Suspend the task for a machine duration."""
        ...
