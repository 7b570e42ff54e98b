"""OFREP single against a bare ASGI JSON echo under the same server; and a push to many streams.

    .venv/bin/python benchmarks/edge.py [--seconds 3] [--rounds 5] [--streams 2000]

Server and load generator are pinned to one core each. Rounds alternate, and ratios are taken within a round, so that a
busy machine disturbs both sides. Contexts are distinct. Half of the requests are for a flag under rollout, whose
exposures are recorded, the other half for a plain flag with a rule.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import Request, urlopen

import uvloop

from ebbgate.adapters.snapshots import FileAccessPublisher, FileSnapshotPublisher, NoticeSender
from ebbgate.core.access import AccessList, StoredToken, make_token, token_sha256
from ebbgate.core.clock import ClockMapping
from ebbgate.core.flags import LeaseTerms, RolloutRule, Snapshot, raw_document, render_rollout

TOKEN = make_token("admin", bytes(32))
ORIGIN_AT = datetime(2026, 1, 1, tzinfo=UTC)
CONNECTIONS = 32

EDGE = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
from pathlib import Path
from ebbgate.bootstrap.edge import run_edge
from ebbgate.edge.settings import EdgeSettings
run_edge(EdgeSettings(data_dir=Path(sys.argv[2]), port=0, rate_per_s=1e9, rate_burst=1e9))
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


def seed(directory: Path, version: int) -> None:
    """Tokens and a snapshot, as control would write them."""
    notices = NoticeSender(directory / "edge.sock")
    token = StoredToken(id="bench", kind="admin", sha256=token_sha256(TOKEN))
    FileAccessPublisher(directory / "access.json", notices).publish(AccessList(tokens=(token,)))
    boolean = {
        "state": "ENABLED",
        "variants": {"on": True, "on_audience": True, "off": False, "off_holdout": False},
        "defaultVariant": "off",
    }
    rule = {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "on", "off"]}
    flags = {f"other{n}": boolean for n in range(20)}
    flags["plain"] = {**boolean, "targeting": rule}
    flags["rollout"] = render_rollout(boolean, RolloutRule(salt="bench", hash_ppm=200_000))
    snapshot = Snapshot(
        version=version,
        environment="production",
        flag_set="bench",
        published_at=ORIGIN_AT,
        clock=ClockMapping(origin_at=ORIGIN_AT, plan_origin_at=ORIGIN_AT),
        document=raw_document({"flags": flags}),
        leases={"rollout": LeaseTerms(control_variant="off")},
    )
    FileSnapshotPublisher(directory / "snapshots", notices).publish(snapshot)


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


def requests() -> list[bytes]:
    """Distinct requests, the same for both servers."""
    made = []
    for n in range(20_000):
        context = {"targetingKey": f"user-{n}", "email": f"u{n}@example.{'com' if n % 5 else 'org'}", "plan": "pro"}
        body = json.dumps({"context": context}).encode()
        key = "rollout" if n % 2 else "plain"
        head = f"POST /ofrep/v1/evaluate/flags/{key} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        made.append(head.encode() + body)
    return made


class Caller(asyncio.Protocol):
    """One kept connection: sends the next request when the answer to the last one is whole."""

    def __init__(self, texts: list[bytes], place: int) -> None:
        self.texts = texts
        self.place = place
        self.count = 0
        self.buffer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.transport.write(self.texts[self.place % len(self.texts)])
        self.place += CONNECTIONS

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer + data if self.buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end >= 0:
            at = buffer.find(b"content-length: ") + 16
            length = int(buffer[at : buffer.find(b"\r\n", at)])
            if len(buffer) >= end + 4 + length:
                assert buffer.startswith(b"HTTP/1.1 200"), buffer
                self.buffer = b""
                self.count += 1
                self.send()
                return
        self.buffer = buffer


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def load(place: tuple[int, int], texts: list[bytes], seconds: float) -> tuple[float, float]:
    """(answers a second, microseconds of the server's processor time for each)."""
    port, pid = place
    loop = asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda n=n: Caller(texts, n), "127.0.0.1", port)) for n in range(CONNECTIONS)
    ]
    await asyncio.sleep(0.3)
    before, began, cpu = sum(caller.count for _, caller in callers), time.perf_counter(), cpu_s(pid)
    await asyncio.sleep(seconds)
    count, took, used = (
        sum(caller.count for _, caller in callers) - before, time.perf_counter() - began, cpu_s(pid) - cpu,
    )  # fmt: skip
    for transport, _ in callers:
        transport.abort()
    return count / took, used / count * 1e6


async def push(port: int, directory: Path, streams: int) -> tuple[float, float, float]:
    """Seconds over five pushes: mean from noticing to the last write, by the edge; median and worst until the last
    reader, all in this one process, had read it, from before the snapshot's file was written and synced."""
    readers = []
    for n in range(streams):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET /v1/stream?evaluator=e{n} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        readers.append((reader, writer))
    for reader, _ in readers:
        await reader.readuntil(b"data: ")
        await reader.readuntil(b"\n\n")
    took = []
    for version in range(2, 7):
        began = time.perf_counter()
        seed(directory, version)
        marker = b"id: %d\n" % version
        for reader, _ in readers:
            await reader.readuntil(marker)
            await reader.readuntil(b"\n\n")
        took.append(time.perf_counter() - began)
    for _, writer in readers:
        writer.transport.abort()
    request = Request(f"http://127.0.0.1:{port}/metrics", headers={"x-api-key": TOKEN})
    text = (await asyncio.to_thread(urlopen, request)).read().decode()
    total, count = (
        float(next(line for line in text.splitlines() if line.startswith(f"ebbgate_push_seconds_{name} ")).split()[1])
        for name in ("sum", "count")
    )
    return total / count, statistics.median(took), max(took)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=2_000)
    options = parser.parse_args()
    server_core, own_core, *_ = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {own_core})
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    texts = requests()
    ratios, cpu_ratios = [], []
    with tempfile.TemporaryDirectory() as name:
        edge_directory, echo_directory = Path(name) / "edge", Path(name) / "echo"
        edge_directory.mkdir()
        echo_directory.mkdir()
        seed(edge_directory, 1)
        with (
            server(EDGE, edge_directory, server_core) as edge,
            server(ECHO, echo_directory, server_core) as echo,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            for _ in range(options.rounds):
                bare, bare_us = runner.run(load(echo, texts, options.seconds))
                ofrep, ofrep_us = runner.run(load(edge, texts, options.seconds))
                ratios.append(ofrep / bare)
                cpu_ratios.append(bare_us / ofrep_us)
                print(
                    f"echo {bare:8.0f}/s {bare_us:5.1f} us   OFREP single {ofrep:8.0f}/s {ofrep_us:5.1f} us   "
                    f"ratio {ofrep / bare:.3f}, of processor time {bare_us / ofrep_us:.3f}"
                )
            print(
                f"median of {options.rounds}: ratio {statistics.median(ratios):.3f}, "
                f"of processor time {statistics.median(cpu_ratios):.3f}"
            )
            if options.streams:
                mean, median, worst = runner.run(push(edge[0], edge_directory, options.streams))
                print(
                    f"push to {options.streams} streams: noticed to last write {mean * 1e3:.0f} ms; "
                    f"to the last read median {median * 1e3:.0f} ms, worst {worst * 1e3:.0f} ms"
                )


if __name__ == "__main__":
    main()
