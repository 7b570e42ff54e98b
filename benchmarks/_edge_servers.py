"""The two servers of the edge's benchmarks, each a process on one core, and the files that control would write."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ebbgate.adapters.snapshots import FileAccessPublisher, FileSnapshotPublisher, NoticeSender
from ebbgate.core.access import AccessList, StoredToken, make_token, token_sha256
from ebbgate.core.clock import ClockMapping
from ebbgate.core.flags import LeaseTerms, RolloutRule, Snapshot, raw_document, render_rollout

TOKEN = make_token("admin", bytes(32))
ORIGIN_AT = datetime(2026, 1, 1, tzinfo=UTC)
FLAGS = 50

# stalled_s: a reader that does not read must stay for the whole measurement, not for 30 s.
EDGE = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
from pathlib import Path
from ebbgate.bootstrap.edge import run_edge
from ebbgate.edge.settings import EdgeSettings
run_edge(EdgeSettings(data_dir=Path(sys.argv[2]), port=0, rate_per_s=1e9, rate_burst=1e9, stalled_s=600))
"""

ECHO = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
import asyncio, msgspec, socket, uvicorn
from pathlib import Path
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
async def app(scope, receive, send):
    message = await receive()
    body = msgspec.json.encode(msgspec.json.decode(message["body"]))
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
sock = socket.socket(); sock.bind(("127.0.0.1", 0)); sock.listen(4096)
(Path(sys.argv[2]) / "edge.port").write_text(str(sock.getsockname()[1]))
config = uvicorn.Config(app, http=HttpToolsProtocol, loop="uvloop", ws="none", lifespan="off", log_config=None,
                        access_log=False, server_header=False, date_header=False)
uvicorn.Server(config).run(sockets=[sock])
"""


def publish_access(directory: Path) -> None:
    """One token, as control would write it."""
    token = StoredToken(id="bench", kind="admin", sha256=token_sha256(TOKEN))
    FileAccessPublisher(directory / "access.json", NoticeSender(directory / "edge.sock")).publish(
        AccessList(tokens=(token,))
    )


def a_snapshot(version: int, *, is_on: bool = True, padding: int = 0) -> Snapshot:
    """50 flags: one under rollout, half of the others with a rule. is_on: whether the rollout's flag is not killed.
    padding: bytes of no meaning beside them."""
    boolean: dict[str, Any] = {
        "state": "ENABLED",
        "variants": {"on": True, "on_audience": True, "off": False, "off_holdout": False},
        "defaultVariant": "off",
    }
    ruled = {**boolean, "targeting": {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on", "off"]}}
    flags: dict[str, Any] = {f"other{n}": ruled if n % 2 else boolean for n in range(FLAGS - 2)}
    flags["plain"] = ruled
    flags["rollout"] = render_rollout(boolean, RolloutRule(salt="bench", hash_ppm=200_000)) if is_on else boolean
    return Snapshot(
        version=version,
        environment="production",
        flag_set="bench",
        published_at=ORIGIN_AT,
        clock=ClockMapping(origin_at=ORIGIN_AT, plan_origin_at=ORIGIN_AT),
        document=raw_document({"flags": flags, "metadata": {"padding": "x" * padding}}),
        leases={"rollout": LeaseTerms(control_variant="off")},
    )


class Control:
    """What control does of it: writes snapshots, one version after the other, and sends the notice."""

    def __init__(self, directory: Path) -> None:
        self._publisher = FileSnapshotPublisher(directory / "snapshots", NoticeSender(directory / "edge.sock"))
        self.version = 0

    def publish(self, *, is_on: bool = True, padding: int = 0) -> int:
        """Returns the wall clock's nanoseconds just before the snapshot is written and synced."""
        self.version += 1
        snapshot = a_snapshot(self.version, is_on=is_on, padding=padding)
        began_ns = time.time_ns()
        self._publisher.publish(snapshot)
        return began_ns


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def temporary() -> Iterator[Path]:
    """A directory for the server's files."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def pin() -> int:
    """Put this process on the second core, and give it all the files it may open; returns the first, the servers'."""
    server_core, own_core, *_ = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {own_core})
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return server_core


@contextmanager
def server(source: str, directory: Path, core: int) -> Iterator[tuple[int, int]]:
    """A server process on one core; gives its port and its process id."""
    process = subprocess.Popen([sys.executable, "-c", source, str(core), str(directory)])
    try:
        port_file = directory / "edge.port"
        while not port_file.exists() or not port_file.read_text():
            assert process.poll() is None, "the server has died"
            time.sleep(0.02)
        time.sleep(0.5)
        yield int(port_file.read_text()), process.pid
    finally:
        process.terminate()
        process.wait()
