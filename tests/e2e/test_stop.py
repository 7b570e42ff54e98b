"""A server that is told to stop does so, whenever that is."""

from pathlib import Path

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.bootstrap.processes import STOP_WITHIN_S
from ebbgate.demo.server import LocalServer


def test_a_server_told_to_stop_the_moment_it_listens_stops_by_itself(tmp_path: Path) -> None:
    clock = SystemClock()
    server = LocalServer(tmp_path / "data")
    for _ in range(2):
        server.start()
        begun = clock.monotonic()
        server.stop()
        assert clock.monotonic() - begun < STOP_WITHIN_S / 2  # after the whole of it, it is killed
