from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from ebbgate.core.clock import ClockMapping
from ebbgate.sdk.clock import SdkClock, plan_time
from ebbgate.sdk.delivery import retry_after_s
from ebbgate.sdk.timing import Backoff

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_waits_double_up_to_the_cap_and_begin_anew_after_success() -> None:
    backoff = Backoff(0.5, 10, chance=lambda: 1.0)
    assert [backoff.next_s() for _ in range(7)] == [0.5, 1, 2, 4, 8, 10, 10]
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_jitter_cuts_at_most_half_and_repeats_for_a_seed() -> None:
    first, second = (Backoff(1, 1, Random(7).random) for _ in range(2))
    waits = [first.next_s() for _ in range(100)]
    assert waits == [second.next_s() for _ in range(100)]
    assert all(0.5 <= wait <= 1 for wait in waits)
    assert len(set(waits)) > 90


def test_many_failures_do_not_overflow() -> None:
    backoff = Backoff(0.5, 10, chance=lambda: 0.0)
    assert [backoff.next_s() for _ in range(5000)][-1] == 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-3", 0.0), ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0), ("soon", None), ("", None)],
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    assert retry_after_s(header, NOON) == seconds


def test_plan_time_follows_the_mapping() -> None:
    """RULES A1, A2."""
    mapping = ClockMapping(origin_at=NOON, plan_origin_at=NOON + timedelta(days=1), scale=60)
    assert plan_time(NOON.timestamp() + 10, mapping) == NOON + timedelta(days=1, minutes=10)
    assert plan_time(NOON.timestamp(), None) == NOON


def test_machine_seconds_never_go_back() -> None:
    clock = SdkClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)
