"""Synthetic people: habits that last, visits that come by Poisson, a baseline that drifts. One seed is one history."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import exp, pi, sin
from random import Random

import msgspec

DAY = timedelta(days=1)


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One unit. error_odds, speed: persistent habits that multiply what the version does."""

    key: str
    is_internal: bool
    visits_per_day: float
    error_odds: float
    speed: float


class Harm(msgspec.Struct, frozen=True, kw_only=True):
    """What the new version does to those who see it. error_rate, latency: factors; persists: stays with whoever saw
    it. begin, end: how long after the world's beginning it begins and ends; end None: never. both_arms: an outage of
    everything, whichever version.
    """

    error_rate: float = 1.0
    latency: float = 1.0
    persists: bool = False
    begin: timedelta = timedelta(0)
    end: timedelta | None = None
    both_arms: bool = False

    def is_on(self, age: timedelta) -> bool:
        """Whether it harms at that age of the world."""
        return self.begin <= age and (self.end is None or age < self.end)


NO_HARM = Harm()


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody comes by."""

    person: Person
    at: datetime


def people(random: Random, count: int, *, internal_share: float = 0.04) -> list[Person]:
    """`count` people with habits drawn once: visits log-normal, errors and speed persistent."""
    return [
        Person(
            key=f"user-{random.getrandbits(48):012x}",
            is_internal=random.random() < internal_share,
            visits_per_day=random.lognormvariate(0.0, 0.6),
            error_odds=random.lognormvariate(-0.125, 0.5),
            speed=random.lognormvariate(0.0, 0.3),
        )
        for _ in range(count)
    ]


def visits(random: Random, everybody: list[Person], *, begin_at: datetime, length: timedelta) -> Iterator[Visit]:
    """Who comes by in `[begin_at, begin_at + length)`, in no order."""
    days = length / DAY
    for person in everybody:
        expected = person.visits_per_day * days
        count = 0
        chance = exp(-expected)
        product = random.random()
        while product > chance:
            count += 1
            product *= random.random()
        for _ in range(count):
            yield Visit(person=person, at=begin_at + length * random.random())


def drift(at: datetime, begin_at: datetime, *, size: float) -> float:
    """A factor on the baseline: a daily wave of the given size, and a slow rise."""
    days = (at - begin_at) / DAY
    return exp(size * sin(2 * pi * days) + size * days / 7)
