"""What keeps the loop from looking at a rollout, and since when: in memory, as what fails may be the store."""

import threading
from collections.abc import Collection
from datetime import datetime

import msgspec

EVERYTHING = ""
"""In place of a rollout's id: nothing at all can be looked at, as when the log cannot be read."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Looks that failed one after the other. since_at: machine time of the first. what: the newest error. looks: how
    many."""

    since_at: datetime
    what: str
    looks: int = 1


class Troubles:
    """Noted by the loop, read by whoever shows a rollout; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, Trouble] = {}

    def note(self, rollout_id: str, what: str, *, now: datetime) -> None:
        """A look has failed. now: machine time."""
        with self._lock:
            before = self._found.get(rollout_id)
            since_at, looks = (before.since_at, before.looks + 1) if before is not None else (now, 1)
            self._found[rollout_id] = Trouble(since_at=since_at, what=what, looks=looks)

    def over(self, rollout_id: str) -> None:
        """A look has worked."""
        with self._lock:
            self._found.pop(rollout_id, None)

    def keep(self, rollout_ids: Collection[str]) -> None:
        """Forget rollouts that are no longer looked at."""
        with self._lock:
            self._found = {key: one for key, one in self._found.items() if key == EVERYTHING or key in rollout_ids}

    def of(self, rollout_id: str) -> list[Trouble]:
        with self._lock:
            return [self._found[key] for key in (EVERYTHING, rollout_id) if key in self._found]


def sentence_of(trouble: Trouble, *, looked_at: datetime | None) -> str:
    """looked_at: plan time of the last look that worked."""
    last = f"the last that worked was at {looked_at:%Y-%m-%d %H:%M} UTC (plan time)" if looked_at is not None else ""
    since = f"{trouble.since_at:%Y-%m-%d %H:%M:%S} UTC"
    looks = f"{trouble.looks:,} looks have failed" if trouble.looks > 1 else "one look has failed"
    return f"nothing is decided: {looks} since {since}, {last or 'and none has worked'}; {trouble.what}"
