"""The same looks, decided by others: what came before the break is a false alarm, what never came is calculated."""

from datetime import UTC, datetime, timedelta

from ebbgate.demo.comparing import Look, Other, compare
from ebbgate.demo.harm import HarmLog
from ebbgate.demo.others import Counts

START = datetime(2026, 3, 2, tzinfo=UTC)
DELAY = timedelta(seconds=2)
RULE = "fixed threshold"  # acts at the fifth look in which more than 5 % of the new version's units fail


def looks(*failing: int) -> list[Look]:
    """One a second, each with 100 units of both versions; `failing` of those with the new version."""
    return [
        Look(
            sequence=number + 1,
            machine_at=START + timedelta(seconds=number),
            seen_from=START + timedelta(seconds=number) - DELAY,
            counts=Counts(treatment_n=100, treatment_y=y, control_n=100, control_y=1),
        )
        for number, y in enumerate(failing)
    ]


def harm(*by_look: int) -> HarmLog:
    """So many had met the broken version at look 1, 2, ...; 7 had before the act."""
    counts = iter([7, *(7 + count for count in by_look)])
    log = HarmLog(lambda: next(counts))
    for look in range(1, len(by_look) + 1):
        log.note(look)
    return log


def asked(found: list[Other]) -> Other:
    return next(other for other in found if other.rule == RULE)


def test_what_acts_on_a_good_version_is_a_false_alarm() -> None:
    other = asked(compare(looks(*[9] * 6), harm(0), broken_at=None, users=1_000, seed=1))
    assert (other.false_alarm_at, other.harmed) == (5, None)


def test_what_acts_before_the_break_is_a_false_alarm_too() -> None:
    broken_at = START + timedelta(seconds=5.5)
    other = asked(compare(looks(*[9] * 8), harm(*[0] * 8), broken_at=broken_at, users=1_000, seed=1))
    assert (other.false_alarm_at, other.harmed) == (5, None)


def test_what_acts_on_the_broken_version_is_told_with_whom_it_had_reached_then() -> None:
    found = compare(looks(*[9] * 6), harm(10, 20, 30, 40, 50, 60), broken_at=START, users=1_000, seed=1)
    assert (asked(found).harmed, asked(found).is_projected) == (50, False)


def test_what_had_not_acted_yet_is_calculated_from_what_was_seen_of_the_broken_version() -> None:
    # Broken from the second look on; only the fourth holds nothing but what was observed since.
    broken_at = START + timedelta(seconds=1)
    other = asked(compare(looks(0, 0, 0, 50), harm(0, 10, 20, 30), broken_at=broken_at, users=1_000, seed=1))
    assert other.is_projected
    assert other.harmed == 70, "four more looks are bad, and each reaches another ten"


def test_no_more_people_are_reached_than_there_are() -> None:
    broken_at = START + timedelta(seconds=1)
    other = asked(compare(looks(0, 0, 0, 50), harm(0, 10, 20, 30), broken_at=broken_at, users=45, seed=1))
    assert other.harmed == 45


def test_where_nobody_had_met_it_at_a_look_that_was_not_noted_the_next_note_counts() -> None:
    log = harm(10, 20)
    assert (log.at(1), log.at(2), log.at(3), log.total) == (10, 20, 20, 20)
