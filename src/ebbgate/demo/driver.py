"""`python -m ebbgate.demo.driver SETTINGS`: an application with several SDK instances, used by synthetic people on
plan time.

It knows the OpenFeature SDK and nothing of rollouts: what a visit does is a function of the value that the SDK
returned, and of the release that is deployed. Standard input carries what a person breaks, one letter each.
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
from ebbgate.demo.settings import BREAK_FLAG, BREAK_VERSION, MET, DriverSettings, Version
from ebbgate.demo.watchman import Watchman
from ebbgate.sdk.clock import SdkClock
from ebbgate.sdk.openfeature import EbbgateProvider

DAY = timedelta(days=1)
IDLE = timedelta(milliseconds=20)
READY_WITHIN_S = 10.0


class Instance:
    """One SDK instance: its own client, stream and buffer, reached through OpenFeature."""

    def __init__(self, settings: DriverSettings, number: int) -> None:
        self.clock = SdkClock()
        self.sdk = Client(settings.url, settings.token, name=f"driver-{settings.index}-{number}", clock=self.clock)
        domain = f"app-{number}"
        api.set_provider(EbbgateProvider(self.sdk, ready_timeout_s=30.0), domain)  # one that was there is closed
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
        self._met: set[str] = set()
        self._stop = threading.Event()
        self._is_bad = settings.version is Version.BAD
        self._deployed = Watchman(settings.version_url)
        self._release = self._deployed.release
        self._instances = self._started()
        self.visits = 0
        if settings.ignore_pushes:
            self.ignore_pushes()

    def run(self) -> None:
        """Until `stop`: each person comes when plan time says so, always to the same instance."""
        clock = self._instances[0].clock
        begin_at = clock.plan_now()
        due = [(begin_at + DAY * next_visit_days(self._random, p), n) for n, p in enumerate(self._people)]
        heapq.heapify(due)
        while not self._stop.is_set():
            if self._release != self._deployed.release:
                self._restart()
            now = clock.plan_now()
            while due and due[0][0] <= now and not self._stop.is_set():
                at, number = due[0]
                person = self._people[number]
                self._visit(person, self._instances[number % len(self._instances)])
                heapq.heapreplace(due, (at + DAY * next_visit_days(self._random, person), number))
            self._stop.wait(IDLE.total_seconds())
        self._deployed.close()
        for instance in self._instances:
            instance.sdk.close()

    def stop(self) -> None:
        self._stop.set()

    def break_version(self) -> None:
        """From now on the new version fails more often."""
        self._is_bad = True

    def ignore_pushes(self) -> None:
        """Make SDKs that ignore the flag-off: they keep what they have once the rule is gone, and confirm nothing
        more.
        """
        for instance in self._instances:
            deafen(instance, self._settings.flag)

    def _started(self) -> list[Instance]:
        return [Instance(self._settings, n) for n in range(self._settings.sdks // self._settings.processes)]

    def _restart(self) -> None:
        """Another release is deployed: its processes are new ones, with SDKs of their own."""
        self._release = self._deployed.release
        self._instances = self._started()
        for instance in self._instances:
            instance.sdk.wait_ready(READY_WITHIN_S)

    def _visit(self, person: Person, instance: Instance) -> None:
        context = EvaluationContext(person.key, {"email": person.email, "role": person.role, "beta": person.is_beta})
        is_new = instance.flags.get_boolean_value(self._settings.flag, False, context)
        if is_new and self._settings.harm_persists:
            self._touched.add(person.key)
        is_bad = self._is_bad and self._release == self._settings.release
        unit = EvaluationContext(person.key)
        was_new = person.key in self._touched
        version = Version.BAD if is_bad else Version.GOOD
        for happening in visit(self._random, person, is_new=is_new, version=version, was_new=was_new):
            instance.flags.track(happening.name, unit, _details(happening))
        if is_new and is_bad and person.key not in self._met:
            self._met.add(person.key)
            instance.flags.track(MET, unit)
        self.visits += 1


def _details(happening: Happening) -> TrackingEventDetails:
    attributes: dict[str, Any] = dict(happening.attributes)
    return TrackingEventDetails(happening.value, attributes)


def deafen(instance: Instance, flag: str) -> None:
    """The instance takes no snapshot any more that has no rule for the flag."""
    holder: Any = instance.sdk._holder
    receive = holder.receive

    def selective(data: bytes) -> bool:
        document = msgspec.json.decode(data)["document"]["flags"].get(flag, {})
        return bool(receive(data)) if document.get("targeting") else False

    holder.receive = selective


def main() -> int:
    os.nice(5)  # synthetic people must not take the machine from the server that they use
    settings = msgspec.json.decode(sys.argv[1], type=DriverSettings)
    driver = Driver(settings)
    threading.Thread(target=_obey, args=(driver,), daemon=True).start()
    print("ready", flush=True)  # noqa: T201
    driver.run()
    print(driver.visits, flush=True)  # noqa: T201
    return 0


def _obey(driver: Driver) -> None:
    """Break what the demo says; stop when it closes the pipe, or goes away."""
    orders = {BREAK_VERSION: driver.break_version, BREAK_FLAG: driver.ignore_pushes}
    while letters := os.read(0, 16):  # unbuffered: a buffered reader would be held by this thread at the end
        for letter in letters.decode():
            orders[letter]()
    driver.stop()


if __name__ == "__main__":
    raise SystemExit(main())
