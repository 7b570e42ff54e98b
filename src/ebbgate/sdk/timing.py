"""Durations and bounds of the client, in one place. All durations are machine time (RULES A1)."""

from collections.abc import Callable
from typing import Annotated

import msgspec

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Size = Annotated[int, msgspec.Meta(gt=0)]


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """read_timeout_s: a stream that says nothing for so long is lost; the server's keepalives come every 10 s.

    backoff_base_s, backoff_cap_s: reconnecting and retrying wait from the one to the other, doubling, halved at most by
    chance. hold_s: how long events wait for the first snapshot, which tells the plan clock they are dated by.
    queue_max: entries kept during an outage. units_max: units per flag whose exposure is remembered as sent.
    flags_max: flag keys that are counted one by one; a report may name 1,000.
    """

    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 30.0
    request_timeout_s: Seconds = 10.0
    backoff_base_s: Seconds = 0.5
    backoff_cap_s: Seconds = 10.0
    retry_after_max_s: Seconds = 300.0
    flush_interval_s: Seconds = 0.2
    heartbeat_s: Seconds = 10.0
    kill_check_s: Seconds = 1.0
    hold_s: Seconds = 10.0
    batch_max: Size = 500
    queue_max: Size = 50_000
    units_max: Size = 50_000
    flags_max: Annotated[int, msgspec.Meta(gt=0, le=1_000)] = 1_000


class Backoff:
    """Waiting times that double up to a cap, each cut by up to half by chance, so that clients do not return at once.

    chance: gives numbers in [0, 1); a seeded `random.Random(n).random` makes the waits repeatable.
    """

    def __init__(self, base_s: float, cap_s: float, chance: Callable[[], float]) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._chance = chance
        self._failures = 0

    def next_s(self) -> float:
        """How long to wait after one more failure."""
        ceiling_s = min(self._cap_s, self._base_s * 2.0 ** min(self._failures, 60))
        self._failures += 1
        return ceiling_s * (0.5 + 0.5 * self._chance())

    def reset(self) -> None:
        """It worked: the next failure waits shortly again."""
        self._failures = 0
