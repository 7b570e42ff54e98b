"""A whole `ebbgate serve` on loopback, its control API, and SDKs of it. Everything ends with the test, by its pid."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ebbgate import Client, Timing
from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.client import ControlClient
from ebbgate.demo.server import LocalServer

# As in production, but for waiting: a test must not last for an outage's usual length.
QUICK = Timing(backoff_base_s=0.05, backoff_cap_s=0.3, flush_interval_s=0.05, heartbeat_s=0.5, kill_check_s=0.1)


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    """Closed when the test is over, in reverse order of entering."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(ending: ExitStack, tmp_path: Path) -> Callable[..., LocalServer]:
    """Starts a server: edge, control and their supervisor."""

    def start(name: str = "data", *, scale: float = 1.0) -> LocalServer:
        return ending.enter_context(LocalServer(tmp_path / name, scale=scale))

    return start


@pytest.fixture
def administer(ending: ExitStack) -> Callable[[LocalServer], ControlClient]:
    """Connects to a server's control API as its administrator."""

    def connect(server: LocalServer) -> ControlClient:
        return ending.enter_context(ControlClient(server.control_url, server.admin_token, timeout=30.0))

    return connect


@pytest.fixture
def connect(ending: ExitStack) -> Callable[..., Client]:
    """Makes SDKs of an edge."""

    def make(url: str, token: str, **settings: Any) -> Client:
        client = Client(url, token, **{"timing": QUICK, **settings})
        ending.callback(client.close, 1.0)
        return client

    return make


@pytest.fixture(scope="session")
def installed() -> Callable[..., None]:
    """Leaves a test out where a program that it needs is missing."""

    def require(*programs: str) -> None:
        if missing := [program for program in programs if shutil.which(program) is None]:
            pytest.skip(f"not installed: {', '.join(missing)} (tests/system-packages.sh does it where it may)")

    return require


@pytest.fixture(scope="session")
def eventually() -> Callable[..., None]:
    """Waits until a condition holds, and fails if it does not within the deadline. That only ends a hang: a test whose
    claim is how long something takes measures it.
    """
    clock = SystemClock()

    def wait(condition: Callable[[], object], what: str = "the condition", timeout_s: float = 60.0) -> None:
        deadline = clock.monotonic() + timeout_s
        while not condition():
            assert clock.monotonic() < deadline, f"not within {timeout_s} s: {what}"
            clock.sleep(timedelta(milliseconds=10))

    return wait
