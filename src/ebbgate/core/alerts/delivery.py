"""When a message that was not taken is sent again. Machine time throughout (RULES A1)."""

from datetime import timedelta

QUIET = timedelta(hours=1)
"""Messages of one group go to a channel at most once in this time."""

GIVE_UP_AFTER = timedelta(hours=24)
"""A channel that was down for a day gets no more of what is stale by then; the row says so."""

_FIRST = timedelta(seconds=5)
_LONGEST = timedelta(minutes=15)


def retry_after(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts: doubling from five seconds up to a quarter of an hour."""
    assert attempts >= 1, "there is nothing to wait for before the first attempt"
    doubled = 1 << min(attempts - 1, 10)
    return min(_LONGEST, _FIRST * doubled)
