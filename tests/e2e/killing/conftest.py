"""Processes that are killed, and what must be in the stores afterwards."""

import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.processes import end, spawn
from ebbgate.bootstrap.settings import Role, ServeSettings
from ebbgate.client import ControlClient
from ebbgate.core.rollouts.state import RolloutState

SCALE = 600.0
CLOCK = SystemClock()


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
        deadline = CLOCK.monotonic() + 120.0
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
        assert process.wait(120.0) == -signal.SIGKILL
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

    def assert_stored_once(self, tracked: Collection[str | None], delivered: int) -> None:
        """Each tracked event is in the store once (RULES C4), and with the exposures nothing but what was delivered."""
        events, exposures = self.ids("events"), self.ids("exposures")
        assert set(events) == set(tracked)
        assert set(events.values()) == {1}
        assert set(exposures.values()) == {1}
        assert len(events) + len(exposures) == delivered

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


@pytest.fixture
def roles(tmp_path: Path) -> Iterator[Roles]:
    with ExitStack() as stack:
        running = Roles(tmp_path / "roles")
        running.directory.mkdir()
        stack.callback(running.stop)
        yield running


@pytest.fixture
def control(roles: Roles, administer: Callable[..., ControlClient]) -> ControlClient:
    """The control API of an edge and a control that run."""
    roles.start(Role.EDGE)
    roles.start(Role.CONTROL)
    return administer(roles)


@pytest.fixture
def stores() -> Callable[[Path], Stores]:
    return Stores
