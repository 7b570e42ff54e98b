"""One of the two modules that read a clock (RULES A3); the other is `ebbgate.bootstrap.clocks`."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from ebbgate.core.clock import ClockMapping

# CLOCK_BOOTTIME goes on while the machine sleeps, CLOCK_MONOTONIC on Linux does not: a laptop that wakes up after a
# night has lost its server for a night, and its leases have lapsed (RULES B7).
_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def machine_seconds() -> Callable[[], float]:
    """The fastest reader of machine seconds that never go back; only differences mean something."""
    return time.monotonic if _BOOTTIME is None else partial(time.clock_gettime, _BOOTTIME)


class SdkClock:
    """Machine time, and plan time by the mapping that the server's snapshots carry (RULES A1, A2).

    mapping: None until a snapshot has told it; plan time is machine time until then. A test passes a subclass.
    """

    def __init__(self) -> None:
        self.mapping: ClockMapping | None = None
        self.monotonic: Callable[[], float] = machine_seconds()

    def unix(self) -> float:
        """Machine time in seconds since 1970."""
        return time.time()

    def plan_seconds(self) -> int:
        """Plan time in whole seconds since 1970, for `$flagd.timestamp`: as the edge tells it to its callers."""
        return int(self.plan_now().timestamp())

    def machine_now(self) -> datetime:
        return datetime.fromtimestamp(self.unix(), UTC)

    def plan_now(self) -> datetime:
        return plan_time(self.unix(), self.mapping)


def plan_time(unix: float, mapping: ClockMapping | None) -> datetime:
    """The plan time of a machine time in seconds since 1970."""
    machine_at = datetime.fromtimestamp(unix, UTC)
    return machine_at if mapping is None else mapping.plan_time(machine_at)
