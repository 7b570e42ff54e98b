"""OFREP calls under load, beside a bare echo of JSON under the same server."""

import asyncio
import json
import time
from statistics import median
from typing import Literal, NamedTuple

import uvloop
from benchmarks._edge_servers import ECHO, EDGE, TOKEN, Control, cpu_s, publish_access, server, temporary

CONNECTIONS = 32
Kind = Literal["single", "bulk"]


class Ratios(NamedTuple):
    """Medians over the rounds. echo, ofrep: answers a second. wall, cpu: OFREP's share of the echo's rate, by the clock
    and by the server's processor time, which other processes on the machine disturb less."""

    echo: float
    ofrep: float
    wall: float
    cpu: float


def requests(kind: Kind) -> list[bytes]:
    """Distinct requests, the same for both servers. Of the single ones half are for the flag under rollout, whose
    exposures are recorded, half for one with a rule."""
    made = []
    for n in range(20_000):
        context = {"targetingKey": f"user-{n}", "email": f"u{n}@example.{'com' if n % 5 else 'org'}", "plan": "pro"}
        body = json.dumps({"context": context}).encode()
        key = "" if kind == "bulk" else "/rollout" if n % 2 else "/plain"
        head = f"POST /ofrep/v1/evaluate/flags{key} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
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


class Load(NamedTuple):
    """per_s: answers a second. cpu_us: of the server's processor time for each."""

    per_s: float
    cpu_us: float


async def load(place: tuple[int, int], texts: list[bytes], seconds: float) -> Load:
    """Call one server for so long. place: its port and its process."""
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
    return Load(count / took, used / count * 1e6)


def compare(server_core: int, kind: Kind, *, seconds: float, rounds: int) -> Ratios:
    """OFREP against the echo. Rounds alternate, and ratios are taken within a round, so that a busy machine disturbs
    both sides."""
    texts = requests(kind)
    pairs: list[tuple[Load, Load]] = []
    with temporary() as root:
        edge_directory, echo_directory = root / "edge", root / "echo"
        edge_directory.mkdir()
        echo_directory.mkdir()
        publish_access(edge_directory)
        Control(edge_directory).publish()
        with (
            server(EDGE, edge_directory, server_core) as edge,
            server(ECHO, echo_directory, server_core) as echo,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            for _ in range(rounds):
                bare, ofrep = runner.run(load(echo, texts, seconds)), runner.run(load(edge, texts, seconds))
                pairs.append((bare, ofrep))
                print(
                    f"  echo {bare.per_s:7,.0f}/s {bare.cpu_us:5.1f} us   OFREP {kind} {ofrep.per_s:7,.0f}/s "
                    f"{ofrep.cpu_us:5.1f} us   ratio {ofrep.per_s / bare.per_s:.3f}, "
                    f"of processor time {bare.cpu_us / ofrep.cpu_us:.3f}"
                )
    walls = [ofrep.per_s / bare.per_s for bare, ofrep in pairs]
    cpus = [bare.cpu_us / ofrep.cpu_us for bare, ofrep in pairs]
    return Ratios(
        median(bare.per_s for bare, _ in pairs), median(ofrep.per_s for _, ofrep in pairs), median(walls), median(cpus)
    )
