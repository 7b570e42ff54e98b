"""`python -m ebbgate.demo.driver SETTINGS`: an application with several SDK instances, used by synthetic people on
plan time.

It knows the OpenFeature SDK and nothing of rollouts: what a visit does is a function of the value that the SDK
returned.
"""

import heapq
import os
import sys
import threading
from datetime import timedelta
from random import Random
from typing import Any

import msgspec
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from ebbgate import Client
from ebbgate.demo.behaviour import Happening, Person, next_visit_days, people, visit
from ebbgate.demo.settings import DriverSettings
from ebbgate.sdk.clock import SdkClock
from ebbgate.sdk.openfeature import EbbgateProvider

DAY = timedelta(days=1)
IDLE = timedelta(milliseconds=20)


class Instance:
    """One SDK instance: its own client, stream and buffer, reached through OpenFeature."""

    def __init__(self, settings: DriverSettings, number: int) -> None:
        self.clock = SdkClock()
        self.sdk = Client(settings.url, settings.token, name=f"driver-{settings.index}-{number}", clock=self.clock)
        domain = f"app-{number}"
        api.set_provider(EbbgateProvider(self.sdk, ready_timeout_s=30.0), domain)
        self.flags: OpenFeatureClient = api.get_client(domain)


class Driver:
    """People who come by, until it is told to stop."""

    def __init__(self, settings: DriverSettings) -> None:
        self._settings = settings
        self._random = Random(f"{settings.seed}/driver/{settings.index}")
        self._people = people(
            seed=settings.seed, index=settings.index, processes=settings.processes, users=settings.users
        )
        self._touched: set[str] = set()
        self._stop = threading.Event()
        self._instances = [Instance(settings, n) for n in range(settings.sdks // settings.processes)]
        self.visits = 0

    def run(self) -> None:
        """Until `stop`: each person comes when plan time says so, always to the same instance."""
        clock = self._instances[0].clock
        begin_at = clock.plan_now()
        due = [(begin_at + DAY * next_visit_days(self._random, p), n) for n, p in enumerate(self._people)]
        heapq.heapify(due)
        while not self._stop.is_set():
            now = clock.plan_now()
            while due and due[0][0] <= now and not self._stop.is_set():
                at, number = due[0]
                person = self._people[number]
                self._visit(person, self._instances[number % len(self._instances)])
                heapq.heapreplace(due, (at + DAY * next_visit_days(self._random, person), number))
            self._stop.wait(IDLE.total_seconds())
        for instance in self._instances:
            instance.sdk.close()

    def stop(self) -> None:
        self._stop.set()

    def _visit(self, person: Person, instance: Instance) -> None:
        context = EvaluationContext(person.key, {"email": person.email, "role": person.role, "beta": person.is_beta})
        is_new = instance.flags.get_boolean_value(self._settings.flag, False, context)
        if is_new and self._settings.harm_persists:
            self._touched.add(person.key)
        unit = EvaluationContext(person.key)
        was_new = person.key in self._touched
        for happening in visit(self._random, person, is_new=is_new, version=self._settings.version, was_new=was_new):
            instance.flags.track(happening.name, unit, _details(happening))
        self.visits += 1


def _details(happening: Happening) -> TrackingEventDetails:
    attributes: dict[str, Any] = dict(happening.attributes)
    return TrackingEventDetails(happening.value, attributes)


def deafen(instances: list[Instance], flag: str) -> None:
    """Make SDKs that ignore the flag-off: they keep what they have once the rule is gone, and confirm nothing more."""
    for instance in instances:
        holder: Any = instance.sdk._holder
        receive = holder.receive

        def selective(data: bytes, receive: Any = receive) -> bool:
            document = msgspec.json.decode(data)["document"]["flags"].get(flag, {})
            return bool(receive(data)) if document.get("targeting") else False

        holder.receive = selective


def main() -> int:
    os.nice(5)  # synthetic people must not take the machine from the server that they use
    settings = msgspec.json.decode(sys.argv[1], type=DriverSettings)
    driver = Driver(settings)
    if settings.ignore_pushes:
        deafen(driver._instances, settings.flag)
    threading.Thread(target=_watch_parent, args=(driver,), daemon=True).start()
    print("ready", flush=True)  # noqa: T201
    driver.run()
    print(driver.visits, flush=True)  # noqa: T201
    return 0


def _watch_parent(driver: Driver) -> None:
    """Stop when the demo closes the pipe, or goes away."""
    while os.read(0, 1):  # unbuffered: a buffered reader would be held by this thread when the process ends
        pass
    driver.stop()


if __name__ == "__main__":
    raise SystemExit(main())
