"""How much one token may send: a token bucket on machine time."""

from math import ceil


class RateBucket:
    """Holds up to `burst` requests and gains `per_s` each second. Not for several threads."""

    __slots__ = ("_at", "_burst", "_level", "_per_s")

    def __init__(self, *, per_s: float, burst: float, now: float) -> None:
        """now: monotonic machine seconds, here and below."""
        assert per_s > 0 and burst >= 1
        self._per_s = per_s
        self._burst = burst
        self._level = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Use one up; False if there is none."""
        level = min(self._burst, self._level + (now - self._at) * self._per_s)
        self._at = now
        if level < 1.0:
            self._level = level
            return False
        self._level = level - 1.0
        return True

    def retry_after_s(self) -> int:
        """Whole seconds until there is one again, at least 1."""
        return max(1, ceil((1.0 - self._level) / self._per_s))
