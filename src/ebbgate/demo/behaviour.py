"""Synthetic users of the dashboard: what one visit does, as a function of the person and of the version that was
served.
"""

from collections.abc import Iterator
from random import Random

import msgspec

from ebbgate.demo.settings import Version

BASE_ERROR = 0.01
"""Share of API requests that fail in the old version, over all people."""

BAD_ERROR = 0.07
"""The same in a bad version."""

FUNCTIONS = ("apply_all", "resolve", "usage", "optimizations")
ENDPOINTS = {
    "apply_all": "/api/v1/cost/apply",
    "resolve": "/api/v1/alerts/resolve",
    "usage": "/api/v1/routes/usage",
    "optimizations": "/api/v1/cost/optimizations",
}
WIDGETS = ("health", "alerts", "routes", "optimizer", "forecast")


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """One user. visits_per_day: mean of a Poisson process. clumsiness: this person's own factor on errors. speed: on
    times.
    """

    key: str
    email: str
    role: str
    is_beta: bool
    visits_per_day: float
    clumsiness: float
    speed: float


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """A tracked event of a visit. is_of_request: an outcome of the visit's API request."""

    name: str
    value: float | None = None
    attributes: dict[str, str] = {}
    is_of_request: bool = False


def people(*, seed: int, index: int, processes: int, users: int) -> list[Person]:
    """The people of one driver: every `processes`-th of all users, the same for a seed whatever the number of
    drivers.
    """
    return [_person(Random(f"{seed}/{number}"), seed, number) for number in range(index, users, processes)]


def _person(random: Random, seed: int, number: int) -> Person:
    is_internal = random.random() < 0.04
    role = random.choice(("developer", "qa")) if is_internal else "customer"
    return Person(
        key=f"user-{seed}-{number}",
        email=f"user{number}@{'example.com' if is_internal else 'customers.example'}",
        role=role,
        is_beta=random.random() < 0.008,
        visits_per_day=random.lognormvariate(-0.9, 0.5),
        clumsiness=random.lognormvariate(-0.08, 0.4),
        speed=random.lognormvariate(0.0, 0.25),
    )


def visit(random: Random, person: Person, *, is_new: bool, version: Version, was_new: bool) -> Iterator[Happening]:
    """What happens in one visit. is_new: what the SDK returned. was_new: this person saw a persistently harmful
    version before.
    """
    is_bad = version is Version.BAD and (is_new or was_new)
    function = random.choice(FUNCTIONS)
    where = {"function": function, "endpoint": ENDPOINTS[function]}
    yield Happening(name="dashboard_load_ms", value=900.0 * person.speed * random.lognormvariate(0.0, 0.3))
    yield Happening(name="api_request", attributes=where)
    yield Happening(name="api_ms", value=180.0 * person.speed * random.lognormvariate(0.0, 0.5), attributes=where)
    if random.random() < min(0.9, (BAD_ERROR if is_bad else BASE_ERROR) * person.clumsiness):
        yield Happening(name="api_error", attributes=where, is_of_request=True)
    yield from _widgets(random, person, is_new=is_new)
    if random.random() < 0.25:
        yield Happening(name="dashboard_s", value=95.0 * (1.7 if is_new else 1.0) * random.lognormvariate(0.0, 0.7))


def _widgets(random: Random, person: Person, *, is_new: bool) -> Iterator[Happening]:
    widget = {"widget": random.choice(WIDGETS)}
    yield Happening(name="widget_view", attributes=widget)
    if random.random() < 0.01 * person.clumsiness:
        yield Happening(name="widget_error", attributes=widget)
    if random.random() < (0.24 if is_new else 0.11):
        yield Happening(name="widget_click", attributes=widget)
    yield Happening(name="widget_memory_mb", value=48.0 * random.lognormvariate(0.0, 0.2), attributes=widget)
    if random.random() < 0.15:
        yield Happening(name="task_started")
        if random.random() < (0.9 if is_new else 0.5):
            yield Happening(name="task_done")
    if random.random() < 0.004 * (0.7 if is_new else 1.0):
        yield Happening(name="ticket_how_to")
    if random.random() < 0.02:
        yield Happening(
            name="satisfaction", value=float(min(5, max(1, round(random.gauss(4.4 if is_new else 2.4, 0.8)))))
        )


def next_visit_days(random: Random, person: Person) -> float:
    """Days until the next visit: exponential, so that visits are Poisson."""
    return random.expovariate(person.visits_per_day)
