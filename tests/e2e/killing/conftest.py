"""Processes that are killed, people who keep coming, and what must be in the stores afterwards."""

import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from ebbgate import Client, Timing
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.processes import end, spawn
from ebbgate.bootstrap.settings import Role, ServeSettings
from ebbgate.client import ControlClient
from ebbgate.core.audiences import unit_bucket
from ebbgate.core.rollouts.state import RolloutState

SCALE = 600.0
FLAG = "newWidgets"
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
CLOCK = SystemClock()


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
        assert self.client.wait_ready(30)
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
        assert self.client.flush(30.0), self.client.status
        status = self.client.status
        assert (status.rejected, status.dropped_events, status.dropped_exposures) == ({}, 0, 0)

        def is_read() -> bool:
            totals = control.observations.totals()
            return totals.events + totals.exposures >= status.delivered

        wait(is_read, "control to read what was acknowledged", timeout_s=30.0)

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


class Roles:
    """Edge and control as processes without a supervisor, so that a test decides when each of them runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._settings = ServeSettings(
            data_dir=directory, edge_port=0, control_port=0, scale=SCALE, admin_token_file=directory / "admin.token"
        )
        self._running: dict[Role, subprocess.Popen[bytes]] = {}

    def start(self, role: Role, *, end_at: str = "") -> None:
        """Start it, and unless it is to end at a step, wait until it listens. A port once taken is kept."""
        settings = msgspec.structs.replace(self._settings, role=role, end_at=end_at)
        port_file = self.directory / f"{role.value}.port"
        port_file.unlink(missing_ok=True)
        self._running[role] = process = spawn(settings)
        if end_at:
            return
        deadline = CLOCK.monotonic() + 60.0
        while not port_file.exists() or not port_file.read_text():
            assert process.poll() is None, f"{role.value} ended by itself"
            assert CLOCK.monotonic() < deadline, f"{role.value} does not listen"
            CLOCK.sleep(timedelta(milliseconds=20))
        field = {Role.EDGE: "edge_port", Role.CONTROL: "control_port"}[role]
        self._settings = msgspec.structs.replace(self._settings, **{field: int(port_file.read_text())})

    def kill(self, role: Role) -> None:
        """`kill -9`, and wait until it is gone."""
        process = self._running.pop(role)
        process.kill()
        end(process)

    def wait_killed(self, role: Role) -> None:
        """Wait until the process has ended itself as `kill -9` would."""
        process = self._running.pop(role)
        assert process.wait(60.0) == -signal.SIGKILL
        end(process)

    def stop(self) -> None:
        for process in self._running.values():
            end(process)
        self._running.clear()

    @property
    def edge_url(self) -> str:
        return f"http://127.0.0.1:{self._settings.edge_port}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self._settings.control_port}"

    @property
    def admin_token(self) -> str:
        return (self.directory / "admin.token").read_text().strip()


class Stores:
    """What is stored, read from the files of a server that has stopped, or of control while it is dead."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def rollout(self, rollout_id: str) -> RolloutState:
        [(body,)] = self._rows("SELECT body FROM rollouts WHERE id = ?", rollout_id)
        return msgspec.json.decode(body, type=RolloutState)

    def decisions(self, rollout_id: str) -> list[dict[str, Any]]:
        """The decisions, oldest first; their sequence has no gap."""
        query = "SELECT sequence, decision FROM decisions WHERE rollout_id = ? ORDER BY sequence"
        rows = self._rows(query, rollout_id)
        assert [sequence for sequence, _ in rows] == list(range(1, len(rows) + 1))
        return [msgspec.json.decode(decision) for _, decision in rows]

    def outbox_keys(self, topic: str) -> list[str]:
        return [key for (key,) in self._rows("SELECT key FROM outbox WHERE topic = ?", topic)]

    def audit(self, subject: str) -> list[tuple[str, Any]]:
        rows = self._rows("SELECT action, after FROM audit WHERE subject = ? ORDER BY id", subject)
        return [(action, msgspec.json.decode(after)) for action, after in rows]

    def is_journaled(self, key: str) -> bool:
        """Whether an action is noted as done; it must have been noted as begun (RULES H1)."""
        [(done_at,)] = self._rows("SELECT done_at FROM journal WHERE key = ?", key)
        return done_at is not None

    def ids(self, table: str) -> Counter[str]:
        """How often each id of `exposures` or `events` is in the analysis store."""
        with closing(duckdb.connect(str(self._directory / "analysis.duckdb"), read_only=True)) as store:
            return Counter(dict(store.execute(f"SELECT id, count(*) FROM {table} GROUP BY id").fetchall()))

    def assert_stored_once(self, crowd: Crowd) -> None:
        """Each acknowledged id is in the store once (RULES C4); nothing else is."""
        events, exposures = self.ids("events"), self.ids("exposures")
        assert set(events) == set(crowd.ids)
        assert set(events.values()) == {1}
        assert set(exposures.values()) == {1}
        assert len(events) + len(exposures) == crowd.client.status.delivered

    def assert_told_once(self, rollout_id: str) -> None:
        """One outbox row for each decision; one row of outbox and audit for each change of state (RULES I2)."""
        expected = [f"decision:{rollout_id}:{n + 1}" for n in range(len(self.decisions(rollout_id)))]
        found = [key for key in self.outbox_keys("decision") if key.startswith(f"decision:{rollout_id}:")]
        assert sorted(found) == sorted(expected)
        revisions = [after["revision"] for _, after in self.audit(f"rollout:{rollout_id}")]
        assert len(set(revisions)) == len(revisions)
        told = [key for key in self.outbox_keys("rollout") if key.startswith(f"rollout:{rollout_id}:")]
        assert sorted(told) == sorted(f"rollout:{rollout_id}:{revision}" for revision in revisions)

    def _rows(self, query: str, *arguments: str) -> list[Any]:
        with closing(sqlite3.connect(self._directory / "control.db")) as store:
            return store.execute(query, arguments).fetchall()


def by_hash(state: RolloutState) -> dict[tuple[int, str], set[str | None]]:
    """(phase, user) -> what everybody must have been served in each phase (RULES B2)."""
    return {
        (record.index, key): {"on" if unit_bucket(state.lineage, key) < record.hash_to else "off"}
        for record in state.phases
        for key in KEYS
    }


@pytest.fixture
def roles(tmp_path: Path) -> Iterator[Roles]:
    with ExitStack() as stack:
        running = Roles(tmp_path / "roles")
        running.directory.mkdir()
        stack.callback(running.stop)
        yield running


@pytest.fixture
def gather(ending: ExitStack) -> Callable[..., Crowd]:
    """Makes a crowd of an edge, with a token of its own."""

    def make(control: ControlClient, url: str, *, is_harmful: bool = False) -> Crowd:
        secret = control.tokens.create("server", "crowd", reason="an application").secret
        return ending.enter_context(Crowd(url, secret, is_harmful=is_harmful))

    return make


@pytest.fixture
def stores() -> Callable[[Path], Stores]:
    return Stores


@pytest.fixture
def hashed() -> Callable[[RolloutState], dict[tuple[int, str], set[str | None]]]:
    return by_hash
