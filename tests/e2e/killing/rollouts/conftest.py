"""Rollouts whose processes are killed while people keep coming."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ebbgate import Client, Timing
from ebbgate.client import ControlClient
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.rollouts.state import RolloutState

FLAG = "newWidgets"
PLAN = """\
app: dashboard
flag: newWidgets
mode: act
commander: devops-lead
users: 800
min_units: 30
tick: {tick}
phases:
{phases}
guardrails:
  errors: {{rate: api_error / api_request, worse_by: 20pp, window: 10m, lateness: {lateness}}}
verify: {{propagation: {propagation}, recovery: {recovery}, min_units: 30}}
"""
GOLDEN = 0.6180339887498949


def spread(keys: list[str]) -> list[str]:
    """In an order in which every stretch has its share of all buckets of the first rollout's salt.

    In any other order some stretch of some hundred people, the first that are seen after a kill, has so many exposed by
    chance that a person is asked (RULES B1), now and then.
    """
    ranked = sorted(keys, key=lambda key: unit_bucket(f"{FLAG}-1", key))
    return [ranked[place] for place in sorted(range(len(ranked)), key=lambda rank: rank * GOLDEN % 1)]


KEYS = spread([f"user-{n}" for n in range(800)])
ERRING = frozenset(KEYS[10::40])
"""People whose every request fails, whatever version they have: about as many in each part that is compared."""

CYCLE_S = 2.5  # machine seconds in which everybody comes by once
QUICK = Timing(backoff_base_s=0.05, backoff_cap_s=0.3, flush_interval_s=0.1, heartbeat_s=1.0)


class Crowd:
    """People who come by all the time, over an SDK that keeps what it has until it is acknowledged.

    is_harmful: the new version fails for two of three who have it. ids: of all events that were tracked.
    seen: (snapshot version, user) -> the variants that were served, and how often.
    """

    def __init__(self, url: str, token: str, *, is_harmful: bool) -> None:
        self.client = Client(url, token, timing=QUICK, name="crowd")
        self._is_harmful = is_harmful
        self.ids: list[str | None] = []
        self.seen: dict[tuple[int, str], Counter[str | None]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crowd")

    def __enter__(self) -> "Crowd":
        assert self.client.wait_ready(60)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.client.close(1.0)

    def stop(self) -> None:
        """Nobody comes any more; what they did is still being sent."""
        self._stop.set()
        self._thread.join()

    def settle(self, control: ControlClient, wait: Callable[..., None]) -> None:
        """Wait until everything that was tracked is acknowledged, and read by control."""
        assert self.client.flush(60.0), self.client.status
        status = self.client.status
        assert (status.rejected, status.dropped_events, status.dropped_exposures) == ({}, 0, 0)

        def is_read() -> bool:
            totals = control.observations.totals()
            return totals.events + totals.exposures >= status.delivered

        wait(is_read, "control to read what was acknowledged")

    def by_phase(self, state: RolloutState) -> dict[tuple[int, str], set[str | None]]:
        """(phase, user) -> the variants that were served in it."""
        ended = state.rollback.off_version if state.rollback is not None else None
        found: dict[tuple[int, str], set[str | None]] = {}
        for (version, key), variants in self.seen.items():
            reached = [record.index for record in state.phases if record.snapshot_version <= version]
            if reached and (ended is None or version < ended):
                found.setdefault((reached[-1], key), set()).update(variants)
        return found

    def _run(self) -> None:
        for number, key in enumerate(cycle(KEYS)):
            self._visit(number, key)
            if number % 20 == 19 and self._stop.wait(CYCLE_S * 20 / len(KEYS)):
                return

    def _visit(self, number: int, key: str) -> None:
        before = self.client.snapshot_version
        details = self.client.boolean_details(FLAG, False, {"targetingKey": key})
        if before is not None and before == self.client.snapshot_version:
            self.seen.setdefault((before, key), Counter())[details.variant] += 1
        request = self.client.track("api_request", key)
        self.ids.append(request)
        if key in ERRING or (self._is_harmful and details.value and number % 3):
            self.ids.append(self.client.track("api_error", key, of=request))


class Rollout(NamedTuple):
    """One that goes on. place: where edge and control run: a `LocalServer`, or `Roles`. found: `Stores`."""

    id: str
    place: Any
    control: ControlClient
    crowd: Crowd
    found: Any

    def end(self, wait: Callable[..., None]) -> RolloutState:
        """Everybody goes, everything is read, the processes end. Whatever happened to them, each acknowledged event is
        stored once, each decision told once, and all come out the same when they are taken again (RULES C4, I2, E5).
        """
        self.crowd.stop()
        self.crowd.settle(self.control, wait)
        replayed = self.control.rollouts.replay(self.id)
        self.place.stop()
        assert replayed.is_same, replayed.differences
        assert replayed.state_is_same
        self.found.assert_stored_once(self.crowd.ids, self.crowd.client.status.delivered)
        self.found.assert_told_once(self.id)
        return self.found.rollout(self.id)


def a_plan(
    *phases: str,
    tick: str = "6m",
    lateness: str = "30m",
    propagation: str = "30s",
    recovery: str = "8h",
) -> str:
    """As text. phases: each as it stands in a plan. An hour is six seconds of the machine."""
    return PLAN.format(
        phases="\n".join(f"  - {{{phase}}}" for phase in phases),
        tick=tick,
        lateness=lateness,
        propagation=propagation,
        recovery=recovery,
    )


def by_hash(state: RolloutState) -> dict[tuple[int, str], set[str | None]]:
    """(phase, user) -> what everybody must have been served in each phase (RULES B2)."""
    return {
        (record.index, key): {"on" if unit_bucket(state.lineage, key) < record.hash_to else "off"}
        for record in state.phases
        for key in KEYS
    }


@pytest.fixture
def plan() -> Callable[..., str]:
    return a_plan


@pytest.fixture
def begin(ending: ExitStack, stores: Callable[[Path], Any]) -> Callable[..., Rollout]:
    """Starts a rollout where edge and control run, with people who come by."""

    def start(place: Any, control: ControlClient, directory: Path, plan: str, *, is_harmful: bool = False) -> Rollout:
        secret = control.tokens.create("server", "crowd", reason="an application").secret
        crowd = ending.enter_context(Crowd(place.edge_url, secret, is_harmful=is_harmful))
        begun = control.rollouts.start(plan, release="v2.0.0", reason="its processes are to be killed")
        return Rollout(begun.id, place, control, crowd, stores(directory))

    return start


@pytest.fixture
def hashed() -> Callable[[RolloutState], dict[tuple[int, str], set[str | None]]]:
    return by_hash
